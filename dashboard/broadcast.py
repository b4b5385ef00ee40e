"""One pump per process: looks once when the board changes, renders once per audience, and hands everyone the bytes.

The first change after a quiet moment goes out at once; under load, changes gather while the last ones are being sent,
and the newest of each conference wins. What a page's viewer alone sees is read only when the floor has seen it change.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import uuid4

from django.db import close_old_connections, connections
from django.utils import timezone, translation

from conferences.changes import hub

from . import fragments, presence
from .board import Tidings
from .channel import Audience, Channel
from .fragments import Page
from .lifetime import worker_is_alive
from .live import floor
from .own import Own
from .pulse import Pulse, pulse
from .signed_in import SignedIn, all_signed_in

LOOK_SECONDS = 0.5  # also how soon a stream notices that its worker stops
REST_SECONDS = 0.003  # after each round, as long as the process worked for it, within these bounds
LONGEST_REST_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0  # with the authorisation, so nobody sees more than ten seconds too long
THOROUGH_BEATS = 6  # the desk and the ear are compared even if nothing announced a change
LIFE_SECONDS = 600.0
FLOOR, OWN = 0, 1  # the two threads
BACKLOG_BYTES = 400_000  # a page that reads no faster starts again from a snapshot

Value = TypeVar("Value")

log = logging.getLogger(__name__)


def sse_message(html: str, *, id: int) -> bytes:  # noqa: A002 - the field's own name
    """Frame HTML as one unnamed message; every line needs its own `data:`, or the rest of it is lost."""
    lines = "".join(f"data: {line}\n" for line in re.split(r"\r\n|\r|\n", html))
    return f"{lines}id: {id}\n\n".encode()


def sse_event(name: str, data: object, *, id: int) -> bytes:  # noqa: A002 - the field's own name
    """Frame a named event, which the page's script hears and htmx does not swap."""
    return f"event: {name}\ndata: {json.dumps(data)}\nid: {id}\n\n".encode()


async def in_thread(work: Callable[[], Value]) -> Value:
    """Run ORM work in a thread, and give its database connection back before anybody waits again."""

    def closed_after() -> Value:
        close_old_connections()
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(closed_after)


class Subscriber:
    """One open page: what waits to be sent to it, and when it is due for what."""

    def __init__(self, *, session_key: str, page: Page, audience: Audience, now: float) -> None:
        self.session_key, self.page, self.audience = session_key, page, audience
        self.own = Own(page)
        self.is_over = False
        self.needs_snapshot = True
        self._bridged_told: bool | None = None
        self._waiting: list[tuple[int, bytes]] = []
        self._size = 0
        self._after = 0
        self.starts = 0
        # A bare future: an Event would cost as much per message and page as everything else here together.
        self._asleep: asyncio.Future[None] | None = None
        self.beats = 0
        # Not all pages at once, neither their heartbeats nor their ends: after a restart they all began together.
        self.beat_at = now
        self.ends_at = now + LIFE_SECONDS * random.uniform(0.85, 1.15)  # noqa: S311 - no secret

    def offer(self, body: bytes, *, number: int = 0) -> None:
        """Put bytes in line; a channel's own carry their number."""
        if self._size + len(body) > BACKLOG_BYTES:
            self.start_again()
            return
        self._waiting.append((number, body))
        self._size += len(body)
        self._wake()

    def start_again(self) -> None:
        """Send a snapshot instead of everything that waits."""
        self._waiting.clear()
        self._size = 0
        self._bridged_told = None
        self.starts += 1
        self.needs_snapshot = True
        self._wake()

    def lacks(self, tidings: Tidings) -> bool:
        """Say whether the page has not been told these; a channel tells its own, who stands alone has none."""
        lacks = self.page.alone and self._bridged_told != tidings.bridged_seen
        self._bridged_told = tidings.bridged_seen
        return lacks

    def begin(self, number: int) -> None:
        """Take what a channel says from here on: the snapshot has the rest."""
        self.needs_snapshot = False
        self._after = number

    def end(self) -> None:
        """Let the stream end once everything is sent."""
        self.is_over = True
        self._wake()

    async def news(self) -> bytes:
        """Wait until there is something to send, a snapshot to take or an end; return the bytes."""
        if not (self._waiting or self.needs_snapshot or self.is_over):
            self._asleep = asyncio.get_running_loop().create_future()
            await self._asleep
        return self.rest()

    def _wake(self) -> None:
        if self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)

    def rest(self) -> bytes:
        """Return what waits now."""
        bodies = [body for number, body in self._waiting if not number or number > self._after]
        self._waiting.clear()
        self._size = 0
        return b"".join(bodies)


class Broadcast:
    """Every open page of one event loop."""

    def __init__(self) -> None:
        self.subscribers: set[Subscriber] = set()
        self._channels: dict[Audience, tuple[Channel, set[Subscriber]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        # What everybody sees does not wait for what one viewer sees: each has its thread, and its one connection.
        self._threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._clock = asyncio.get_running_loop().time
        self._pulse: Pulse | None = None
        self._tidings = Tidings(last_event_at=None, bridged_seen=False)
        self._version = -1
        self._heard = -1
        self._changed = asyncio.Event()
        self._id = uuid4()
        self._screen_noted_at: datetime | None = None

    # --- Pages come and go --------------------------------------------------------------------------------------------

    def join(self, subscriber: Subscriber) -> None:
        """Take a page in; its first bytes are its snapshot's."""
        self.subscribers.add(subscriber)
        self._tune_in(subscriber)
        if not self._tasks or all(task.done() for task in self._tasks):
            self._threads = (ThreadPoolExecutor(1, "floor"), ThreadPoolExecutor(1, "own"))
            self._tasks = [asyncio.create_task(task()) for task in (self._pump, self._tell_own, self._keep_time)]
        subscriber.start_again()

    async def leave(self, subscriber: Subscriber) -> None:
        """Let a page go; with the last one the pump rests."""
        self.subscribers.discard(subscriber)
        self._tune_out(subscriber)
        if not self.subscribers and self._threads:
            tasks, threads = self._tasks, self._threads
            self._tasks, self._threads = [], None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for thread in threads:
                thread.submit(connections.close_all)
                thread.shutdown(wait=False)

    async def snapshot(self, subscriber: Subscriber) -> bytes:
        """Return everything a page shows."""
        channel = self._channels[subscriber.audience][0] if not subscriber.page.alone else None
        starts = subscriber.starts

        def read() -> tuple[int, list[str]]:
            now = timezone.now()
            floor.refresh(now=now)
            number, pieces = channel.snapshot(tidings=self._told(), now=now) if channel else (0, [])
            subscriber.own = Own(subscriber.page)
            return number, pieces + _own_pieces(subscriber, subscriber.own)

        number, pieces = await in_thread(read)
        if subscriber.starts != starts:
            return b""  # its rights changed meanwhile, or more came than it could hold: it takes another one
        subscriber.begin(number)
        return sse_message("".join(pieces), id=floor.version)

    def _tune_in(self, subscriber: Subscriber) -> None:
        if not subscriber.page.alone:
            found = self._channels.setdefault(subscriber.audience, (Channel(subscriber.audience), set()))
            found[1].add(subscriber)

    def _tune_out(self, subscriber: Subscriber) -> None:
        if found := self._channels.get(subscriber.audience):
            found[1].discard(subscriber)
            if not found[1]:
                del self._channels[subscriber.audience]

    # --- What changes -------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            self._heard = await hub.wait(after=max(self._version, self._heard), seconds=LOOK_SECONDS)
            began = time.process_time()
            try:
                await self._round()
            except Exception:
                # The pages hear nothing meanwhile and say so; the next round tries again.
                log.exception("the floor could not be brought up to date")
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(0)  # the pages' own tasks have their turn, and count into what a round takes
            await asyncio.sleep(min(LONGEST_REST_SECONDS, max(REST_SECONDS, time.process_time() - began)))

    async def _round(self) -> None:
        channels = [channel for channel, _pages in self._channels.values()]
        for channel, number, body in await self._in_thread(FLOOR, lambda: self._look(channels)):
            _channel, pages = self._channels.get(channel.audience, (channel, set()))
            for page in pages:
                page.offer(body, number=number)
        self._changed.set()

    def _look(self, channels: list[Channel]) -> list[tuple[Channel, int, bytes]]:
        now = timezone.now()
        floor.refresh(now=now)
        self._version = floor.version
        told = []
        for channel in channels:
            number, pieces = channel.changes(tidings=self._told(), now=now)
            if pieces:
                told.append((channel, number, sse_message("".join(pieces), id=self._version)))
        return told

    def _told(self) -> Tidings:
        if self._pulse is None:
            self._pulse, self._tidings = pulse(now=timezone.now())
        return self._tidings

    async def _tell_own(self) -> None:
        """Send what is a viewer's alone, to those for whom the floor has seen it change."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            for page in [page for page in self.subscribers if page.own.is_concerned()]:
                own = page.own
                try:
                    pieces = await self._in_thread(OWN, partial(_own_pieces, page, own))
                except Exception:
                    log.exception("a viewer's own part could not be brought up to date")
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                # A snapshot that was taken meanwhile is newer than this.
                if pieces and page.own is own and not page.needs_snapshot:
                    page.offer(sse_message("".join(pieces), id=max(0, self._version)))

    # --- What time brings ---------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            now = self._clock()
            for page in list(self.subscribers):
                if now >= page.ends_at or not worker_is_alive():
                    page.end()
            due = [page for page in self.subscribers if now >= page.beat_at and not page.is_over]
            if due:
                try:
                    await self._beat(due)
                except Exception:
                    log.exception("open pages could not be authorised again")
            await asyncio.sleep(LOOK_SECONDS)

    async def _beat(self, pages: list[Subscriber]) -> None:
        beat, known = await self._in_thread(OWN, lambda: self._authorise(pages))
        heartbeat = sse_event("heartbeat", asdict(beat), id=max(0, self._version))
        for page in pages:
            page.beat_at = self._clock() + HEARTBEAT_SECONDS
            page.beats += 1
            who = known.get(page.session_key)
            if who is None or who.user.pk != page.page.viewer.pk:
                with translation.override(page.audience.language):
                    page.offer(sse_message(fragments.signed_out(), id=max(0, self._version)))
                page.end()
                continue
            page.offer(heartbeat)
            if page.lacks(self._tidings):
                with translation.override(page.audience.language):
                    page.offer(sse_message(fragments.tidings(self._tidings), id=max(0, self._version)))
            if who.scope != page.audience.scope:
                self._move(page, who)
            elif page.beats % THOROUGH_BEATS == 0:
                page.own.compare()

    def _authorise(self, pages: list[Subscriber]) -> tuple[Pulse, dict[str, SignedIn]]:
        now = timezone.now()
        known = all_signed_in([page.session_key for page in pages], now=now)
        presence.note_all({who.user.pk for who in known.values()}, now=now)
        self._note_screen(now)
        self._pulse, self._tidings = pulse(now=now)
        return self._pulse, known

    def _note_screen(self, now: datetime) -> None:
        if self._screen_noted_at is not None and now - self._screen_noted_at < presence.SCREEN_EVERY:
            return
        # Open desks first: of more than can be noted, those are looked at most.
        shown = [str(page.page.open_id) for page in list(self.subscribers) if page.page.open_id]
        shown += [one for channel, _pages in list(self._channels.values()) for one in channel.shown()]
        if shown:  # nothing yet where the first snapshot is still being read
            presence.note_screen(self._id, shown, now=now)
            self._screen_noted_at = now

    def _move(self, page: Subscriber, who: SignedIn) -> None:
        """Show a viewer whose rights have changed what they may see now."""
        self._tune_out(page)
        page.audience = Audience(
            scope=who.scope,
            window=page.audience.window,
            language=page.audience.language,
            zone=page.audience.zone,
        )
        self._tune_in(page)
        page.start_again()

    async def _in_thread(self, which: int, work: Callable[[], Value]) -> Value:
        def on_old_connection() -> Value:
            close_old_connections()
            return work()

        if self._threads is None:
            raise asyncio.CancelledError  # the last page has just left
        return await asyncio.get_running_loop().run_in_executor(self._threads[which], on_old_connection)


def _own_pieces(page: Subscriber, own: Own) -> list[str]:
    with translation.override(page.audience.language), timezone.override(page.audience.zone):
        return own.pieces(now=timezone.now())


_open: dict[asyncio.AbstractEventLoop, Broadcast] = {}


def broadcast() -> Broadcast:
    """Return the running loop's broadcast."""
    loop = asyncio.get_running_loop()
    if loop not in _open:
        for closed in [other for other in _open if other.is_closed()]:
            del _open[closed]
        _open[loop] = Broadcast()
    return _open[loop]
