"""A virtual clock for what supervision waits for, and named points at which a request can be made to stand still."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from django.db import connection

from conferences.telnyx.client import Client
from tests.supervision.conftest import STEP, Floor

TO_TELNYX = ("join", "set_role", "leave", "hangup", "participants")


class Clockwork:
    """Lets time pass where the product sleeps or waits, and a web request stand still where it is told to.

    A request passes points in its order: before and after each transaction that is no part of another one, before and
    after each request to Telnyx. At the one that is armed it stands still, and everything else goes on.
    """

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.without_database = False
        self.put_off: list[Callable[[], None]] = []
        self.before_louder: Callable[[str, str, list[str]], None] = lambda conference, role, listeners: None
        self._left: int | None = None
        self._stand_still: Callable[[str], None] = lambda point: None

    @contextlib.contextmanager
    def request(self, *, stands_still_at: int | None = None, stand_still: Callable[[str], None]) -> Iterator[None]:
        """Let what runs in the block stand still at the point with this number, if it comes so far."""
        before = self._left, self._stand_still
        self._left, self._stand_still = stands_still_at, stand_still
        try:
            yield
        finally:
            self._left, self._stand_still = before

    def reach(self, point: str) -> None:
        """Note that a point is reached."""
        if self._left is None or connection.in_atomic_block:
            return
        if self._left:
            self._left -= 1
            return
        self._left = None
        self._stand_still(point)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for whoever waits; without a database nothing else happens meanwhile."""
        for _ in range(max(1, round(seconds / STEP)) if seconds else 0):
            if self.without_database:
                self.floor.world.advance(self.floor.world.now + STEP)
                self.floor.travel.move_to(self.floor.now)
            else:
                self.floor.tick()

    def do_what_was_put_off(self) -> None:
        """Run what waited in a thread of its own for the database."""
        while self.put_off:
            self.put_off.pop(0)()


class _Timer:
    """Stands for threading.Timer on the virtual clock."""

    name, daemon = "", True

    def __init__(self, clockwork: Clockwork, seconds: float, function: Callable[..., None], args: Any = ()) -> None:
        self.clockwork, self.seconds, self.function, self.args = clockwork, seconds, function, args
        self.cancelled = False

    def start(self) -> None:
        self.clockwork.floor.world.after(self.seconds, self._run)

    def cancel(self) -> None:
        self.cancelled = True

    def _run(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self.function(*self.args)


class _Thread:
    """Stands for threading.Thread: begins to run when the database is there again."""

    def __init__(self, clockwork: Clockwork, *, target: Callable[[], None], **_how: Any) -> None:
        self.clockwork, self.target = clockwork, target

    def start(self) -> None:
        self.clockwork.put_off.append(self.target)


@contextlib.contextmanager
def wound_up(floor: Floor) -> Iterator[Clockwork]:
    """Put supervision on a virtual clock, and its points within reach."""
    clockwork = Clockwork(floor)
    threads = SimpleNamespace(
        Timer=functools.partial(_Timer, clockwork),
        Thread=functools.partial(_Thread, clockwork),
    )
    naps = SimpleNamespace(sleep=clockwork.pass_time, monotonic=time.monotonic)
    with contextlib.ExitStack() as undo:
        for module in _modules():
            for name, given in (("time", naps), ("threading", threads)):
                if getattr(module, name, None) in {time, threading}:
                    _replace(undo, module, name, given)
            if hasattr(module, "board_change"):
                _replace(undo, module, "board_change", _with_points(clockwork, module.board_change))
        for name in TO_TELNYX:
            _replace(undo, Client, name, _asking(clockwork, name, getattr(Client, name)))
        yield clockwork


def _modules() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith("conferences.supervision")]


def _replace(undo: contextlib.ExitStack, owner: Any, name: str, given: Any) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, given)


def _with_points(clockwork: Clockwork, board_change: Callable[..., Any]) -> Callable[..., Any]:
    @contextlib.contextmanager
    def change(*args: Any, **given: Any) -> Iterator[Any]:
        clockwork.reach("before a transaction")
        with board_change(*args, **given) as changing:
            yield changing
        clockwork.reach("after a transaction")

    return change


def _asking(clockwork: Clockwork, name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(ask)
    def asked(*args: Any, **given: Any) -> Any:
        clockwork.reach(f"before {name} is sent")
        role = given.get("role")
        if role is not None and role.name != "monitor":
            clockwork.before_louder(given["conference_id"], role.name, getattr(role, "listeners", []))
        answer = ask(*args, **given)
        clockwork.reach(f"before the answer to {name} is heard")
        return answer

    return asked
