"""Numbers visible changes of the board, and wakes the streams that wait for the next one.

A wake-up is only a hint. The hub also looks for itself every tenth of a second, so a change made by another process
is seen, and a lost wake-up costs a moment, never a change. Versions become visible in order because they are taken
under a row lock in the writing transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, connections, models, transaction

from .fast_sql import load_rows, set_columns, writer_of_times
from .models import BoardVersion, Conference

LOOK_SECONDS = 0.1
CHANNEL = "floorline"
LISTEN_SECONDS = 5.0  # then it makes sure that somebody is still at the other end
AGAIN_SECONDS = 1.0

TAKE = f"SELECT value FROM {BoardVersion._meta.db_table} WHERE id = 1"  # noqa: S608 - our own name
STORE = (
    f"UPDATE {BoardVersion._meta.db_table} "  # noqa: S608
    "SET value = %s, ingested_at = COALESCE(%s, ingested_at) WHERE id = 1"
)
TELL = " RETURNING pg_notify(%s, value::text)"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoardState:
    """The board's version, and when the last webhook was ingested."""

    version: int
    ingested_at: datetime | None


def current() -> BoardState:
    """Read the board's version."""
    for row in load_rows(BoardVersion, id=1):
        return BoardState(row.value, row.ingested_at)
    return BoardState(0, None)


@dataclass(slots=True)
class BoardChange:
    """One change of what somebody sees: its board version, and the conferences that it concerns."""

    version: int
    changed: bool = True
    """Whether there is anything to see; what is only held takes no version and wakes no stream."""
    conferences: set[UUID] = field(default_factory=set)

    def touch(self, *conferences: Conference | UUID | None) -> None:
        """Let the streams send these conferences again, once the change is committed."""
        ids = set(_ids(conferences))
        self.conferences |= ids
        self.changed |= bool(ids)

    def update(self, rows: models.QuerySet[Any], **fields: Any) -> int:
        """Update rows that viewers see; return how many matched, so that callers can compare and set."""
        return rows.update(**fields)


@contextlib.contextmanager
def board_change(*conferences: Conference | UUID | None, now: datetime) -> Iterator[BoardChange]:
    """Change what viewers see, in one transaction: lock the board, write, mark the conferences, wake on commit.

    Whatever is written inside becomes visible together and under one version, so no stream can miss a part of it. The
    board's row stays locked until the commit, so no later version can become visible before this one.
    """
    with transaction.atomic():
        change = BoardChange(version=_take_version() + 1)
        _store_version(change, ingested_at=None)
        change.touch(*conferences)
        yield change
        _mark(change)


@contextlib.contextmanager
def board_hold(*, now: datetime, ingested: bool = False) -> Iterator[BoardChange]:
    """Hold the board's lock for what may turn out to change nothing: nobody else merges registers meanwhile.

    Only where `changed` becomes true, or conferences are touched, is it a change like any other. What only repeats
    what is known takes no version and wakes no stream.
    """
    with transaction.atomic():
        change = BoardChange(version=_take_version() + 1, changed=False)
        yield change
        _mark(change)
        _store_version(change, ingested_at=now if ingested else None)


def _ids(conferences: Iterable[Conference | UUID | None]) -> Iterator[UUID]:
    for conference in conferences:
        if conference is not None:
            yield conference.pk if isinstance(conference, Conference) else conference


def _mark(change: BoardChange) -> None:
    if change.conferences:
        set_columns(Conference, {"version": change.version}, id=list(change.conferences))


def _take_version() -> int:
    """Lock the board's row (on SQLite the transaction itself is the lock) and return its version."""
    # Written as SQL: the ORM needs more time to build these two statements than the database to run them.
    with connection.cursor() as cursor:
        cursor.execute(TAKE if connection.vendor == "sqlite" else f"{TAKE} FOR UPDATE")
        found = cursor.fetchone()
    if found:
        return int(found[0])
    BoardVersion.objects.bulk_create([BoardVersion(id=1, value=0)], ignore_conflicts=True)
    return BoardVersion.objects.select_for_update().values_list("value", flat=True).get(id=1)


def _store_version(change: BoardChange, *, ingested_at: datetime | None) -> None:
    """Store the version of a change, and when the last webhook was ingested; streams wake at the commit."""
    if change.changed or ingested_at is not None:
        # PostgreSQL notifies the other processes at the commit; SQLite cannot.
        telling = change.changed and connection.vendor == "postgresql"
        value = change.version if change.changed else change.version - 1
        moment = writer_of_times()(ingested_at)
        with connection.cursor() as cursor:
            cursor.execute(f"{STORE}{TELL if telling else ''}", [value, moment, *([CHANNEL] if telling else [])])
    if change.changed:
        transaction.on_commit(partial(hub.notify, change.version))


class Hub:
    """Wakes everyone in this process who waits for a newer board; any number of waiters cost one look."""

    def __init__(self) -> None:
        self._version = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        # One thread with one connection of its own: the streams themselves hold none while they wait.
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="board-version")

    def notify(self, version: int) -> None:
        """Wake whoever waits for a version that has been committed; may be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._arrived, version)

    async def wait(self, *, after: int, seconds: float) -> int:
        """Return the board's version as soon as it is above `after`, at the latest after `seconds`."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._news = loop, asyncio.Event()
        if self._looking is None or self._looking.done():
            self._looking = loop.create_task(self._look())
        deadline = loop.time() + seconds
        while self._version <= after and (left := deadline - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        return self._version

    def close(self) -> None:
        """Give back the database connection of the thread that looks; whoever waits again opens another."""
        self._reader.submit(connections.close_all).result()

    def _arrived(self, version: int) -> None:
        if version > self._version:
            self._version = version
            self._news.set()
            self._news = asyncio.Event()

    def listen(self) -> None:
        """Have PostgreSQL wake this process too; called once, where a server starts."""
        if connection.vendor == "postgresql":
            threading.Thread(target=self._listen, name="board-listener", daemon=True).start()

    def _listen(self) -> None:
        """Wait for notifications on a connection of our own; while it is away, looking alone goes on."""
        while True:
            own = connections.create_connection("default")
            try:
                own.connect()
                own.connection.execute(f"LISTEN {CHANNEL}")
                while True:
                    for notification in own.connection.notifies(timeout=LISTEN_SECONDS):
                        self.notify(int(notification.payload))
                    own.connection.execute("SELECT 1")
            except Exception:
                logger.warning("the database's notifications broke off; listening again in a moment", exc_info=True)
                time.sleep(AGAIN_SECONDS)
            finally:
                own.close()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._arrived(await loop.run_in_executor(self._reader, self._read))
            await asyncio.sleep(LOOK_SECONDS)

    def _read(self) -> int:
        try:
            return current().version
        except DatabaseError:
            # The streams report it themselves, because their own reads fail; this loop continues.
            logger.warning("the board's version cannot be read", exc_info=True)
            connection.close()
            return 0


hub = Hub()
