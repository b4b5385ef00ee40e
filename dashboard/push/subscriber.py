"""Keeps what waits to be sent to one open page, and when the page is due for what."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

from conferences.permissions import RightsBook
from dashboard.floor.health import FloorNotices
from dashboard.rendering.fragments import Page

from .channel import PageGroup
from .personal import PersonalParts

LIFE_SECONDS = 600.0
BACKLOG_BYTES = 400_000  # a page that reads no faster starts again from a snapshot


class Subscriber:
    """One open page: what waits to be sent to it, and when it is due for what."""

    def __init__(
        self,
        *,
        session_key: str,
        page: Page,
        audience: PageGroup,
        rights: RightsBook,
        now: float,
        write: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.session_key, self.page, self.audience, self.rights = session_key, page, audience, rights
        self._write = write
        self.personal = PersonalParts(page)
        self.is_over = False
        self.needs_snapshot = True
        self._notices_sent: tuple[bool, int] | None = None
        self.warned_of: datetime | None = None
        """The end of the session that the page warns of, if it does."""
        self._is_warned_anew = True
        self._waiting: list[tuple[int, bytes]] = []
        self._size = 0
        self._after = 0
        self.starts = 0
        # A bare future: an Event would cost as much per message and page as everything else here together.
        self._asleep: asyncio.Future[None] | None = None
        self.beats = 0
        # Heartbeats and ends are spread over time: after a restart all pages connected at the same moment.
        self.beat_at = now
        self.ends_at = now + LIFE_SECONDS * random.uniform(0.85, 1.15)  # noqa: S311 - no secret

    def offer(self, body: bytes, *, number: int = 0) -> None:
        """Write bytes at once where nothing waits before them, else put them in line; a channel numbers its own."""
        if not (self._waiting or self.needs_snapshot or self.is_over):
            if number and number <= self._after:
                return  # the snapshot has it
            if self._write and self._write(body):
                return  # a task that wakes up for each page and message would cost three times as much
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
        self._notices_sent = None
        self._is_warned_anew = True
        self.starts += 1
        self.needs_snapshot = True
        self._wake()

    def lacks(self, notices: FloorNotices) -> bool:
        """Return whether the page lacks these; only a page without a channel can, a channel sends them itself."""
        lacks = self.page.alone and self._notices_sent != notices.shown
        self._notices_sent = notices.shown
        return lacks

    def lacks_warning(self, end: datetime | None) -> bool:
        """Return whether the page does not say yet that its session ends then, or still says that it ends."""
        lacks = self._is_warned_anew or end != self.warned_of
        self.warned_of, self._is_warned_anew = end, False
        return lacks

    def begin(self, number: int, personal: PersonalParts) -> None:
        """Go on from a snapshot: with what the channel says after its number, and from the personal parts it has."""
        self.personal = personal
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
