"""Marks an account as unsure from an outage of the comparison until everything has been compared once again."""

from __future__ import annotations

from datetime import datetime

from conferences.changes import board_change
from conferences.models import Account
from conferences.models.account import CHECKED_IS_RECENT

from .schedule import Schedule
from .single_reads import Clock


class OutageWatch:
    """One account's passes: a pass begins after an outage, and ends when nothing known is older than it."""

    def __init__(self, *, account: Account, schedule: Schedule, clock: Clock) -> None:
        self._account = account
        self._schedule = schedule
        self._clock = clock
        self._pass_began: datetime | None = None

    def note_listing(self, at: datetime) -> None:
        """Begin or end a pass, after a complete listing."""
        account = Account.objects.only("checked_at", "unsure_since", "feed_stopped_since").get(pk=self._account.pk)
        if account.feed_stopped_since is not None:
            self._pass_began = None  # a comparison now may miss events again
        elif account.checked_at is None or at - account.checked_at > CHECKED_IS_RECENT:
            self._pass_began = at
            if account.unsure_since is None:
                self._set_unsure(account.checked_at or at)
        elif account.unsure_since is not None:
            self._pass_began = self._pass_began or at
            # A conference that has begun since then was heard from its beginning.
            known = self._schedule.readable().filter(started_at__lt=self._pass_began)
            behind = known.exclude(participants_read_at__gte=self._pass_began)
            if not behind.exists() and self._pass_began < at:
                self._pass_began = None  # the next outage is over only after a pass of its own
                self._set_unsure(None)

    def _set_unsure(self, since: datetime | None) -> None:
        """Store the state, and show it on every open page."""
        with board_change(now=self._clock()):
            Account.objects.filter(pk=self._account.pk).update(unsure_since=since)
