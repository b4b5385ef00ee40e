"""Measures the time from a webhook to a viewer's socket, its cost, and the cost of polling instead.

python -m benchmarks.streams --viewers 100 500 1000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from .load import signed
from .machine import description
from .servers import ROOT, Server, database, environment, floorline, free_port, running
from .watching import Seen, watch

CONFERENCES = 40  # as many as a page shows, so all of them in everybody's window: the worst case
EVENTS_PER_SECOND = 50
POLL_SECONDS = 2


@dataclass(frozen=True)
class Figures:
    """One run with so many viewers."""

    viewers: int
    p50: float
    p99: float
    cpu: float
    """CPU seconds per second, ingest included."""
    messages: int
    size: float
    superseded: int
    kilobytes: float
    seconds: float


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="+", default=[100, 500, 1000])
    parser.add_argument("--seconds", type=float, default=16, help="whole turns: 1.6 each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(f"sqlite:///{Path(folder) / 'bench.sqlite3'}") as url:
        sessions = fill(
            url, conferences=CONFERENCES, viewers=max(20, max(options.viewers) // 20)
        )  # a person has 30 streams at most
        with floorline(url) as server:
            nobody = asyncio.run(measure(server, sessions, viewers=0, seconds=options.seconds))
            polled = page_cpu(server, sessions[0])
        found = []
        for viewers in options.viewers:
            with floorline(url) as server:
                figures = asyncio.run(measure(server, sessions, viewers=viewers, seconds=options.seconds))
            raw = asyncio.run(bare(viewers, figures, seconds=min(10, options.seconds)))
            found.append((figures, raw))
    heads: tuple[str, ...] = (
        "viewers",
        "p50 ms",
        "p99 ms",
        "CPU",
        "messages/s each",
        "bytes each",
        "superseded",
        "µs per delivery",
    )
    heads += ("raw asyncio", "ratio", "kB per viewer", "polling, cores", "push/polling")
    print(f"{description()}\n")
    print(row(heads), row(["---"] * len(heads)), sep="\n")
    for figures, raw in found:
        own = 1e6 * (figures.cpu - nobody.cpu) * figures.seconds / max(1, figures.messages)
        polling = figures.viewers / POLL_SECONDS * polled
        each = figures.messages / figures.seconds / figures.viewers
        print(
            row(
                (
                    *(f"{figures.viewers:,}", f"{figures.p50:.1f}", f"{figures.p99:.1f}", f"{figures.cpu:.0%}"),
                    *(f"{each:.1f}", f"{figures.size:,.0f}", str(figures.superseded), f"{own:.1f}", f"{raw:.1f}"),
                    *(
                        f"{own / raw:.1f}",
                        f"{figures.kilobytes:.1f}",
                        f"{polling:.1f}",
                        f"1/{polling / figures.cpu:.0f}",
                    ),
                )
            )
        )
    print(f"\nIngest alone: {nobody.cpu:.0%} of a core. One polled page: {polled * 1000:.1f} ms CPU.")


def row(cells: Sequence[str]) -> str:
    """Write a line of a table."""
    return f"| {' | '.join(cells)} |"


def fill(url: str, *, conferences: int, viewers: int) -> list[str]:
    """Fill a database, and return the viewers' sessions."""
    command = [sys.executable, "-m", "benchmarks.floors", str(conferences), str(viewers)]
    done = subprocess.run(command, cwd=ROOT, env=environment(url), check=True, capture_output=True, text=True)
    return done.stdout.split()


async def measure(server: Server, sessions: list[str], *, viewers: int, seconds: float) -> Figures:
    """Let so many people watch while somebody else speaks in a call fifty times a second."""
    for transport in await watch(server.port, "/stream/", sessions, viewers=min(1, viewers), seen=Seen()):
        await asyncio.sleep(2)  # the floor is read for the first one
        transport.close()
    seen = Seen()
    before = server.resident_kilobytes()
    opened = await watch(server.port, "/stream/", sessions, viewers=viewers, seen=seen)
    await asyncio.sleep(3)
    after = server.resident_kilobytes()
    seen.arrivals.clear()
    start, cpu, messages, size = time.time(), server.cpu_seconds(), seen.messages, seen.bytes
    sent = await speak(server.port, seconds=seconds)
    await asyncio.sleep(0.5)
    took = time.time() - start
    used, messages, size = server.cpu_seconds() - cpu, seen.messages - messages, seen.bytes - size
    assert seen.open == viewers, f"{viewers - seen.open} streams were lost"
    waits = sorted(
        1000 * (arrival - at) for moment, at in sent.items() for arrival in seen.arrivals.get(moment, [])
    ) or [0.0]
    for transport in opened:
        transport.close()
    return Figures(
        viewers=viewers,
        p50=median(waits),
        p99=waits[int(len(waits) * 0.99)],
        cpu=used / took,
        messages=messages,
        size=size / max(1, messages),
        superseded=sum(not seen.arrivals.get(moment) for moment in sent) if viewers else 0,
        kilobytes=(after - before) / max(1, viewers),
        seconds=took,
    )


async def speak(port: int, *, seconds: float) -> dict[int, float]:
    """Post changes of speaker at a steady rate; return when each was sent, by its moment in milliseconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent: dict[int, float] = {}
    begun = time.time()
    for number in range(int(seconds * EVENTS_PER_SECOND)):
        await asyncio.sleep(max(0, begun + number / EVENTS_PER_SECOND - time.time()))
        at = datetime.now(UTC)
        conference, turn = number % CONFERENCES, number // CONFERENCES % 2
        payload = {"conference_id": f"conference-{conference}", "call_control_id": f"v3:{conference}-{turn}"}
        data = {
            "event_type": "conference.floor.changed",
            "id": f"bench-{at.timestamp()}",
            "occurred_at": at.isoformat(),
            "payload": payload,
        }
        request = signed(json.dumps({"data": data}).encode())
        sent[int(at.timestamp() * 1000)] = time.time()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        await reader.readexactly(length)
    writer.close()
    return sent


def page_cpu(server: Server, session: str, *, pages: int = 60) -> float:
    """Return the CPU seconds of one page of the floor, as a viewer who polls would ask for it."""
    asyncio.run(get(server.port, "/", session, times=5))
    before = server.cpu_seconds()
    asyncio.run(get(server.port, "/", session, times=pages))
    return (server.cpu_seconds() - before) / pages


async def get(port: int, path: str, session: str, *, times: int = 1) -> int:
    """Ask for a page over one kept connection; return its size."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = 0
    for _ in range(times):
        request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: floorline={session}\r\n\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
    return length


async def bare(viewers: int, figures: Figures, *, seconds: float) -> float:
    """Return the microseconds per delivery of a server that only writes, at the same rate and size."""
    rate = max(1.0, figures.messages / figures.seconds / viewers)
    with _bare(int(figures.size), rate) as server:
        seen = Seen()
        opened = await watch(server.port, "/", [], viewers=viewers, seen=seen)
        await asyncio.sleep(1)
        cpu, messages = server.cpu_seconds(), seen.messages
        await asyncio.sleep(seconds)
        used, messages = server.cpu_seconds() - cpu, seen.messages - messages
        for transport in opened:
            transport.close()
    return 1e6 * used / max(1, messages)


@contextmanager
def _bare(size: int, rate: float) -> Iterator[Server]:
    port = free_port()
    with running("bare", [sys.executable, "-m", "benchmarks.raw", str(port), str(size), str(rate)], "", port) as server:
        yield server


if __name__ == "__main__":
    main()
