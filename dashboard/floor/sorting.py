"""Sorts and filters the floor, and keeps the order up to date change by change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from conferences import names
from conferences.permissions import RightsScope, Teams

from .cards import BuiltCard, ConferenceCard
from .window import NEEDS, Sort, Window

REBUILD_FROM = 500
"""The number of changes at once from which on all are sorted anew rather than put in one by one."""
CHUNK = 500
LAST = "\U0010ffff"
# Thousands of calls share a few sets of flags, so a filter over all of them finds the sets in the cache.
_SAME_FLAGS: dict[frozenset[str], frozenset[str]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A live conference as the floor keeps it: entries are compared by identity."""

    record: BuiltCard
    card: ConferenceCard
    """The record's card, with its reasons."""
    flags: frozenset[str]
    text: str
    """The text that a search looks through: nothing that the screen does not show."""
    changes_at: datetime | None
    """When its reasons change by themselves."""
    agent_id: int = 0
    """The agent under whom it stands where the floor is grouped by agent; 0 in a call without agents."""
    repeats: bool = False
    """Whether it also stands under an agent before."""

    @property
    def agent_name(self) -> str:
        return self.record.named_agents.get(self.agent_id, "")


def entry_of(record: BuiltCard, card: ConferenceCard, changes_at: datetime | None) -> Entry:
    """Prepare a card for searching and filtering."""
    found = frozenset(reason.key.value for reason in card.reasons) | ({NEEDS} if card.needs_somebody else set())
    text = names.folded("\n".join((card.name or card.stand_in, *card.agents, *card.customers)))
    flags = _SAME_FLAGS.setdefault(found, found)
    first = next(iter(record.named_agents), 0)
    return Entry(record=record, card=card, flags=flags, text=text, changes_at=changes_at, agent_id=first)


Key = tuple[Any, ...]


def _started(entry: Entry) -> float:
    return entry.card.started_at.timestamp() if entry.card.started_at else float("inf")


def _name(entry: Entry) -> str:
    return (entry.card.name or entry.card.stand_in).casefold()


def _agent(entry: Entry) -> str:
    return entry.agent_name.casefold() or LAST


KEYS: Mapping[Sort, Callable[[Entry], Key]] = {
    Sort.LONGEST: lambda entry: (_started(entry),),
    Sort.NEEDS: lambda entry: (-entry.card.weight, _started(entry)),
    Sort.NEWEST: lambda entry: (-_started(entry) if entry.card.started_at else float("inf"),),
    Sort.NAME: lambda entry: (_name(entry),),
    Sort.AGENT: lambda entry: (_agent(entry), _started(entry)),
}


def key_of(entry: Entry, *, sort: Sort, by_agent: bool) -> Key:
    """Return where an entry stands; the id at the end makes every order total."""
    group = (_agent(entry), entry.agent_id) if by_agent else ()
    return (*group, *KEYS[sort](entry), entry.card.id)


class Order:
    """All live conferences in one order; catches up only when somebody looks.

    Grouped by agent, a conference stands under each of its agents, as an entry of its own.
    """

    def __init__(self, *, sort: Sort, by_agent: bool) -> None:
        self._sort, self._by_agent = sort, by_agent
        self._keys: list[Key] = []
        self._entries: list[Entry] = []  # beside the keys: a search passes over thousands
        self._keys_of: dict[UUID, tuple[Key, ...]] = {}
        self._late: set[UUID] | None = None

    def changed(self, id_: UUID) -> None:
        """Note that an entry came, went or became another."""
        if self._late is not None:
            self._late.add(id_)

    def entries(self, entries: Mapping[UUID, Entry]) -> Sequence[Entry]:
        """Return the live conferences in order."""
        if self._late is None or len(self._late) > REBUILD_FROM:
            self._keys_of.clear()
            placed = {key: one for id_, entry in entries.items() for key, one in self._place(id_, entry)}
            self._keys = sorted(placed)
            self._entries = [placed[key] for key in self._keys]
        else:
            for id_ in self._late:
                self._move(id_, entries.get(id_))
        self._late = set()
        return self._entries

    def _move(self, id_: UUID, entry: Entry | None) -> None:
        for was in self._keys_of.pop(id_, ()):
            at = bisect_left(self._keys, was)
            del self._keys[at], self._entries[at]
        for key, one in self._place(id_, entry) if entry is not None else ():
            at = bisect_left(self._keys, key)
            self._keys.insert(at, key)
            self._entries.insert(at, one)

    def _place(self, id_: UUID, entry: Entry) -> list[tuple[Key, Entry]]:
        """Note where an entry stands, and return it; grouped by agent, once for each."""
        key = key_of(entry, sort=self._sort, by_agent=self._by_agent)
        self._keys_of[id_] = (key,)
        if not self._by_agent or len(entry.record.named_agents) < 2:
            return [(key, entry)]
        others = [replace(entry, agent_id=agent, repeats=True) for agent in entry.record.agent_ids[1:]]
        placed = [(key, entry), *((key_of(one, sort=self._sort, by_agent=True), one) for one in others)]
        self._keys_of[id_] = tuple(key for key, _one in placed)
        return placed


class SeenTeams(dict[Teams, bool]):
    """A cache of whether a scope sees the conferences of some teams, asked once for each set of teams."""

    def __init__(self, scope: RightsScope) -> None:
        super().__init__()
        self._scope = scope

    def __missing__(self, teams: Teams) -> bool:
        self[teams] = sees = self._scope.sees(teams)
        return sees


def sifter(scope: RightsScope, window: Window) -> Callable[[Sequence[Entry]], Sequence[Entry]]:
    """Return what keeps of some entries those that a window asks for, within a scope.

    A list comprehension for each filter, and none for what is not asked: there are ten thousand conferences, and a
    call for each would cost more than the page.
    """
    seen_teams, needle, numbers = SeenTeams(scope), names.folded(window.query), names.search_for(window.query)
    team, queue, flag = window.team, window.queue, window.flag

    def sifted(some: Sequence[Entry]) -> Sequence[Entry]:
        if window.is_lost:
            return ()
        if numbers:
            some = [one for one in some if needle in one.text or not numbers.isdisjoint(one.record.numbers)]
        elif needle:
            some = [one for one in some if needle in one.text]
        if flag:
            some = [one for one in some if flag in one.flags]
        if team:
            some = [one for one in some if team in one.card.team_ids]
        if queue:
            some = [one for one in some if queue in one.record.queues]
        if window.supervised:
            some = [one for one in some if one.card.supervisors]
        if not scope.seen.everywhere:
            some = [one for one in some if seen_teams[one.card.team_ids]]
        return some

    return sifted


def filter_for(scope: RightsScope, window: Window) -> Callable[[Entry], bool]:
    """Return the question whether an entry belongs to what a window asks for, within a scope."""
    sifted = sifter(scope, window)
    return lambda entry: bool(sifted((entry,)))


def filtered(entries: Sequence[Entry], scope: RightsScope, window: Window, *, enough: int | None = None) -> list[Entry]:
    """Return those that a window asks for, in the order given; where `enough` is given, perhaps only the first ones."""
    sifted, found = sifter(scope, window), list[Entry]()
    for start in range(0, len(entries), CHUNK):
        found += sifted(entries[start : start + CHUNK])
        if enough is not None and len(found) >= enough:
            break
    return found
