"""Measures how far this machine's clock is from Telnyx', by the times that webhooks are signed with."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW_SECONDS = 30.0
ENOUGH = 3


class ClockMeter:
    """Keeps the least distance of a stretch of webhooks: whatever delays a webhook adds to it, nothing takes from it.

    A few webhooks at least: one that is sent again may carry the time of its first attempt.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self._count = 0
        self._least = float("inf")
        self.ahead: float | None = None
        """Seconds that our clock is ahead of Telnyx', negative where it is behind; None before enough has come."""

    def note(self, ahead: float) -> float | None:
        """Take in one webhook's distance; return what is known now."""
        self._count += 1
        self._least = min(self._least, ahead)
        if self._count >= ENOUGH:
            over = self._monotonic() - self._since >= WINDOW_SECONDS
            self.ahead = self._least if over or self.ahead is None else min(self.ahead, self._least)
            if over:
                self._since, self._count, self._least = self._monotonic(), 0, float("inf")
        return self.ahead
