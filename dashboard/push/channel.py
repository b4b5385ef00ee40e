"""Renders what one group of equal pages shows, and the pieces that bring them up to date."""

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

from conferences.permissions import RightsScope
from dashboard.floor.board import HeaderFigures, Item, Repetition, Row, header, items
from dashboard.floor.health import FloorNotices
from dashboard.floor.live import floor
from dashboard.floor.window import Window
from dashboard.rendering import fragments, row_cache

FADES = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class PageGroup:
    """Pages for which everything on the floor is the same, personal things apart."""

    scope: RightsScope
    window: Window
    language: str
    zone: ZoneInfo


@contextmanager
def _reading_as(audience: PageGroup) -> Iterator[None]:
    with translation.override(audience.language), timezone.override(audience.zone):
        yield


class Channel:
    """The rows and figures that its pages show.

    Every list of pieces has a number: a page takes the snapshot, then those that are newer.
    """

    def __init__(self, audience: PageGroup) -> None:
        self.audience = audience
        self.number = 0
        self._lock = Lock()
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._fading: dict[str, datetime] = {}
        self._seen = -1
        self._figures: HeaderFigures | None = None

    def snapshot(self, *, notices: FloorNotices, now: datetime) -> tuple[int, list[str]]:
        """Return everything a page of this channel shows, with the number from which on pieces are news to it."""
        with self._lock, _reading_as(self.audience):
            if self._seen < 0:
                self._catch_up(notices, now)
            html = "".join(row_cache.render(self._items[dom_id], now=now) for dom_id in self._order)
            pieces = [fragments.piece("conferences", html, swap="innerMorph")]
            if self._figures:
                pieces += self._header_pieces(self._figures, None, now)
            return self.number, pieces

    def changes(self, *, notices: FloorNotices, now: datetime) -> tuple[int, list[str]]:
        """Return what changed since the last call, with its number."""
        with self._lock, _reading_as(self.audience):
            pieces = self._catch_up(notices, now)
            self.number += bool(pieces)
            return self.number, pieces

    def content(self) -> str:
        """Return the values that the last snapshot was made of, as text that is equal where they are."""
        with self._lock:
            figures = self._figures
            shown = [self._items[dom_id] for dom_id in self._order]
            if figures is None:
                return repr(shown)
            return repr(
                (shown, figures.counters, figures.choices, figures.paging, figures.queues, figures.notices.shown)
            )

    def shown(self) -> list[str]:
        """Return the ids of the conferences in this channel's window."""
        with self._lock:
            cards = [item.card for item in self._items.values() if isinstance(item, Row | Repetition)]
            return list(dict.fromkeys(str(card.id) for card in cards))

    def _catch_up(self, notices: FloorNotices, now: datetime) -> list[str]:
        pieces = self._rows(now) if self._seen != floor.generation or self._fading else []
        before = self._figures
        self._figures = header(self.audience.scope, window=self.audience.window, notices=notices, now=now)
        return pieces + self._header_pieces(self._figures, before, now)

    def _header_pieces(self, figures: HeaderFigures, before: HeaderFigures | None, now: datetime) -> list[str]:
        window = self.audience.window
        pieces = []
        if before is None or figures.counters != before.counters:
            pieces.append(fragments.counters(figures.counters, window=window, now=now))
        if before is None or figures.queues != before.queues:
            pieces.append(fragments.waiting(figures.queues, window=window, now=now))
        # Options without a match are kept, because a list that changes with every call is hard to choose from.
        if before is None or not figures.choices.values <= before.choices.values:
            pieces.append(fragments.choices(figures.choices, window=window))
        if before is None or figures.paging != before.paging:
            pieces.append(fragments.window(figures.paging, window=window))
        if before is None or figures.notices.shown != before.notices.shown:
            pieces.append(fragments.notices(figures.notices))
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
                    pieces.append(fragments.piece(dom_id, row_cache.render(item, now=now)))
            else:
                new[before].append(dom_id)
            self._items[dom_id] = item
            self._fading.pop(dom_id, None)
        for place, dom_ids in new.items():
            html = "".join(row_cache.render(found[dom_id], now=now) for dom_id in dom_ids)
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
            return [fragments.piece(dom_id, row_cache.render(self._items[dom_id], now=now))]
        del self._items[dom_id]
        self._fading.pop(dom_id, None)
        return [fragments.piece(dom_id, swap="delete")]


def _longest_rising(wanted: Sequence[str], order: Sequence[str]) -> frozenset[str]:
    """Return the most ids that can stay where they are: the longest run of `wanted` that is in order (decision 13)."""
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
