"""Measures P12, a server's memory in an hour of 500 events a second: `python -m benchmarks.memory`.

The floor is the sandbox's: three hundred calls, ten times as fast as people are, so that calls begin and end all the
time. Streams end after ten minutes, as they do for a browser, and are opened again.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from conferences.sandbox.center.floor import Floor
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import body_of

from .load import post, signed
from .machine import description
from .servers import Server, database, floorline
from .streams import fill
from .watching import Seen, watch

CALLS, RATE = 300, 10.0
CONNECTIONS = 8
SAMPLE_SECONDS = 15


def main() -> None:
    """Run, and print what the memory was in each tenth of the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--viewers", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(f"sqlite:///{Path(folder) / 'bench.sqlite3'}") as url:
        sessions = fill(url, conferences=0, viewers=max(20, options.viewers // 20))  # a person has 30 streams at most
        with floorline(url) as server:
            run = Run(server, sessions, viewers=options.viewers)
            asyncio.run(run.play(seconds=60 * options.minutes))
    print(f"{description()}: {run.report()}")


class Run:
    """Webhooks, viewers, and a look at the memory every few seconds."""

    def __init__(self, server: Server, sessions: list[str], *, viewers: int) -> None:
        self.server, self.sessions, self.viewers = server, sessions, viewers
        self.seen = Seen()
        self.samples: list[float] = []
        self.events = self.refused = 0
        self.seconds = 0.0

    async def play(self, *, seconds: float) -> None:
        """Tell one second of the story after the other, each in its second."""
        begun = time.monotonic()
        for number, told in enumerate(seconds_of_a_story()):
            self.seconds = time.monotonic() - begun
            if self.seconds > seconds:
                return
            if number % SAMPLE_SECONDS == 0:
                await self._look()
            requests = [signed(body) for body in told]
            outcome = await post(self.server.port, requests, connections=CONNECTIONS, per_second=len(told) / 0.9)
            self.events += outcome.answers.get(200, 0)
            self.refused += len(told) - outcome.answers.get(200, 0)
            await asyncio.sleep(max(0, begun + number + 1 - time.monotonic()))

    async def _look(self) -> None:
        missing = self.viewers - self.seen.open
        await watch(self.server.port, "/stream/", self.sessions, viewers=missing, seen=self.seen)
        self.seen.arrivals.clear()
        self.samples.append(self.server.resident_kilobytes() / 1024)

    def report(self) -> str:
        """Return how the memory went: its median in each tenth of the time, and the last against the second."""
        size = max(1, len(self.samples) // 10)
        tenths = [median(self.samples[at : at + size]) for at in range(0, size * 10, size) if self.samples[at:]]
        change = tenths[-1] / tenths[min(1, len(tenths) - 1)] - 1
        return (
            f"{self.seconds / 60:.0f} minutes, {self.events:,} events ({self.events / self.seconds:.0f} a second, "
            f"{self.refused} not acknowledged), {self.viewers} viewers.\n"
            f"MB in each tenth: {', '.join(f'{tenth:.0f}' for tenth in tenths)}\n"
            f"P12 last tenth against the second: {change:+.1%} (floor ±10 %)"
        )


def seconds_of_a_story() -> Iterator[list[bytes]]:
    """Yield the webhooks of one second after the other, without end."""
    world = World(seed=12, now=time.time())
    Floor(world, calls_wanted=CALLS, rate=RATE).start()
    while True:
        world.advance(world.now + 1)
        yield [body_of(event, attempt=1) for event in world.outbox]
        world.outbox.clear()


if __name__ == "__main__":
    main()
