"""Follows the board for one open page: the snapshot first, then only what differs from what was sent."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from conferences.changes import current

from . import fragments
from .board import Counters, Paging, Tidings, board, cards, counters, paging, tidings, window_rows
from .cards import ConferenceCard
from .desk import Desk, desk
from .fragments import Page
from .my_ear import MyEar, my_ear

FADES = timedelta(seconds=3)
COUNTS_EVERY = timedelta(seconds=1)


class Follower:
    """What one page shows, and the pieces that bring it up to date."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.version = 0
        self._rows: dict[UUID, ConferenceCard] = {}
        self._versions: dict[UUID, int] = {}
        self._fading: dict[UUID, datetime] = {}
        self._counters: Counters | None = None
        self._paging: Paging | None = None
        self._tidings: Tidings | None = None
        self._counted_at: datetime | None = None
        self._counted_version = -1
        self._ear: MyEar | None = None
        self._desk: Desk | None = None

    def snapshot(self, *, now: datetime) -> list[str]:
        """Return the whole window: what a page may have missed is never guessed."""
        pieces: list[str] = []
        if self.page.alone:
            self.version = current().version
        else:
            seen = board(self.page.viewer, window=self.page.window, now=now)
            self.version, self._rows = seen.version, {card.id: card for card in seen.rows}
            self._versions = {card.id: card.version for card in seen.rows}
            self._counters, self._paging, self._tidings = seen.counters, seen.paging, seen.tidings
            self._counted_at, self._counted_version = now, seen.version
            self._fading = {}
            pieces += fragments.whole_floor(seen, page=self.page, now=now)
        return pieces + self._own(now=now)

    def changes(self, *, now: datetime, thorough: bool = False) -> list[str]:
        """Return what changed since the last call; `thorough` also compares what no version announced."""
        version = current().version
        pieces = self._faded(now)
        if version != self.version or thorough:
            if not self.page.alone:
                pieces += self._changed_rows(now=now, thorough=thorough)
            pieces += self._own(now=now)
            self.version = version
        if not self.page.alone and (thorough or self._counts_are_due(now)):
            pieces += self._figures(now=now)
        return pieces

    def is_behind(self, version: int) -> bool:
        """Say whether there may be something to send, without asking the database."""
        return version > self.version or bool(self._fading) or self._counted_version not in {self.version, -1}

    def _changed_rows(self, *, now: datetime, thorough: bool) -> list[str]:
        order = window_rows(self.page.viewer, window=self.page.window)
        versions = dict(order)
        gone = [id_ for id_ in self._rows if id_ not in versions and id_ not in self._fading]
        stale = [id_ for id_, version in order if thorough or self._versions.get(id_) != version]
        fresh = {card.id: card for card in cards(self.page.viewer, [*stale, *gone])}
        pieces = [piece for id_ in gone for piece in self._take_away(id_, fresh.get(id_), now)]
        # htmx looks for all targets of a message before it swaps: new rows are placed by one that is already shown.
        shown = set(self._rows)
        before: UUID | None = None
        new: dict[UUID | None, list[str]] = defaultdict(list)
        for id_, _version in order:
            card = fresh.get(id_)
            if card and self._rows.get(id_) != card:
                html = fragments.row(card, page=self.page, now=now)
                if id_ in shown:
                    pieces.append(fragments.piece(f"conference-{id_}", html))
                else:
                    new[before].append(html)
                self._rows[id_] = card
                self._fading.pop(id_, None)
            if id_ in shown:
                before = id_
        self._versions = versions
        return pieces + [self._place("".join(rows), place) for place, rows in new.items()]

    def _place(self, rows: str, before: UUID | None) -> str:
        if before is None:
            return fragments.piece("conferences", rows, swap="afterbegin")
        return fragments.piece(f"conference-{before}", rows, swap="afterend")

    def _take_away(self, id_: UUID, card: ConferenceCard | None, now: datetime) -> list[str]:
        """Let a call that ended fade in its place; what is no longer this viewer's goes at once."""
        if card is None or card.ended_at is None:
            del self._rows[id_]
            return [fragments.piece(f"conference-{id_}", swap="delete")]
        self._fading[id_] = now + FADES
        self._rows[id_] = card
        return [fragments.piece(f"conference-{id_}", fragments.row(card, page=self.page, now=now))]

    def _faded(self, now: datetime) -> list[str]:
        over = [id_ for id_, until in self._fading.items() if until <= now]
        for id_ in over:
            del self._fading[id_]
            self._rows.pop(id_, None)
        return [fragments.piece(f"conference-{id_}", swap="delete") for id_ in over]

    def _counts_are_due(self, now: datetime) -> bool:
        if self._counted_version == self.version:
            return False
        return self._counted_at is None or now - self._counted_at >= COUNTS_EVERY

    def _figures(self, *, now: datetime) -> list[str]:
        self._counted_at, self._counted_version = now, self.version
        pieces = []
        counted = counters(self.page.viewer, now=now)
        if counted != self._counters:
            pieces.append(fragments.counters(counted, now=now))
        placed = paging(self.page.viewer, window=self.page.window, live=counted.live)
        if placed != self._paging:
            pieces.append(fragments.window(placed, page=self.page))
        told = tidings(now=now)
        if told.bridged_seen != (self._tidings and self._tidings.bridged_seen):
            pieces.append(fragments.tidings(told))
        self._counters, self._paging, self._tidings = counted, placed, told
        return pieces

    def _own(self, *, now: datetime) -> list[str]:
        """Return what is the viewer's alone: the ear in the top bar and the open desk."""
        shown = desk(self.page.viewer, conference_id=self.page.open_id) if self.page.open_id else None
        mine = shown.ear if shown else my_ear(self.page.viewer)
        pieces = []
        if mine != self._ear:
            pieces.append(fragments.ear(mine, page=self.page, now=now))
        if self.page.open_id and shown != self._desk:
            pieces.append(fragments.desk(shown, page=self.page, now=now))
        self._ear, self._desk = mine, shown
        return pieces
