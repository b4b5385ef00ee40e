"""Starts databases and servers for the time of a measurement."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .load import PUBLIC_KEY

ROOT = Path(__file__).parents[1]
SPAWN = [sys.executable, "-m", "gunicorn"]


# As the launcher does before it serves: events need an account, and pages name their files by hash.
PREPARE = """
from dashboard.serving.preparation import collect_static_files, open_default_account
open_default_account()
collect_static_files(say=lambda words: None)
"""


@dataclass(frozen=True)
class Server:
    """A server that answers, and the database behind it."""

    name: str
    port: int
    pid: int
    database: str
    path: str = "/webhooks/telnyx/"
    """Where it takes webhooks."""

    def pids(self) -> tuple[int, ...]:
        """Return its processes: master and workers."""
        return (self.pid, *_children(self.pid))

    def kill(self) -> None:
        """End it as a power cut would: master and workers at once."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)

    def stand_still(self, seconds: float) -> None:
        """Let master and workers do nothing for a while, as on a machine that is paused or swaps."""
        everyone = (self.pid, *_children(self.pid))
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Ask it to end, as a deploy does."""
        os.kill(self.pid, signal.SIGTERM)

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes have used so far; the database's own is not in it."""
        return sum(_cpu_seconds(pid) for pid in (self.pid, *_children(self.pid)))

    def resident_kilobytes(self) -> float:
        """Return the memory that its processes hold."""
        return sum(_resident_kilobytes(pid) for pid in (self.pid, *_children(self.pid)))


def environment(database: str, *, port: int = 0) -> dict[str, str]:
    """Return what a child needs: nothing of this shell's settings but its path."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database,
        "TELNYX_PUBLIC_KEY": PUBLIC_KEY,
        "TELNYX_API_BASE": "http://127.0.0.1:9/v2",
        "SECRET_KEY": "benchmark-benchmark-benchmark-benchmark",
        "HOST": "127.0.0.1",
        "PORT": str(port or 8000),
        "LOG_LEVEL": "ERROR",
    }


@contextmanager
def database(url: str) -> Iterator[str]:
    """Prepare an empty database to be served, and drop it afterwards."""
    drop(url)
    if not url.startswith("sqlite"):
        _postgres(url, "CREATE DATABASE {}")
    for command in (["migrate", "-v0"], ["shell", "-v0", "-c", PREPARE]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment(url), check=True)
    try:
        yield url
    finally:
        drop(url)


def drop(url: str) -> None:
    """Remove a database, whoever is still connected."""
    if url.startswith("sqlite"):
        for ending in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + ending).unlink(missing_ok=True)
    else:
        _postgres(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)")


def _postgres(url: str, statement: str) -> None:
    import psycopg
    from psycopg import sql

    base, _, name = url.rpartition("/")
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@contextmanager
def floorline(url: str, *, port: int = 0, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Serve Floorline's own dashboard: one worker, on a free port where none is given."""
    command = [*SPAWN, "-c", "dashboard/gunicorn.conf.py"]
    with running("Floorline", command, url, port or free_port(), settings=settings) as server:
        yield server


@contextmanager
def naive(url: str, view: str) -> Iterator[Server]:
    """Serve a baseline, "lean" or "heavy", as such a view is usually served: threads."""
    port = free_port()
    command = [*SPAWN, "-k", "gthread", "-w", "1", "--threads", "8", "-b", f"127.0.0.1:{port}"]
    with running(
        f"{view} naive view",
        [*command, "--no-control-socket", "--log-level", "warning", "benchmarks.naive:application"],
        url,
        port,
    ) as server:
        yield replace(server, path=f"/{view}/")


@contextmanager
def running(
    name: str, command: list[str], url: str, port: int, *, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server until the measurement is over."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment(url, port=port) | dict(settings or {}))
    try:
        _wait_for(port, process)
        yield Server(name, port, process.pid, url)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server does not answer")


def free_port() -> int:
    """Return a port that nobody listens on, with the next one free too.

    Below the range from which the system takes ports for outgoing connections (Linux: 32768 and above, ip(7)): one of
    those may be taken between two starts of the same server.
    """
    for port in random.sample(range(15000, 32000), 100):
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    raise RuntimeError("no port is free")


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def _cpu_seconds(pid: int) -> float:
    # The clock that clock_getcpuclockid(3) names, of all threads: /proc counts only in hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


def _resident_kilobytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
