"""Counts the reads that an account's cap per second still allows."""

from __future__ import annotations

from datetime import datetime


class ReadBudget:
    """The reads that may be sent now; at most one second's worth is saved up."""

    def __init__(self) -> None:
        self.per_second = 1
        self._left = 0.0
        self._counted_at: datetime | None = None

    @property
    def allows_one(self) -> bool:
        """Return whether one more read may be sent."""
        return self._left >= 1

    def earn(self, now: datetime, *, per_second: int) -> None:
        """Add the reads that the cap allows since the last look."""
        self.per_second = per_second
        if self._counted_at is None:
            self._left = 1.0
        else:
            elapsed = (now - self._counted_at).total_seconds()
            self._left = min(float(per_second), self._left + per_second * elapsed)
        self._counted_at = now

    def spend(self, reads: int = 1) -> None:
        """Take away reads that were sent; more than were left are owed."""
        self._left -= reads

    def empty(self) -> None:
        """Allow nothing until the cap has earned the next read."""
        self._left = 0
