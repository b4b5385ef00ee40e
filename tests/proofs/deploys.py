"""Two servers on one database: what one takes in the other shows, and either may be replaced while people look on.

On PostgreSQL they are two nodes; on SQLite two processes on one file, one more than `serve` starts there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random

from benchmarks.load import post, signed
from benchmarks.servers import Server, floorline
from benchmarks.streams import fill

from .serving import empty, on_postgres, rows

VIEWERS = 10
# A wake-up comes at once; without it each process looks by itself, once a second.
TOLD_WITHIN = 2.0
ENDED_WITHIN = 1.0
TURNS = itertools.count()
LISTENERS = "pid <> pg_backend_pid() AND datname = current_database() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')"


@contextmanager
def deploys(*, slack: float = 1) -> Iterator[Callable[[int, Random], None]]:
    """Yield the check of one rolling restart; `slack` stretches its times where others use the machine as well."""
    with empty("deploys") as url:
        sessions = fill(url, conferences=20, viewers=VIEWERS)

        def check(number: int, chance: Random) -> None:
            with floorline(url) as first, floorline(url) as second:
                asyncio.run(_watched(url, [first, second], sessions, chance, gently=number % 2 == 0, slack=slack))

        yield check


async def _watched(
    url: str, nodes: list[Server], sessions: list[str], chance: Random, *, gently: bool, slack: float
) -> None:
    viewers = [await Viewer.look(node, session) for node in nodes for session in sessions]
    await asyncio.sleep(1)
    # Everybody sees what the first node takes in; then with every LISTEN cut off, which nobody is told of.
    await _tell(nodes[0], viewers, within=TOLD_WITHIN * slack)
    if on_postgres():
        cut = rows(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENERS}")
        assert cut, "no node listens"
    await _tell(nodes[0], viewers, within=TOLD_WITHIN * slack)
    if on_postgres():
        await _listening_again(url, len(cut), within=TOLD_WITHIN * slack)
    # One node is replaced, gently or not: its viewers go to the other, and webhooks too.
    leaving, staying = chance.sample(nodes, 2)
    moved = [viewer for viewer in viewers if viewer.node is leaving]
    asked = time.monotonic()
    if gently:
        leaving.end()
    else:
        leaving.kill()
    for viewer in moved:
        await asyncio.wait_for(viewer.ended.wait(), 10)
    late = max(viewer.ended_at for viewer in moved) - asked
    assert late < (ENDED_WITHIN + 0.5) * slack, f"a stream outlived its server by {late:.1f} s"
    kept = [viewer for viewer in viewers if viewer.node is staying]
    kept += [await Viewer.look(staying, session) for session in sessions]
    await asyncio.sleep(1)
    await _tell(staying, kept, within=TOLD_WITHIN * slack)
    for viewer in kept:
        viewer.close()


async def _listening_again(url: str, listeners: int, *, within: float) -> None:
    """Wait until as many listen as before: looking alone would do, but that a LISTEN is lost must be noticed."""
    until = time.monotonic() + within
    while len(rows(url, f"SELECT pid FROM pg_stat_activity WHERE {LISTENERS}")) < listeners:
        assert time.monotonic() < until, f"a lost LISTEN was not taken up again within {within} s"
        await asyncio.sleep(0.1)


async def _tell(node: Server, viewers: list[Viewer], *, within: float) -> None:
    """Let somebody else speak at a node, and wait until every viewer sees since when."""
    at = datetime.now(UTC)
    event: dict[str, object] = {
        "event_type": "conference.floor.changed",
        "id": str(uuid.uuid4()),
        "occurred_at": at.isoformat(),
    }
    event["payload"] = {"conference_id": "conference-3", "call_control_id": f"v3:3-{next(TURNS) % 2}"}
    outcome = await post(node.port, [signed(json.dumps({"data": event}).encode())], connections=1)
    assert set(outcome.answers) == {200}, outcome.answers
    said, until = f'data-since="{int(at.timestamp() * 1000)}"'.encode(), time.monotonic() + within
    while missing := sum(said not in viewer.text for viewer in viewers):
        assert time.monotonic() < until, f"{missing} of {len(viewers)} viewers were not told within {within} s"
        await asyncio.sleep(0.01)


class Viewer(asyncio.Protocol):
    """An open stream: all that came, and when it ended."""

    def __init__(self, node: Server, session: str) -> None:
        self.node, self.session = node, session
        self.text = b""
        self.ended = asyncio.Event()
        self.ended_at = 0.0

    @classmethod
    async def look(cls, node: Server, session: str) -> Viewer:
        """Open the floor's stream, its window sorted by age, youngest first."""
        loop = asyncio.get_running_loop()
        _transport, viewer = await loop.create_connection(lambda: cls(node, session), "127.0.0.1", node.port)
        return viewer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        lines = ("GET /stream/ HTTP/1.1", "host: 127.0.0.1", f"cookie: floorline={self.session}", "", "")
        transport.write("\r\n".join(lines).encode())

    def data_received(self, data: bytes) -> None:
        self.text += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_at = time.monotonic()
        self.ended.set()

    def close(self) -> None:
        self.transport.close()
