"""Runs the intake of `make bench`: Floorline beside two naive views and the limit without HTTP."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

from .load import Outcome, bodies, post, signed
from .machine import description
from .servers import Server, database, environment, floorline, naive

CONNECTIONS = (16, 64)  # about what Telnyx opens, and a peak
LIMIT = "limit without HTTP, batches of 16"
SEEDS = count(1_000_000, 1_000_000)
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

    def against(self, other: Figures) -> str:
        """Return how many times the other's rate, at which share of its CPU."""
        rate = median(self.rate) / median(other.rate)
        return f"{rate:.1f} × the rate at 1/{median(other.cpu) / median(self.cpu):.1f} of the CPU of"


def main() -> None:
    """Measure, and print one table per database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=4000, help="per round; a naive view gets a tenth")
    parser.add_argument("--steady-seconds", type=int, default=10)
    parser.add_argument("--postgres", default=os.environ.get("TEST_POSTGRES_URL", ""))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table("SQLite (synchronous=FULL)", f"sqlite:///{Path(folder) / 'bench.sqlite3'}", options)
        if options.postgres:
            base = options.postgres.rpartition("/")[0]
            table("PostgreSQL", f"{base}/floorline_bench", options)


def table(title: str, url: str, options: argparse.Namespace) -> None:
    """Measure on one database and print, a table for each number of connections."""
    with contestants(url) as (servers, naked):
        for connections in CONNECTIONS:
            print(f"## {title}: {options.rounds} rounds, {connections} connections\n\n{description()}\n")
            print_table(measured(servers, naked, options, connections=connections))
        steady = run(servers[0], STEADY * options.steady_seconds, seed=next(SEEDS), connections=64, per_second=STEADY)
    print(
        f"At {STEADY}/s: p50 {steady.wait(0.5):.1f} ms, p99 {steady.wait(0.99):.1f} ms, "
        f"not acknowledged {sum(steady.answers.values()) - steady.answers.get(200, 0)}\n"
    )


def measured(
    servers: Sequence[Server], naked: str, options: argparse.Namespace, *, connections: int
) -> dict[str, Figures]:
    """Return the figures of everybody by name, round by round in turn: Floorline first, the limit last."""
    figures = {name: Figures() for name in (*(server.name for server in servers), LIMIT)}
    for _round in range(options.rounds):
        seed = next(SEEDS)
        for server in servers:
            events = options.events // (1 if server is servers[0] else 10)
            storm(server, figures[server.name], events=events, seed=seed, connections=connections)
        without_http(naked, figures[LIMIT], events=options.events, seed=seed)
    return figures


def print_table(figures: dict[str, Figures]) -> None:
    """Print a row each, and Floorline's ratios to the others."""
    print("| | events/s | spread | CPU µs/event | ack p99 ms | not acknowledged |")
    print("|---|---|---|---|---|---|")
    for name, of_one in figures.items():
        print(of_one.row(name))
    (_, ours), *naive_views, (_, limit) = figures.items()
    against = "; ".join(f"{ours.against(view)} the {name}" for name, view in naive_views)
    print(f"\nFloorline has {against}; and {median(ours.rate) / median(limit.rate):.0%} of the limit.\n")


@contextmanager
def contestants(url: str) -> Iterator[tuple[list[Server], str]]:
    """Serve Floorline and the naive views, each with a database of its own, beside one that nobody serves."""
    with ExitStack() as stack:
        names = ("ours", "lean", "heavy", "limit")
        ours, lean, heavy, limit = [stack.enter_context(database(_suffixed(url, name))) for name in names]
        servers = [floorline(ours), naive(lean, "lean"), naive(heavy, "heavy")]
        yield [stack.enter_context(server) for server in servers], limit


def _suffixed(url: str, name: str) -> str:
    return url.replace(".sqlite3", f"-{name}.sqlite3") if url.startswith("sqlite") else f"{url}_{name}"


def run(server: Server, events: int, *, seed: int, connections: int, per_second: float | None = None) -> Outcome:
    """Post fresh events to a server."""
    requests = [signed(body, path=server.path) for body in bodies(events, seed=seed)]
    return asyncio.run(post(server.port, requests, connections=connections, per_second=per_second))


def storm(server: Server, figures: Figures, *, events: int, seed: int, connections: int) -> None:
    """Post as fast as a server answers."""
    before = server.cpu_seconds()
    outcome = run(server, events, seed=seed, connections=connections)
    figures.rate.append(outcome.rate)
    figures.cpu.append((server.cpu_seconds() - before) / max(1, outcome.answers.get(200, 0)) * 1e6)
    figures.p99.append(outcome.wait(0.99))
    figures.asked += events
    figures.refused += events - outcome.answers.get(200, 0)


def without_http(url: str, figures: Figures, *, events: int, seed: int) -> None:
    """Measure the limit in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.limit", "16", str(events), str(seed)]
    printed = subprocess.run(command, env=environment(url), check=True, capture_output=True, text=True).stdout.split()
    figures.rate.append(float(printed[0]))
    figures.cpu.append(float(printed[1]))


if __name__ == "__main__":
    main()
