"""Real processes for the tests of this folder: started with a mark, found by it, ended by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = "FLOORLINE_TEST_MARK"
SOON = 60.0
"""Seconds for what takes a moment, on the slowest machine too: under load a Python alone needs seconds to start."""


def eventually(holds: Callable[[], bool], *, within: float, pause: float = 0.05) -> bool:
    """Return whether something came true in time (seconds), looking again after each pause."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(pause)
    return holds()


def status_of(url: str) -> int:
    """Return the status of a GET, 0 where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@dataclass
class Marked:
    """A process and everything it started, recognised by a value in the environment."""

    command: list[str]
    environment: dict[str, str]
    mark: str
    output: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**self.environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text()

    def others(self) -> dict[int, str]:
        """Return pid → command line of every living process that this one started, directly or not."""
        return {pid: line for pid, line in living(self.mark) if pid != self.process.pid}

    def all(self, words: str) -> list[int]:
        """Return the pids of the descendants whose command line holds these words."""
        return sorted(pid for pid, line in self.others().items() if words in line)

    def one(self, words: str) -> int:
        return self.all(words)[0]

    def master(self, words: str) -> int:
        """Return the one of these processes that started the others, as gunicorn's master its workers.

        The order of the pids does not tell it: the kernel counts from the start again after the highest.
        """
        pids = self.all(words)
        [master] = [pid for pid in pids if parent_of(pid) not in pids]
        return master

    def workers(self, words: str) -> list[int]:
        """Return those of these processes that the master started."""
        master = self.master(words)
        return [pid for pid in self.all(words) if parent_of(pid) == master]

    def press_ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def clear_away(self) -> None:
        for pid, _ in living(self.mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def living(mark: str) -> Iterator[tuple[int, str]]:
    """Yield pid and command line of the marked processes that are not zombies."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if line and state != "Z":
                    yield int(folder.name), line


def parent_of(pid: int) -> int | None:
    """Return the pid of the process that started this one, None where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
