"""The orders of the floor, and what a window leaves out: sorted once, then kept in order change by change."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .cards import ConferenceCard, Record
from .reasons import NEEDS_SOMEBODY
from .scope import Scope, Teams
from .window import NEEDS, Sort, Window

REBUILD_FROM = 500
"""So many changes at once are sorted anew rather than put in one by one."""
CHUNK = 500
LAST = "\U0010ffff"
WHOLE_NUMBER = 7
# Thousands of calls share a few sets of flags: a filter that passes over them all finds these few in the cache.
_SAME_FLAGS: dict[frozenset[str], frozenset[str]] = {}
_SIGNS = re.compile(r"[\s()+./-]")


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A live conference as the floor keeps it: two entries are never equal, only the same."""

    record: Record
    card: ConferenceCard
    """The record's card, with its reasons."""
    flags: frozenset[str]
    text: str
    """What a search looks through: nothing that the screen does not show."""
    changes_at: datetime | None
    """When its reasons change by themselves."""


def entry_of(record: Record, card: ConferenceCard, changes_at: datetime | None) -> Entry:
    """Prepare a card for searching and filtering."""
    found = frozenset(reason.key.value for reason in card.reasons) | (
        {NEEDS} if card.weight >= NEEDS_SOMEBODY else set()
    )
    text = "\n".join((card.name or card.stand_in, *card.agents, *card.customers)).casefold()
    flags = _SAME_FLAGS.setdefault(found, found)
    return Entry(record=record, card=card, flags=flags, text=text, changes_at=changes_at)


Key = tuple[Any, ...]


def _started(entry: Entry) -> float:
    return entry.card.started_at.timestamp() if entry.card.started_at else float("inf")


def _name(entry: Entry) -> str:
    return (entry.card.name or entry.card.stand_in).casefold()


def _agent(entry: Entry) -> str:
    return entry.card.agents[0].casefold() if entry.card.agents else LAST


KEYS: Mapping[Sort, Callable[[Entry], Key]] = {
    Sort.LONGEST: lambda entry: (_started(entry),),
    Sort.NEEDS: lambda entry: (-entry.card.weight, _started(entry)),
    Sort.NEWEST: lambda entry: (-_started(entry) if entry.card.started_at else float("inf"),),
    Sort.NAME: lambda entry: (_name(entry),),
    Sort.AGENT: lambda entry: (_agent(entry), _started(entry)),
}


def key_of(entry: Entry, *, sort: Sort, by_agent: bool) -> Key:
    """Return where an entry stands; the id at the end makes every order total."""
    group = (_agent(entry), entry.record.agent_ids[0] if entry.record.agent_ids else 0) if by_agent else ()
    return (*group, *KEYS[sort](entry), entry.card.id)


class Order:
    """All live conferences in one order; catches up only when somebody looks."""

    def __init__(self, *, sort: Sort, by_agent: bool) -> None:
        self._sort, self._by_agent = sort, by_agent
        self._keys: list[Key] = []
        self._entries: list[Entry] = []  # beside the keys: a search passes over thousands
        self._key: dict[UUID, Key] = {}
        self._late: set[UUID] | None = None

    def changed(self, id_: UUID) -> None:
        """Note that an entry came, went or became another."""
        if self._late is not None:
            self._late.add(id_)

    def entries(self, entries: Mapping[UUID, Entry]) -> Sequence[Entry]:
        """Return the live conferences in order."""
        if self._late is None or len(self._late) > REBUILD_FROM:
            self._key = {id_: self._key_of(entry) for id_, entry in entries.items()}
            self._keys = sorted(self._key.values())
            self._entries = [entries[key[-1]] for key in self._keys]
        else:
            for id_ in self._late:
                self._move(id_, entries.get(id_))
        self._late = set()
        return self._entries

    def _move(self, id_: UUID, entry: Entry | None) -> None:
        was = self._key.pop(id_, None)
        if was is not None:
            at = bisect_left(self._keys, was)
            del self._keys[at], self._entries[at]
        if entry is not None:
            key = self._key[id_] = self._key_of(entry)
            at = bisect_left(self._keys, key)
            self._keys.insert(at, key)
            self._entries.insert(at, entry)

    def _key_of(self, entry: Entry) -> Key:
        return key_of(entry, sort=self._sort, by_agent=self._by_agent)


class Seeing(dict[Teams, bool]):
    """Whether a scope sees the conferences of some teams, asked once for each set of teams."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def __missing__(self, teams: Teams) -> bool:
        self[teams] = sees = self._scope.sees(teams)
        return sees


def sifter(scope: Scope, window: Window) -> Callable[[Sequence[Entry]], Sequence[Entry]]:
    """Return what keeps of some entries those that a window asks for, within a scope.

    A list comprehension for each filter, and none for what is not asked: there are ten thousand conferences, and a
    call for each would cost more than the page.
    """
    seeing, needle, numbers = Seeing(scope), window.query.casefold(), _whole_numbers(window.query)
    team, queue, flag = window.team, window.queue, window.flag

    def sifted(some: Sequence[Entry]) -> Sequence[Entry]:
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
        if not scope.everywhere:
            some = [one for one in some if seeing[one.card.team_ids]]
        return some

    return sifted


def keeper(scope: Scope, window: Window) -> Callable[[Entry], bool]:
    """Return the question whether an entry belongs to what a window asks for, within a scope."""
    sifted = sifter(scope, window)
    return lambda entry: bool(sifted((entry,)))


def sift(entries: Sequence[Entry], scope: Scope, window: Window, *, enough: int | None = None) -> list[Entry]:
    """Return those that a window asks for, in the order given; where `enough` is given, perhaps only the first ones."""
    sifted, found = sifter(scope, window), list[Entry]()
    for start in range(0, len(entries), CHUNK):
        found += sifted(entries[start : start + CHUNK])
        if enough is not None and len(found) >= enough:
            break
    return found


def _whole_numbers(query: str) -> frozenset[str]:
    """Return the whole numbers that a search may mean: a part of one would let people guess what the mask hides."""
    digits = _SIGNS.sub("", query)
    if not (digits.isascii() and digits.isdigit()) or len(digits) < WHOLE_NUMBER:
        return frozenset()
    return frozenset({digits, digits.removeprefix("00"), digits.removeprefix("0")})
