"""Opens streams of viewers and reads their sockets at the least cost Python allows."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

SINCE = re.compile(rb'data-since="(\d+)"')
SAMPLED = 10
"""The number of viewers that read what they get; the others only count it."""


@dataclass
class Seen:
    """Totals of everything that all viewers have received."""

    messages: int = 0
    bytes: int = 0
    open: int = 0
    arrivals: dict[int, list[float]] = field(default_factory=dict)
    """When the sampled viewers first got each running time (milliseconds since the epoch)."""


class Viewer(asyncio.Protocol):
    """One open stream."""

    def __init__(self, request: bytes, seen: Seen, *, is_sampled: bool) -> None:
        self._request, self._seen, self._is_sampled = request, seen, is_sampled
        self._known: set[int] = set()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)
        self._seen.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.open -= 1

    def data_received(self, data: bytes) -> None:
        self._seen.bytes += len(data)
        self._seen.messages += data.count(b"\nid: ")
        if self._is_sampled:
            now = time.time()
            text = self._rest + data
            for found in SINCE.findall(text):
                moment = int(found)
                if moment not in self._known:
                    self._known.add(moment)
                    self._seen.arrivals.setdefault(moment, []).append(now)
            self._rest = text[-40:]


async def watch(port: int, path: str, sessions: Sequence[str], *, viewers: int, seen: Seen) -> list[asyncio.Transport]:
    """Open so many streams, a few at a time."""
    loop = asyncio.get_running_loop()
    opened: list[asyncio.Transport] = []
    for number in range(viewers):
        cookie = f"floorline={sessions[number % len(sessions)]}" if sessions else "none=1"
        request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode()
        is_sampled = number < SAMPLED
        transport, _viewer = await loop.create_connection(
            lambda request=request, is_sampled=is_sampled: Viewer(request, seen, is_sampled=is_sampled),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        opened.append(transport)
        if number % 20 == 19:
            await asyncio.sleep(0.1)
    return opened
