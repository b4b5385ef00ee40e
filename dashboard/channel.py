"""What one group of equal pages shows, and the pieces that bring all of them up to date together."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from django.utils import timezone, translation

from . import fragments, rows
from .board import Choices, Counters, Item, Paging, Row, Tidings, choices, counters, items, paging
from .live import floor
from .scope import Scope
from .window import Window

FADES = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Audience:
    """Pages for which everything on the floor is the same, personal things apart."""

    scope: Scope
    window: Window
    language: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands above and below the rows."""

    counters: Counters
    choices: Choices
    paging: Paging
    tidings: Tidings


@contextmanager
def _reading_as(audience: Audience) -> Iterator[None]:
    with translation.override(audience.language), timezone.override(audience.zone):
        yield


class Channel:
    """What its pages show. Every list of pieces has a number: a page takes the snapshot, then those that are newer."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.number = 0
        self._lock = Lock()
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._fading: dict[str, datetime] = {}
        self._seen = -1
        self._figures: Figures | None = None

    def snapshot(self, *, tidings: Tidings, now: datetime) -> tuple[int, list[str]]:
        """Return everything a page of this channel shows, with the number from which on pieces are news to it."""
        with self._lock, _reading_as(self.audience):
            if self._seen < 0:
                self._catch_up(tidings, now)
            html = "".join(rows.render(self._items[dom_id], now=now) for dom_id in self._order)
            pieces = [fragments.piece("conferences", html, swap="innerMorph")]
            if self._figures:
                pieces += self._told(self._figures, None, now)
            return self.number, pieces

    def changes(self, *, tidings: Tidings, now: datetime) -> tuple[int, list[str]]:
        """Return what changed since the last call, with its number."""
        with self._lock, _reading_as(self.audience):
            pieces = self._catch_up(tidings, now)
            self.number += bool(pieces)
            return self.number, pieces

    def shown(self) -> list[str]:
        """Return the ids of the conferences in this channel's window."""
        with self._lock:
            return [str(item.card.id) for item in self._items.values() if isinstance(item, Row)]

    def _catch_up(self, tidings: Tidings, now: datetime) -> list[str]:
        pieces = self._rows(now) if self._seen != floor.generation or self._fading else []
        before = self._figures
        self._figures = Figures(
            counters=counters(self.audience.scope, now=now),
            choices=choices(self.audience.scope, now=now),
            paging=paging(
                self.audience.scope, window=self.audience.window, last_event_at=tidings.last_event_at, now=now
            ),
            tidings=tidings,
        )
        return pieces + self._told(self._figures, before, now)

    def _told(self, figures: Figures, before: Figures | None, now: datetime) -> list[str]:
        window = self.audience.window
        pieces = []
        if before is None or figures.counters != before.counters:
            pieces.append(fragments.counters(figures.counters, window=window, now=now))
        # What nobody can be found by any more may stay: a list that changes with every call cannot be chosen from.
        if before is None or not figures.choices.values <= before.choices.values:
            pieces.append(fragments.choices(figures.choices, window=window))
        if before is None or figures.paging != before.paging:
            pieces.append(fragments.window(figures.paging, window=window))
        if before is None or figures.tidings.bridged_seen != before.tidings.bridged_seen:
            pieces.append(fragments.tidings(figures.tidings))
        return pieces

    def _rows(self, now: datetime) -> list[str]:
        self._seen = floor.generation
        found = {item.dom_id: item for item in items(self.audience.scope, window=self.audience.window)}
        pieces = [piece for dom_id in self._order if dom_id not in found for piece in self._take_away(dom_id, now)]
        stay = _longest_rising([dom_id for dom_id in found if dom_id in self._items], self._order)
        moved = [dom_id for dom_id in found if dom_id in self._items and dom_id not in stay]
        pieces += [fragments.piece(dom_id, swap="delete") for dom_id in moved]
        order = [dom_id for dom_id in self._order if dom_id in self._items and dom_id not in set(moved)]
        # htmx looks for all targets of a message before it swaps: new rows are placed by one that stays.
        new: dict[str, list[str]] = defaultdict(list)
        before = ""
        for dom_id, item in found.items():
            if dom_id in stay:
                before = dom_id
                if self._items[dom_id] != item:
                    pieces.append(fragments.piece(dom_id, rows.render(item, now=now)))
            else:
                new[before].append(dom_id)
            self._items[dom_id] = item
            self._fading.pop(dom_id, None)
        for place, dom_ids in new.items():
            html = "".join(rows.render(found[dom_id], now=now) for dom_id in dom_ids)
            pieces.append(fragments.piece(place or "conferences", html, swap="afterend" if place else "afterbegin"))
            at = order.index(place) + 1 if place else 0
            order[at:at] = dom_ids
        self._order = order
        return pieces

    def _take_away(self, dom_id: str, now: datetime) -> list[str]:
        """Let a call that ended fade in its place; what is no longer in the window goes at once."""
        item = self._items[dom_id]
        if dom_id in self._fading:
            if now < self._fading[dom_id]:
                return []
        elif isinstance(item, Row) and (card := floor.ended(item.card.id)):
            self._fading[dom_id] = now + FADES
            self._items[dom_id] = replace(item, card=card)
            return [fragments.piece(dom_id, rows.render(self._items[dom_id], now=now))]
        del self._items[dom_id]
        self._fading.pop(dom_id, None)
        return [fragments.piece(dom_id, swap="delete")]


def _longest_rising(wanted: Sequence[str], order: Sequence[str]) -> frozenset[str]:
    """Return the most ids that can stay where they are: the longest run of `wanted` that `order` has in that order."""
    place = {dom_id: number for number, dom_id in enumerate(order)}
    places = [place[dom_id] for dom_id in wanted]
    if places == sorted(places):
        return frozenset(wanted)
    tails: list[int] = []
    runs: list[tuple[str, ...]] = []
    for dom_id in wanted:
        at = bisect_left(tails, place[dom_id])
        run = (*(runs[at - 1] if at else ()), dom_id)
        tails[at : at + 1], runs[at : at + 1] = [place[dom_id]], [run]
    return frozenset(runs[-1] if runs else ())
