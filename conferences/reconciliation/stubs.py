"""Reads conferences without a name one by one, where the listings missed them."""

from __future__ import annotations

from datetime import datetime, timedelta

from conferences.models import Account
from conferences.projection.listings import note_conferences
from conferences.telnyx.reads import is_conference_id

from .budget import ReadBudget
from .listing import GLANCE_SHARE, Listings
from .schedule import Schedule
from .single_reads import SingleReads

# A stub that Telnyx did not know by its id either may be in another region.
STUB_AGAIN_AFTER = timedelta(seconds=5)
MOST_STUBS = 50


class Stubs:
    """One account's conferences that only events have told of: their names are still to be read."""

    def __init__(
        self, *, account: Account, budget: ReadBudget, schedule: Schedule, listings: Listings, single_reads: SingleReads
    ) -> None:
        self._account = account
        self._budget = budget
        self._schedule = schedule
        self._listings = listings
        self._single_reads = single_reads
        self._due: datetime | None = None
        self._read: dict[str, datetime] = {}

    def next(self, now: datetime) -> str | None:
        """Return a stub to be read by itself: no more than every second read, and the same one not at once again."""
        if self._due is not None and now < self._due:
            return None
        again = now - STUB_AGAIN_AFTER
        self._read = {key: at for key, at in self._read.items() if at > again}
        # Where a glance may be sent only every few seconds, new ones do not wait for it.
        glanced_for = self._listings.glanced_for
        if self._budget.per_second < GLANCE_SHARE:
            glanced_for = glanced_for | set(self._schedule.stubs().values_list("telnyx_id", flat=True)[:MOST_STUBS])
        nameless = self._schedule.nameless(glanced_for=glanced_for, asked=self._read)
        return next((key for key in nameless if is_conference_id(key)), None)

    def read(self, telnyx_id: str, now: datetime) -> None:
        """Ask for one stub, and store its name."""
        self._due = now + timedelta(seconds=2 / self._budget.per_second)
        self._read[telnyx_id] = now
        if (read := self._single_reads.conference(telnyx_id)) is not None:
            note_conferences(account=self._account, reads=[read], at=now)
