"""Reads request bodies whole: within a size, a time, and a share of memory that all bodies in flight have together.

Small bodies have a share of their own, so that a flood of large ones does not turn them away. Where a share is used up,
the body that has been incomplete for longest gives way: what Telnyx or a browser sends comes in one piece, so
it is complete before it can be the oldest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from conferences.asgi_types import Receive

SMALL = 16 * 1024
LINGER_SECONDS = 1.0


class BodyRefused(Exception):
    """The body is too large, too late, or one too many."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class SenderGone(Exception):
    """The sender hung up before the body was whole."""


class _Reading:
    """One body on its way in."""

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self.deadline = deadline
        self.size = 0
        self.gave_way = False

    def give_way(self) -> None:
        """End at the next turn of the loop; its bytes count no more."""
        self.gave_way = True
        self.size = 0
        self.deadline.reschedule(asyncio.get_running_loop().time())


class _Share:
    """A number of bytes that all bodies of one kind share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0
        self._incomplete: dict[_Reading, None] = {}

    def begin(self, reading: _Reading) -> None:
        self._incomplete[reading] = None

    def complete(self, reading: _Reading) -> None:
        self._incomplete.pop(reading, None)

    def end(self, reading: _Reading) -> None:
        self.complete(reading)
        self.held -= reading.size
        reading.size = 0

    def take(self, reading: _Reading, size: int) -> None:
        """Count bytes in; raise BodyRefused where no older body can give way."""
        while self.held + size > self._most:
            oldest = next(iter(self._incomplete), None)
            if oldest is None or oldest is reading:
                raise BodyRefused(503, "Too much is being sent at once; send it again.")
            self.complete(oldest)
            self.held -= oldest.size
            oldest.give_way()
        reading.size += size
        self.held += size


class Bodies:
    """The bodies of one kind of request: each at most `limit` bytes and `seconds`, all together at most `total`."""

    def __init__(self, *, limit: int, seconds: float, total: int, reserve: int) -> None:
        self._limit = limit
        self._seconds = seconds
        self._small, self._large = _Share(reserve), _Share(total - reserve)

    @property
    def held(self) -> int:
        """The bytes that are counted now."""
        return self._small.held + self._large.held

    @contextlib.asynccontextmanager
    async def whole(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> AsyncIterator[bytes]:
        """Yield the body, counted until the context ends; raise BodyRefused or SenderGone."""
        declared = _declared_length(headers)
        if declared is not None and declared > self._limit:
            raise BodyRefused(413, "The body is too large.")
        # A body of undeclared length (chunked) may become a large one.
        share = self._small if declared is not None and declared <= SMALL else self._large
        reading = _Reading(asyncio.timeout(self._seconds))
        share.begin(reading)
        try:
            yield await self._read(reading, share, receive)
        finally:
            share.end(reading)

    async def _read(self, reading: _Reading, share: _Share, receive: Receive) -> bytes:
        body = bytearray()
        try:
            async with reading.deadline:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise SenderGone
                    chunk = message.get("body", b"")
                    if len(body) + len(chunk) > self._limit:
                        raise BodyRefused(413, "The body is too large.")
                    share.take(reading, len(chunk))
                    body += chunk
                    if not message.get("more_body"):
                        break
        except BaseException as error:
            body.clear()  # an exception keeps its frames, and so the bytes, for as long as the refusal takes
            if not isinstance(error, TimeoutError):
                raise
            if reading.gave_way:
                raise BodyRefused(503, "Too much is being sent at once; send it again.") from error
            raise BodyRefused(408, "The body did not arrive.") from error
        share.complete(reading)
        return bytes(body)


def _declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            # More digits than any body of ours has would take long to read as a number.
            return int(value[:10]) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0


async def linger(receive: Receive) -> None:
    """Throw away what a refused sender still sends, for a moment: closed at once, it might not read its answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
