"""What a viewer may see and hear, as one hashable value: viewers with equal scopes share all that is computed."""

from __future__ import annotations

from dataclasses import dataclass

from conferences.permissions import RightsBook

Teams = frozenset[int]


@dataclass(frozen=True, slots=True)
class Scope:
    """The teams whose conferences somebody sees, and those in which they may monitor."""

    everywhere: bool = False
    teams: Teams = frozenset()
    without_team: bool = False
    monitors: Teams = frozenset()
    monitors_without_team: bool = False

    @classmethod
    def of(cls, book: RightsBook) -> Scope:
        """Say what a person's rights let them see."""
        return cls(
            everywhere=book.everywhere,
            teams=frozenset(book.by_team),
            without_team=book.staff or book.leads,
            monitors=frozenset(team for team, rights in book.by_team.items() if rights.monitor),
            monitors_without_team=book.without_team.monitor,
        )

    def sees(self, teams: Teams) -> bool:
        """Say whether a conference of these teams is in scope; the same answer as RightsBook.may_see."""
        return self.everywhere or (not teams and self.without_team) or not self.teams.isdisjoint(teams)

    def answers_for(self, team: int | None) -> bool:
        """Say whether a waiting leg is this scope's: one of no team is everybody's who is in a team at all."""
        if self.everywhere or self.without_team:
            return True
        return team in self.teams if team is not None else bool(self.teams)

    def may_monitor(self, teams: Teams) -> bool:
        """Say whether a conference of these teams may be monitored; the same answer as RightsBook.in_teams."""
        if self.everywhere:
            return True
        return not self.monitors.isdisjoint(teams) if teams else self.monitors_without_team
