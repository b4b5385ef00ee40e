"""Pumps changes to all pages of a process: looks once per change, renders once per audience.

The first change after a quiet moment goes out at once; under load, changes gather while the last ones are being sent,
and the newest of each conference wins. What a page's viewer alone sees is read only when the floor has seen it change.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import close_old_connections, connections
from django.utils import timezone, translation

from conferences.changes import hub
from conferences.login_sessions import soon
from conferences.logins import SignedIn, all_signed_in, signed_in_among
from conferences.permissions import RightsScope, teams_of_all
from dashboard.floor.health import FloorHealth, FloorNotices, floor_health
from dashboard.floor.live import floor
from dashboard.rendering import fragments

from . import presence
from .channel import Channel, PageGroup
from .personal import PersonalParts
from .sse import sse_event, sse_message
from .subscriber import Subscriber
from .threads import in_thread
from .worker_state import worker_is_alive

LOOK_SECONDS = 0.5  # also how soon a stream notices that its worker stops
REST_SECONDS = 0.003  # after each round, as long as the process worked for it, within these bounds
LONGEST_REST_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0  # with the authorisation, so nobody sees more than ten seconds too long
THOROUGH_BEATS = 6  # the desk and the ear are compared even if nothing announced a change
FLOOR, PERSONAL = 0, 1  # the two threads

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Broadcast:
    """Every open page of one event loop."""

    def __init__(self) -> None:
        self.subscribers: set[Subscriber] = set()
        self._channels: dict[PageGroup, tuple[Channel, set[Subscriber]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        # Shared content does not wait for personal content: each has its thread, and its one connection.
        self._threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._clock = asyncio.get_running_loop().time
        self._health: FloorHealth | None = None
        self._notices = FloorNotices(last_event_at=None, bridged_seen=False)
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
            self._threads = (ThreadPoolExecutor(1, "floor"), ThreadPoolExecutor(1, "personal"))
            self._tasks = [
                asyncio.create_task(task()) for task in (self._pump, self._send_personal_parts, self._keep_time)
            ]
        subscriber.start_again()

    def streams_of(self, viewer: int) -> int:
        """Return how many pages of one person are open here."""
        return sum(subscriber.page.viewer.pk == viewer for subscriber in self.subscribers)

    async def leave(self, subscriber: Subscriber) -> None:
        """Remove a page; the pump stops with the last one."""
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
        starts, personal = subscriber.starts, PersonalParts(subscriber.page)

        def read() -> tuple[int, list[str]]:
            now = timezone.now()
            floor.refresh(now=now)
            number, pieces = channel.snapshot(notices=self._read_notices(), now=now) if channel else (0, [])
            return number, pieces + _personal_pieces(subscriber, personal)

        number, pieces = await in_thread(read)
        if subscriber.starts != starts:
            return b""  # its rights changed meanwhile, or more came than it could hold: it takes another one
        subscriber.begin(number, personal)
        return sse_message("".join(pieces), id=personal.version)

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
                # The pages receive nothing meanwhile and show it; the next round tries again.
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
        sent = []
        for channel in channels:
            number, pieces = channel.changes(notices=self._read_notices(), now=now)
            if pieces:
                sent.append((channel, number, sse_message("".join(pieces), id=self._version)))
        return sent

    def _read_notices(self) -> FloorNotices:
        if self._health is None:
            self._health, self._notices = floor_health(now=timezone.now())
        return self._notices

    async def _send_personal_parts(self) -> None:
        """Send personal parts to the viewers for whom the floor has seen a change."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            concerned = [page for page in self.subscribers if not page.needs_snapshot and page.personal.is_concerned()]
            for page in concerned:
                personal = page.personal
                try:
                    pieces = await self._in_thread(PERSONAL, partial(_personal_pieces, page, personal))
                except Exception:
                    log.exception("a viewer's personal parts could not be brought up to date")
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                # A snapshot that was taken meanwhile is newer than this.
                if pieces and page.personal is personal and not page.needs_snapshot:
                    page.offer(sse_message("".join(pieces), id=personal.version))

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
        beat, known, teams, renewed = await self._in_thread(PERSONAL, lambda: self._authorise(pages))
        heartbeat = sse_event("heartbeat", asdict(beat), id=max(0, self._version))
        for page in pages:
            page.beat_at = self._clock() + HEARTBEAT_SECONDS
            page.beats += 1
            who = known.get(page.session_key)
            if who is None or who.user.pk != page.page.viewer.pk:
                if page.page.viewer.pk not in renewed:
                    idle = page.warned_of is not None and page.warned_of <= timezone.now()
                    with translation.override(page.audience.language):
                        page.offer(sse_message(fragments.signed_out(idle=idle), id=max(0, self._version)))
                page.end()
                continue
            page.offer(heartbeat)
            if page.lacks_warning(end := soon(who.idle_end, now=timezone.now())):
                with translation.override(page.audience.language), timezone.override(page.audience.zone):
                    page.offer(sse_message(fragments.idle(end), id=max(0, self._version)))
            if page.lacks(self._notices):
                with translation.override(page.audience.language):
                    page.offer(sse_message(fragments.notices(self._notices), id=max(0, self._version)))
            if who.differs_from(page.page.viewer, page.rights):
                self._move(page, who)
            elif page.beats % THOROUGH_BEATS == 0 or not _sees_desk(page, who.rights.scope, teams):
                page.personal.compare()

    def _authorise(
        self, pages: list[Subscriber]
    ) -> tuple[FloorHealth, dict[str, SignedIn], dict[UUID, frozenset[int]], frozenset[int]]:
        now = timezone.now()
        known = all_signed_in([page.session_key for page in pages], now=now)
        presence.note_all({who.user.pk for who in known.values()}, now=now)
        self._note_screen(now)
        self._health, self._notices = floor_health(now=now)
        teams = teams_of_all([page.page.open_id for page in pages if page.page.open_id])
        renewed = _with_new_password([page.page.viewer for page in pages if page.session_key not in known], now=now)
        return self._health, known, teams, renewed

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
        """Show a viewer whose rights have changed what they may see and do now."""
        self._tune_out(page)
        page.page, page.rights = replace(page.page, viewer=who.user), who.rights
        page.audience = PageGroup(
            scope=who.rights.scope,
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


def _sees_desk(page: Subscriber, scope: RightsScope, teams: dict[UUID, frozenset[int]]) -> bool:
    """Return whether a page's open conference, if any, is still its viewer's to see: teams change, too."""
    open_id = page.page.open_id
    return open_id is None or (open_id in teams and scope.sees(teams[open_id]))


def _with_new_password(viewers: list[User], *, now: datetime) -> frozenset[int]:
    """Return who of these, whose sessions are gone, has changed the password and is signed in with a new session.

    The tabs of that browser connect again with its new cookie. Those of other browsers get 401, and show the sign-in.
    """
    if not viewers:
        return frozenset()
    stored = dict(User.objects.filter(pk__in={viewer.pk for viewer in viewers}).values_list("pk", "password"))
    changed = {viewer.pk for viewer in viewers if stored.get(viewer.pk, viewer.password) != viewer.password}
    return signed_in_among(changed, now=now) if changed else frozenset()


def _personal_pieces(page: Subscriber, personal: PersonalParts) -> list[str]:
    with translation.override(page.audience.language), timezone.override(page.audience.zone):
        return personal.pieces(now=timezone.now())


_open: dict[asyncio.AbstractEventLoop, Broadcast] = {}


def broadcast() -> Broadcast:
    """Return the running loop's broadcast."""
    loop = asyncio.get_running_loop()
    if loop not in _open:
        for closed in [other for other in _open if other.is_closed()]:
            del _open[closed]
        _open[loop] = Broadcast()
    return _open[loop]
