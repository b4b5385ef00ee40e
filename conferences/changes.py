"""The hub: the number of the last visible change, and wake-ups for whoever waits for the next.

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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import DatabaseError, connection, connections, transaction

from .models import BoardVersion
from .rows import load_rows, writer_of_times

LOOK_SECONDS = 0.1
CHANNEL = "floorline"
LISTEN_SECONDS = 5.0  # then it makes sure that somebody is still at the other end
AGAIN_SECONDS = 1.0

LOCK = f"SELECT value FROM {BoardVersion._meta.db_table} WHERE id = 1"  # noqa: S608 - our own name
UNLOCK = (
    f"UPDATE {BoardVersion._meta.db_table} "  # noqa: S608
    "SET value = %s, ingested_at = COALESCE(%s, ingested_at) WHERE id = 1"
)
TELL = " RETURNING pg_notify(%s, value::text)"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoardState:
    """How far the board has come: its version, and when the last webhook was ingested."""

    version: int
    ingested_at: datetime | None


def current() -> BoardState:
    """Read the board's version."""
    for row in load_rows(BoardVersion, id=1):
        return BoardState(row.value, row.ingested_at)
    return BoardState(0, None)


def advance(*, now: datetime, ingested: bool = False) -> int:
    """Take the next board version inside the caller's transaction, and wake the streams once it is committed.

    The row stays locked until the commit, so no later version can become visible before this one.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("changes.advance() belongs inside the transaction that changes the board")
    held = Turn(version=_lock() + 1, changed=True)
    _unlock(held, ingested_at=now if ingested else None)
    return held.version


@dataclass(slots=True)
class Turn:
    """A transaction's hold on the board: the version that its changes carry, taken only if `changed` becomes true."""

    version: int
    changed: bool = False


@contextlib.contextmanager
def turn(*, now: datetime, ingested: bool = False) -> Iterator[Turn]:
    """Hold the board's lock for one transaction; nobody else merges registers or takes a version meanwhile.

    What only repeats what is known sets nothing, takes no version and wakes no stream.
    """
    with transaction.atomic():
        held = Turn(version=_lock() + 1)
        yield held
        _unlock(held, ingested_at=now if ingested else None)


def _lock() -> int:
    """Lock the board's row (on SQLite the transaction itself is the lock) and return its version."""
    # Written out: the ORM spends more on building these two statements than the database on running them.
    with connection.cursor() as cursor:
        cursor.execute(LOCK if connection.vendor == "sqlite" else f"{LOCK} FOR UPDATE")
        found = cursor.fetchone()
    if found:
        return int(found[0])
    BoardVersion.objects.bulk_create([BoardVersion(id=1, value=0)], ignore_conflicts=True)
    return BoardVersion.objects.select_for_update().values_list("value", flat=True).get(id=1)


def _unlock(held: Turn, *, ingested_at: datetime | None) -> None:
    if held.changed or ingested_at is not None:
        # PostgreSQL wakes the other processes with the commit; SQLite has no such thing.
        telling = held.changed and connection.vendor == "postgresql"
        value, moment = held.version - (not held.changed), writer_of_times()(ingested_at)
        with connection.cursor() as cursor:
            cursor.execute(f"{UNLOCK}{TELL if telling else ''}", [value, moment, *([CHANNEL] if telling else [])])
    if held.changed:
        transaction.on_commit(partial(hub.notify, held.version))


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
        """Say that a version has been committed; may be called from any thread."""
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
            # The streams say so by themselves (their own reads fail); looking goes on.
            logger.warning("the board's version cannot be read", exc_info=True)
            connection.close()
            return 0


hub = Hub()
