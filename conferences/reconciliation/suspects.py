"""Asks about conferences that a listing did not name, and ends those of which Telnyx says that they are over."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from conferences.models import Account, Leg
from conferences.projection.listings import end_conference, note_conferences, note_missing
from conferences.telnyx.client import Client

from .budget import ReadBudget
from .feed_watch import FeedWatch
from .listing import Listing
from .schedule import Schedule
from .single_reads import Clock, SingleReads

ASK_AGAIN_AFTER = timedelta(seconds=60)
# From so many suspects on, pages of ended conferences are cheaper than asking for each.
MANY_SUSPECTS = 8
ENDED_PAGES = 4


class Suspects:
    """One account's conferences that may have ended without an event."""

    def __init__(
        self,
        *,
        account: Account,
        client: Client,
        budget: ReadBudget,
        schedule: Schedule,
        feed: FeedWatch,
        single_reads: SingleReads,
        clock: Clock,
    ) -> None:
        self._account = account
        self._client = client
        self._budget = budget
        self._schedule = schedule
        self._feed = feed
        self._single_reads = single_reads
        self._clock = clock
        self._waiting: deque[str] = deque()
        self._asked: dict[str, datetime] = {}

    def collect(self, listing: Listing) -> None:
        """Find what a complete listing did not name; of many at once, end those that the list of ended ones names."""
        suspects = note_missing(account=self._account, known=listing.known, named=listing.named, at=listing.at)
        again = listing.at - ASK_AGAIN_AFTER
        self._asked = {key: at for key, at in self._asked.items() if at > again}
        self._waiting = deque(key for key in suspects if key not in self._asked)
        if len(self._waiting) >= MANY_SUSPECTS:
            self._look_among_ended()

    def need_second_look(self) -> bool:
        """Return whether a conference is missing that nobody has asked about lately."""
        return self._schedule.live().exclude(missing_since=None).exclude(telnyx_id__in=self._asked).exists()

    def next(self) -> str | None:
        """Return the conference that has waited longest, and take it from those that wait."""
        return self._waiting.popleft() if self._waiting else None

    def ask(self, telnyx_id: str) -> None:
        """End a conference only if Telnyx says that it is over, or does not know it and all its calls are dead."""
        at = self._clock()
        self._asked[telnyx_id] = at
        read = self._single_reads.conference(telnyx_id)
        if read is not None:
            note_conferences(account=self._account, reads=[read], at=at)
            if read.ended:
                self._feed.note_end(telnyx_id, at=at)
            return
        legs = Leg.objects.filter(
            account=self._account, participations__conference__telnyx_id=telnyx_id, participations__present=True
        )
        if not any(self._single_reads.is_alive(leg) for leg in legs.values_list("call_control_id", flat=True)):
            end_conference(account=self._account, telnyx_id=telnyx_id, reason="not_found", at=at)
            self._feed.note_end(telnyx_id, at=at)

    def _look_among_ended(self) -> None:
        """End many at once: after an outage hundreds of conferences may have ended unheard."""
        suspects, at = set(self._waiting), self._clock()
        for number, page in enumerate(self._client.conference_pages("completed"), start=1):
            self._budget.spend()
            ended = [read for read in page.conferences if read.id in suspects]
            note_conferences(account=self._account, reads=ended, at=at)
            for read in ended:
                self._feed.note_end(read.id, at=at)
            suspects -= {read.id for read in ended}
            if not suspects or number == ENDED_PAGES:
                break
        self._waiting = deque(key for key in self._waiting if key in suspects)
