"""Keeps the live floor in memory, one per process, for every page and every stream.

It holds what everybody sees the same way; who may see it is asked per scope. It follows the database by its versions
alone, so any number of processes may write: what changed since the last version is read once, for all viewers
together. Time-dependent reasons wait in a heap for their moment, so nothing is computed each second.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from uuid import UUID

from conferences.changes import current
from conferences.models import Conference
from conferences.permissions import RightsScope

from . import loading
from .building import with_reasons
from .cards import BuiltCard, ConferenceCard
from .kept import Change, Counted, Figures, Found, is_recent, keep
from .loading import LoadedFloor, Waiting
from .sorting import Entry, Order, entry_of, filter_for, filtered
from .tallies import Tallies
from .window import WINDOW_SIZE, Sort, Window

ENDED_KEPT = timedelta(seconds=5)
"""Longer than a page fades a conference that has ended."""
COMPARED_EVERY = timedelta(seconds=10)
GAP = 5_000
"""The number of versions behind from which on everything live is read, and not only what changed."""
CHANGES_KEPT = 5_000


class LiveFloor:
    """Every live conference, in order, filtered and counted; all methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Forget everything, so that the next refresh reads the whole floor."""
        with self._lock:
            self.version = -1
            self.generation = 0
            self._waiting: tuple[Waiting, ...] = ()
            self._figures: OrderedDict[RightsScope, Figures] = OrderedDict()
            self._waiting_at: tuple[int, datetime] | None = None
            self._compared_at: datetime | None = None
            self._now = datetime.min.replace(tzinfo=UTC)
            self._entries: dict[UUID, Entry] = {}
            self._versions: dict[UUID, int] = {}
            self._sessions: dict[UUID, tuple[object, ...]] = {}
            self._ear_fingerprints: dict[int, str] = {}
            self._ended: dict[UUID, tuple[datetime, ConferenceCard]] = {}
            self._moments: list[tuple[datetime, UUID]] = []
            self._tallies = Tallies()
            self._orders: dict[tuple[Sort, bool], Order] = {}
            self._windows: OrderedDict[tuple[RightsScope, Window], Found] = OrderedDict()
            self._totals: OrderedDict[tuple[RightsScope, Window], Counted] = OrderedDict()
            self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)

    def refresh(self, *, now: datetime) -> int:
        """Catch up with the database and with the time; return the generation, which rises with every change."""
        version = current().version
        with self._lock:
            if version < self.version:
                # Another thread was first, or the database was replaced; the version shows which.
                version = current().version
            before = self.generation
            self.generation += 1
            gap = version < self.version or self.version < 0 or version - self.version > GAP
            if gap or self._has_drifted(now, version):
                self._take_all(loading.read(after=None, supervised={}), now)
            elif version > self.version:
                self._take(loading.read(after=self.version, supervised=self._sessions), now)
            self.version = version
            self._now = now
            self._pass_time(now)
            self._look_at_queues(now)
            if not self._changes or self._changes[-1].generation != self.generation:
                self.generation = before
            return self.generation

    # --- What is asked ------------------------------------------------------------------------------------------------

    def entries(self, scope: RightsScope, window: Window) -> tuple[Entry, ...]:
        """Return a window's entries in order; viewers with the same scope share the answer."""
        with self._lock:
            keeps = filter_for(scope, window)
            found = self._windows.get((scope, window))
            if found is None or self._concerns(found.generation, keeps):
                end = window.page * WINDOW_SIZE
                matching = filtered(self._order(window).entries(self._entries), scope, window, enough=end + 1)
                if (window.is_filtered or window.by_agent) and len(matching) <= end:
                    # All of them were looked at, so the total is known as well.
                    counted = Counted(self.generation, self._now, len(matching))
                    keep(self._totals, (scope, window.counted), counted)
                entries = tuple(matching[end - WINDOW_SIZE : end])
            else:
                entries = found.entries
            keep(self._windows, (scope, window), Found(self.generation, entries))
            return entries

    def total(self, scope: RightsScope, window: Window, *, now: datetime) -> int:
        """Return how many lines match; what no tally has is counted at most once a second."""
        with self._lock:
            counted = self._tallies.total(scope, window.counted)
            if counted is not None:
                return counted
            key = (scope, window.counted)
            known = self._totals.get(key)
            if known is None or (known.generation != self.generation and not is_recent(known.at, now)):
                matching = filtered(self._order(window).entries(self._entries), scope, window)
                known = Counted(self.generation, now, len(matching))
                keep(self._totals, key, known)
            return known.value

    def calls_of(self, scope: RightsScope, agent_id: int) -> int:
        """Return how many live conferences in a scope an agent is in."""
        with self._lock:
            return self._tallies.calls_of(scope, agent_id)

    def figures(self, scope: RightsScope, *, now: datetime) -> Figures:
        """Return the figures over everything in scope, counted at most once a second and shared by its viewers."""
        with self._lock:
            known = self._figures.get(scope)
            news = (self.generation, self._waiting_at)
            if known is None or (known.news != news and not is_recent(known.at, now)):
                longest = filter(filter_for(scope, Window()), self._order(Window()).entries(self._entries))
                tally = self._tallies.of(scope)
                known = Figures(
                    news=news,
                    at=now,
                    tally=tally,
                    longest_since=next((entry.card.started_at for entry in longest), None) if tally.live else None,
                    waiting=tuple(leg for leg in self._waiting if scope.answers_for(leg.teams)),
                )
                keep(self._figures, scope, known)
            return known

    def ended(self, id_: UUID) -> ConferenceCard | None:
        """Return the card of a conference that ended a moment ago."""
        kept = self._ended.get(id_)
        return kept[1] if kept else None

    def fingerprint_of(self, id_: UUID) -> object:
        """Return a value that changes with everything that a desk says of a conference which is or was just live."""
        entry = self._entries.get(id_)
        return self._versions.get(id_), entry and entry.card.reasons

    def ear_fingerprint(self, user_id: int) -> str | None:
        """Return a value that changes with everything a page says of this user's own ear."""
        return self._ear_fingerprints.get(user_id)

    def __len__(self) -> int:
        return len(self._entries)

    # --- How it follows -----------------------------------------------------------------------------------------------

    def _take_all(self, read: LoadedFloor, now: datetime) -> None:
        self._compared_at = now
        for id_ in [id_ for id_ in self._entries if id_ not in read.records]:
            self._put(id_, None)
        self._take(read, now)
        self._versions = {id_: version for id_, version in self._versions.items() if id_ in self._entries}

    def _take(self, read: LoadedFloor, now: datetime) -> None:
        for id_, record in read.records.items():
            self._versions[id_] = read.versions[id_]
            if record.card.ended_at is None:
                self._put(id_, self._entry(record, now))
            elif id_ in self._entries:
                self._put(id_, None)
                self._ended[id_] = (now + ENDED_KEPT, record.card)
            elif id_ not in self._ended:
                del self._versions[id_]
        self._sessions, self._ear_fingerprints = read.sessions, read.ear_fingerprints
        if len(self._moments) > 4 * len(self._entries) + 100:
            self._moments = [(entry.changes_at, id_) for id_, entry in self._entries.items() if entry.changes_at]
            heapify(self._moments)

    def _has_drifted(self, now: datetime, version: int) -> bool:
        """Return whether rows went away without a version; looks once in a while."""
        if self._compared_at and now - self._compared_at < COMPARED_EVERY:
            return False
        self._compared_at = now
        return version == self.version and Conference.objects.filter(ended_at=None).count() != len(self._entries)

    def _pass_time(self, now: datetime) -> None:
        while self._moments and self._moments[0][0] <= now:
            moment, id_ = heappop(self._moments)
            entry = self._entries.get(id_)
            if entry and entry.changes_at == moment:
                self._put(id_, self._entry(entry.record, now))
        for id_ in [id_ for id_, (until, _card) in self._ended.items() if until <= now]:
            del self._ended[id_]
            self._versions.pop(id_, None)

    def _look_at_queues(self, now: datetime) -> None:
        if self._waiting_at and (self._waiting_at[0] == self.version or is_recent(self._waiting_at[1], now)):
            return
        self._waiting = loading.waiting(now=now)
        self._waiting_at = (self.version, now)

    def _entry(self, record: BuiltCard, now: datetime) -> Entry:
        return entry_of(record, *with_reasons(record, now=now))

    def _put(self, id_: UUID, new: Entry | None) -> None:
        old = self._entries.get(id_)
        if old and new and old.record == new.record and old.card == new.card:
            return
        if new:
            self._entries[id_] = new
            if new.changes_at and not (old and old.changes_at == new.changes_at):
                heappush(self._moments, (new.changes_at, id_))
        elif old:
            del self._entries[id_]
        else:
            return
        self._tallies.swap(old, new)
        for order in self._orders.values():
            order.changed(id_)
        self._changes.append(Change(self.generation, old, new))

    def _concerns(self, generation: int, keeps: Callable[[Entry], bool]) -> bool:
        """Return whether anything that matches has changed since a generation."""
        if generation == self.generation:
            return False
        for change in reversed(self._changes):
            if change.generation <= generation:
                return False
            if (change.old and keeps(change.old)) or (change.new and keeps(change.new)):
                return True
        return len(self._changes) == CHANGES_KEPT

    def _order(self, window: Window) -> Order:
        return self._orders.setdefault(
            (window.sort, window.by_agent), Order(sort=window.sort, by_agent=window.by_agent)
        )


floor = LiveFloor()
