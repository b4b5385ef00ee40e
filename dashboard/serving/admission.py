"""Limits how many requests are worked on at once; the others wait in bounded lines, one for each address.

Django gives every request a thread of its own, as many as ask: asgiref makes an executor of one thread for each. Sixty
passwords hashed at once, or two hundred pages, would leave no processor for a Leave. Whoever waits here holds no thread
and no database connection, only an open connection.
"""

from __future__ import annotations

import asyncio
from collections import deque

MOST_KNOWN = 1000


class Busy(Exception):
    """Too many wait, or waited too long."""


class Admission:
    """Lets so many in at once, each address in its turn, and refuses those who would wait longer than `seconds`."""

    def __init__(self, *, at_once: int, seconds: float, most_waiting: int) -> None:
        self._free = at_once
        self._seconds = seconds
        self._most_waiting = most_waiting
        self.waiting = 0
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}
        self._known: dict[str, None] = {}
        self._turns = 0

    def enter_now(self) -> bool:
        """Return whether there was a place, and take it."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self, address: str) -> None:
        """Wait for a place and take it; raise Busy where it takes too long or too many wait already."""
        if self.waiting >= self._most_waiting:
            self._shorten_longest_line(address)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(address, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            else:
                self._forget(address, turn)
            if isinstance(error, TimeoutError):
                raise Busy from error
            raise

    def leave(self) -> None:
        """Give the place to the next address in turn."""
        while self._lines:
            address = self._next_address()
            line = self._lines.pop(address)
            turn = line.popleft()
            self.waiting -= 1
            if line:
                self._lines[address] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def vouch(self, address: str) -> None:
        """Remember an address from which somebody got in: of four turns three go to such addresses."""
        self._known.pop(address, None)
        self._known[address] = None
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def _next_address(self) -> str:
        self._turns += 1
        if self._turns % 4:
            for address in self._lines:
                if address in self._known:
                    return address
        return next(iter(self._lines))

    def _shorten_longest_line(self, address: str) -> None:
        """Refuse the newest request of the longest line; raise Busy if that is the present one."""
        longest = max(self._lines, key=lambda other: len(self._lines[other]))
        if len(self._lines[longest]) <= len(self._lines.get(address, ())) + 1:
            raise Busy
        newest = self._lines[longest][-1]
        self._forget(longest, newest)
        if not newest.done():
            newest.set_exception(Busy())

    def _forget(self, address: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(address)
        if line and turn in line:
            line.remove(turn)
            self.waiting -= 1
            if not line:
                del self._lines[address]
