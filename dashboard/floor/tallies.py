"""Counts conferences by the teams they belong to, change by change, and adds the counts up per scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from conferences.permissions import RightsScope, Teams

from .sorting import Entry
from .window import Window

Thing = TypeVar("Thing")


@dataclass(slots=True)
class Tally:
    """The figures of some conferences."""

    live: int = 0
    lines: int = 0
    """The conferences where each counts once for each of its agents, and once where it has none."""
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

    def total(self, scope: RightsScope, counted: Window) -> int | None:
        """Return how many lines a window has in a scope, where that is counted anyway."""
        mine, filters = self._within(scope), counted.filters
        if counted.by_agent:
            return sum(tally.lines for tally in mine) if filters == Window() else None
        if filters == Window():
            return sum(tally.live for tally in mine)
        if filters == Window(flag=filters.flag):
            return sum(tally.flags[filters.flag] for tally in mine)
        if filters == Window(supervised=True):
            return sum(tally.supervised for tally in mine)
        return None

    def of(self, scope: RightsScope) -> Tally:
        """Return the sum over everything in a scope."""
        total = Tally()
        for tally in self._within(scope):
            total.live += tally.live
            total.lines += tally.lines
            total.supervised += tally.supervised
            total.flags.update(tally.flags)
            total.agents.update(tally.agents)
            total.teams.update(tally.teams)
            total.queues.update(tally.queues)
        return total

    def calls_of(self, scope: RightsScope, agent_id: int) -> int:
        """Return how many conferences in a scope an agent is in."""
        return sum(tally.agents[agent_id] for tally in self._within(scope))

    def _within(self, scope: RightsScope) -> list[Tally]:
        return [tally for teams, tally in self._by_teams.items() if scope.sees(teams)]

    def _add(self, entry: Entry, sign: int) -> None:
        teams = entry.card.team_ids
        tally = self._by_teams.setdefault(teams, Tally())
        tally.live += sign
        tally.lines += sign * max(1, len(entry.record.named_agents))
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
