"""What the floor counts, by the set of teams that conferences belong to: kept change by change, added up per scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from .orders import Entry
from .scope import Scope, Teams
from .window import Window

Thing = TypeVar("Thing")


@dataclass(slots=True)
class Tally:
    """The figures of some conferences."""

    live: int = 0
    supervised: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    agents: Counter[int] = field(default_factory=Counter)
    teams: Counter[tuple[int, str]] = field(default_factory=Counter)
    queues: Counter[tuple[str, str]] = field(default_factory=Counter)


class Tallies:
    """The figures of the whole floor; every change is taken out and put in again, so they cannot drift."""

    def __init__(self) -> None:
        self._by_teams: dict[Teams, Tally] = {}

    def swap(self, old: Entry | None, new: Entry | None) -> None:
        """Take an entry out, and put one in."""
        if old:
            self._add(old, -1)
        if new:
            self._add(new, 1)

    def total(self, scope: Scope, filters: Window) -> int | None:
        """Return how many conferences in a scope match, where that is counted anyway."""
        mine = [tally for teams, tally in self._by_teams.items() if scope.sees(teams)]
        if filters == Window():
            return sum(tally.live for tally in mine)
        if filters == Window(flag=filters.flag):
            return sum(tally.flags[filters.flag] for tally in mine)
        if filters == Window(supervised=True):
            return sum(tally.supervised for tally in mine)
        return None

    def of(self, scope: Scope) -> Tally:
        """Return the sum over everything in a scope."""
        total = Tally()
        for teams, tally in self._by_teams.items():
            if scope.sees(teams):
                total.live += tally.live
                total.supervised += tally.supervised
                total.flags.update(tally.flags)
                total.agents.update(tally.agents)
                total.teams.update(tally.teams)
                total.queues.update(tally.queues)
        return total

    def _add(self, entry: Entry, sign: int) -> None:
        teams = entry.card.team_ids
        tally = self._by_teams.setdefault(teams, Tally())
        tally.live += sign
        tally.supervised += sign * bool(entry.card.supervisors)
        _count(tally.flags, entry.flags, sign)
        _count(tally.agents, entry.record.agent_ids, sign)
        _count(tally.teams, entry.record.named_teams.items(), sign)
        _count(tally.queues, entry.record.named_queues.items(), sign)
        if not tally.live:
            del self._by_teams[teams]


def _count(counter: Counter[Thing], things: Iterable[Thing], sign: int) -> None:
    for thing in things:
        counter[thing] += sign
        if not counter[thing]:
            del counter[thing]
