"""Starts Floorline's processes, forwards signals, restarts those that fail, and leaves none behind.

Every part gets a process group of its own, so that Ctrl-C reaches the launcher alone and the parts end in order. Should
the launcher itself be killed, the kernel sends SIGTERM to its parts (Linux); should the process that started it be gone
(`parent`, given by make), it ends as if asked to.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from urllib.parse import urlsplit

READY_WITHIN = 60.0
"""Seconds for the first answer of /healthz: a cold start on a slow disk takes about ten."""
GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL: gunicorn's graceful_timeout and a little."""
BACK_OFF: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before a fallen part is started again, by the number of its falls in a row."""
STEADY = 60.0
"""Seconds of life after which a fall counts as the first again."""
SAME_WISH = 0.5
"""Seconds within which a second signal is the first one again: a terminal and make may both send it."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process: what to start, with which environment, whether everything ends with it, and whether it goes last."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    vital: bool = False
    outlives: bool = False


@dataclass(kw_only=True)
class Run:
    """A part's present process, or the moment at which it starts again."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    falls: int = 0


class Launcher:
    """Keeps the parts running until a signal, a vital part's end or the parent's end."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        say: Callable[[str], None],
        greet: Callable[[], object],
        ready_url: str,
        parent: int | None,
    ) -> None:
        self.runs = [Run(part=part) for part in parts]
        self.say = say
        self.greet = greet
        self.ready_url = ready_url
        self.parent = parent
        self.asked_at: float | None = None
        self.hurried = False

    def run(self) -> int:
        """Start everything, stay until the end, and return the exit status."""
        with self._signals() as wake:
            try:
                for run in self.runs:
                    self._start(run)
                return self._supervise(wake)
            finally:
                self._stop(wake)

    def _supervise(self, wake: int) -> int:
        ready, begun_at = False, time.monotonic()
        while self.asked_at is None:
            if self.parent is not None and os.getppid() != self.parent:
                return 0
            for run in self.runs:
                if not self._keep(run):
                    return 1
            if not ready and (ready := answers(self.ready_url)):
                self.greet()
            elif not ready and time.monotonic() - begun_at > READY_WITHIN:
                self.say(f"The dashboard has not answered within {READY_WITHIN:.0f} s. Its messages above say why.")
                return 1
            self._sleep(wake, 1.0 if ready else 0.1)
        return 0

    def _keep(self, run: Run) -> bool:
        """Reap and restart one part; return whether the others may go on."""
        if run.process is None:
            if time.monotonic() >= run.start_again_at:
                self._start(run)
            return True
        status = run.process.poll()
        if status is None:
            return True
        self._kill(run)  # children that are left in its process group
        run.process = None
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if run.part.vital:
            self.say(f"The {run.part.name} {how}, so everything ends. Its messages above say why.")
            return False
        run.falls = 1 if time.monotonic() - run.started_at > STEADY else run.falls + 1
        if run.falls > len(BACK_OFF):
            self.say(f"The {run.part.name} {how} {run.falls} times in a row, so everything ends.")
            return False
        pause = BACK_OFF[run.falls - 1]
        run.start_again_at = time.monotonic() + pause
        self.say(f"The {run.part.name} {how}. It starts again in {pause:.0f} s.")
        return True

    def _start(self, run: Run) -> None:
        run.started_at = time.monotonic()
        run.process = subprocess.Popen(  # noqa: S603  # our own programs
            run.part.command,
            env=dict(run.part.environment),
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509  # the launcher has one thread
        )

    def _stop(self, wake: int) -> None:
        """End every part; kill what does not go in time, or at once when asked again."""
        deadline = time.monotonic() + GRACE
        for last in (False, True):  # a part that others use is stopped after them
            asked = [run.process for run in self.runs if run.process and run.part.outlives == last]
            for process in asked:
                process.terminate()
            while any(process.poll() is None for process in asked) and time.monotonic() < deadline and not self.hurried:
                self._sleep(wake, 0.2)
        for run in self.runs:
            self._kill(run)

    def _kill(self, run: Run) -> None:
        if run.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Note the signals that ask to stop, and yield a descriptor that becomes readable at any signal."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        wakeup_before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number, handler in before.items():
            if not (number == signal.SIGHUP and handler == signal.SIG_IGN):  # under nohup SIGHUP is ignored on purpose
                signal.signal(number, self._note)
        child_before = signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop
        try:
            yield read_end
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.signal(signal.SIGCHLD, child_before)
            signal.set_wakeup_fd(wakeup_before)
            os.close(read_end)
            os.close(write_end)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.asked_at is None:
            self.asked_at = time.monotonic()
        elif time.monotonic() - self.asked_at > SAME_WISH:
            self.hurried = True

    @staticmethod
    def _sleep(wake: int, seconds: float) -> None:
        """Wait for a signal, at most so long."""
        if select.select([wake], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                os.read(wake, 4096)


def _end_with(launcher: int) -> Callable[[], None] | None:
    """Return what a child does before it starts: ask the kernel for SIGTERM when the launcher is gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != launcher:  # the launcher ended before the request above took effect
            os._exit(1)

    return prepare


def answers(url: str) -> bool:
    """Return whether a GET of this address answers 200; a proxy named in the environment is not asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
