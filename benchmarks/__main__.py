"""Runs `make bench`: Floorline's intake beside the naive view and the limit without HTTP."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median

from .load import Outcome, bodies, post, signed
from .servers import Server, database, environment, floorline, naive

CONNECTIONS = 64
STEADY = 150  # events a second: a floor of about a thousand calls


@dataclass
class Figures:
    """One contestant's figures, a value per round."""

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    refused: int = 0
    asked: int = 0

    def row(self, name: str) -> str:
        spread = f"{min(self.rate):,.0f} to {max(self.rate):,.0f}"
        p99 = f"{median(self.p99):.1f}" if self.p99 else ""
        refused = f"{self.refused / self.asked:.1%}" if self.asked else ""
        return f"| {name} | {median(self.rate):,.0f} | {spread} | {median(self.cpu):,.0f} | {p99} | {refused} |"


def main() -> None:
    """Measure, and print one table per database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=4000, help="per round; the naive view gets a tenth")
    parser.add_argument("--steady-seconds", type=int, default=10)
    parser.add_argument("--postgres", default=os.environ.get("TEST_POSTGRES_URL", ""))
    options = parser.parse_args()
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")  # noqa: DTZ011
    with tempfile.TemporaryDirectory() as folder:
        table("SQLite (synchronous=FULL)", f"sqlite:///{Path(folder) / 'bench.sqlite3'}", options)
        if options.postgres:
            base = options.postgres.rpartition("/")[0]
            table("PostgreSQL", f"{base}/floorline_bench", options)


def table(title: str, url: str, options: argparse.Namespace) -> None:
    """Measure on one database and print."""
    ours, baseline, limit = Figures(), Figures(), Figures()
    with contestants(url) as (floorline_server, naive_server, naked):
        for number in range(options.rounds):
            seed = 1_000_000 * (number + 1)
            storm(floorline_server, ours, count=options.events, seed=seed)
            storm(naive_server, baseline, count=options.events // 10, seed=seed)
            without_http(naked, limit, count=options.events, seed=seed)
        steady = run(floorline_server, STEADY * options.steady_seconds, seed=7, per_second=STEADY)
    print(f"## {title}: {options.rounds} rounds, {CONNECTIONS} connections\n")
    print("| | events/s | spread | CPU µs/event | ack p99 ms | not acknowledged |")
    print("|---|---|---|---|---|---|")
    print(ours.row("Floorline"))
    print(baseline.row("naive Django view"))
    print(limit.row("limit without HTTP, batches of 16"))
    print(
        f"\nP1 CPU against naive: 1/{median(baseline.cpu) / median(ours.cpu):.1f} · "
        f"P2 rate against naive: {median(ours.rate) / median(baseline.rate):.1f}× · "
        f"P3 rate against the limit: {median(ours.rate) / median(limit.rate):.0%} · "
        f"P4 at {STEADY}/s: p50 {steady.wait(0.5):.1f} ms, p99 {steady.wait(0.99):.1f} ms, "
        f"not acknowledged {sum(steady.answers.values()) - steady.answers.get(200, 0)}\n"
    )


@contextmanager
def contestants(url: str) -> Iterator[tuple[Server, Server, str]]:
    """Give each a database of its own."""
    with ExitStack() as stack:
        names = ("ours", "naive", "limit")
        first, second, third = [stack.enter_context(database(_suffixed(url, name))) for name in names]
        yield stack.enter_context(floorline(first)), stack.enter_context(naive(second)), third


def _suffixed(url: str, name: str) -> str:
    return url.replace(".sqlite3", f"-{name}.sqlite3") if url.startswith("sqlite") else f"{url}_{name}"


def run(server: Server, count: int, *, seed: int, per_second: float | None = None) -> Outcome:
    """Post fresh events to a server."""
    requests = [signed(body) for body in bodies(count, seed=seed)]
    return asyncio.run(post(server.port, requests, connections=CONNECTIONS, per_second=per_second))


def storm(server: Server, figures: Figures, *, count: int, seed: int) -> None:
    """Post as fast as a server answers."""
    before = server.cpu_seconds()
    outcome = run(server, count, seed=seed)
    figures.rate.append(outcome.rate)
    figures.cpu.append((server.cpu_seconds() - before) / max(1, outcome.answers.get(200, 0)) * 1e6)
    figures.p99.append(outcome.wait(0.99))
    figures.asked += count
    figures.refused += count - outcome.answers.get(200, 0)


def without_http(url: str, figures: Figures, *, count: int, seed: int) -> None:
    """Measure the limit in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.limit", "16", str(count), str(seed)]
    printed = subprocess.run(command, env=environment(url), check=True, capture_output=True, text=True).stdout.split()
    figures.rate.append(float(printed[0]))
    figures.cpu.append(float(printed[1]))


if __name__ == "__main__":
    main()
