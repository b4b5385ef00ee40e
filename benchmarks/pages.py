"""Measures the first paint and a change of filters with a hundred to ten thousand conferences.

python -m benchmarks.pages --rounds 5
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from conferences.thresholds import DEFAULTS

from .machine import description
from .servers import Server, database, floorline
from .streams import fill, get

SIZES = (100, 1_000, 10_000)
PAGES = 12
WAYS = ("first paint", "search", "sort", "flag")


def main() -> None:
    """Measure in interleaved rounds, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        floors = []
        for size in SIZES:
            url = stack.enter_context(database(f"sqlite:///{folder / f'{size}.sqlite3'}"))
            session = fill(url, conferences=size, viewers=1)[0]
            server = stack.enter_context(floorline(url))
            asyncio.run(get(server.port, "/", session, times=10))
            floors.append((size, server, session))
        time.sleep(DEFAULTS.same_speaker.total_seconds())  # from now on every call of these floors has that flag
        cpu: dict[tuple[str, int], list[float]] = {}
        bytes_: dict[tuple[str, int], int] = {}
        for number in range(options.rounds):
            for way in WAYS:
                for size, server, session in floors:
                    milliseconds, length = asyncio.run(ask(server, session, way, number))
                    cpu.setdefault((way, size), []).append(milliseconds)
                    bytes_[way, size] = max(length, bytes_.get((way, size), 0))
    print(f"{description()}\n")
    print("| what | " + " | ".join(f"ms CPU at {size:,}" for size in SIZES) + " | ratio | bytes at 10,000 |")
    print("|---|" + "---|" * (len(SIZES) + 2))
    for way in WAYS:
        found = [median(cpu[way, size]) for size in SIZES]
        middle = " | ".join(f"{milliseconds:.1f}" for milliseconds in found)
        print(f"| {way} | {middle} | {found[-1] / found[0]:.2f} | {bytes_[way, SIZES[-1]]:,} |")


async def ask(server: Server, session: str, way: str, number: int) -> tuple[float, int]:
    """Return the CPU milliseconds per page, and its size.

    Every question is a new one, by its upper case or its page, so no kept answer helps; and at every size it finds
    enough to fill the page, so what is compared is the looking and not how many rows are written.
    """
    before, length = server.cpu_seconds(), 0
    for page in range(PAGES):
        unique = number * PAGES + page
        word = "".join(letter.upper() if unique >> at & 1 else letter for at, letter in enumerate("agent"))
        query = f"q={word}&page={1 + unique // 2**5}"
        path = {
            "first paint": "/",
            "search": f"/?{query}",
            "sort": f"/?sort=needs&{query}",
            "flag": f"/?flag=one-voice&{query}",
        }[way]
        length = max(length, await get(server.port, path, session))
    return 1000 * (server.cpu_seconds() - before) / PAGES, length


if __name__ == "__main__":
    main()
