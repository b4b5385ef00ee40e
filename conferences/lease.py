"""Grants one process at a time the background work, on however many machines workers run.

The holder renews its lease every few seconds; another process takes over once it has run out. Each holder gets a
higher token than the one before, and a lease is renewed only under its token. A process that was paused until its lease
ran out begins no further step: each step asks first, also one that waited for a thread. What it had begun does no harm:
readings carry the time at which they were asked for, and older ones are not noted (conferences.projection.listings).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from .models import Lease

LIFE = timedelta(seconds=8)
RENEW_SECONDS = 2.0
MARGIN = timedelta(seconds=2)  # between clocks, and for the step that has just begun


class Holder:
    """One process's claim on a lease. Threads may share it; one of them calls `claim` again and again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.token: int | None = None
        self._until: datetime | None = None

    def claim(self, *, now: datetime) -> bool:
        """Take the lease or renew it; return whether this process holds it."""
        if self.token is not None and not self._renew(self.token, now):
            self.token = None
        if self.token is None:
            self.token = self._take(now)
        self._until = now + LIFE - MARGIN if self.token is not None else None
        return self.token is not None

    def is_ours(self, *, now: datetime) -> bool:
        """Return whether a step may begin."""
        return self._until is not None and now < self._until

    def give_back(self, *, now: datetime) -> None:
        """End the lease, so that nobody has to wait until it runs out."""
        if self.token is not None:
            Lease.objects.filter(name=self.name, token=self.token).update(expires_at=now)
        self.token = self._until = None

    def _renew(self, token: int, now: datetime) -> bool:
        return bool(Lease.objects.filter(name=self.name, token=token).update(expires_at=now + LIFE))

    @transaction.atomic
    def _take(self, now: datetime) -> int | None:
        Lease.objects.bulk_create([Lease(name=self.name, expires_at=now)], ignore_conflicts=True)
        free = Lease.objects.filter(name=self.name, expires_at__lte=now)
        if not free.update(token=F("token") + 1, expires_at=now + LIFE):
            return None
        return Lease.objects.values_list("token", flat=True).get(name=self.name)
