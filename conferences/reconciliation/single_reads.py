"""Asks Telnyx about one conference or one call, and stores who is in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from conferences.changes import current
from conferences.models import Account, Conference, Leg
from conferences.projection.listings import note_call, note_participants
from conferences.telnyx.client import Client
from conferences.telnyx.errors import Rejected
from conferences.telnyx.reads import CallRead, ConferenceRead, is_conference_id

from .budget import ReadBudget
from .feed_watch import FeedWatch

Clock = Callable[[], datetime]


class SingleReads:
    """One account's requests about one thing each; every one counts against the budget."""

    def __init__(self, *, account: Account, client: Client, budget: ReadBudget, feed: FeedWatch, clock: Clock) -> None:
        self._account = account
        self._client = client
        self._budget = budget
        self._feed = feed
        self._clock = clock

    def conference(self, telnyx_id: str) -> ConferenceRead | None:
        """Read one conference; None where Telnyx does not know it, here or in this region."""
        if not is_conference_id(telnyx_id):
            return None  # an id that Telnyx never gave, or a name: nothing can be asked about it
        self._budget.spend()
        try:
            return self._client.conference(telnyx_id)
        except Rejected as error:
            if error.status != 404:
                raise
            return None

    def is_alive(self, call_control_id: str) -> bool:
        """Return whether Telnyx says that a call is alive."""
        return self._call(call_control_id).is_alive

    def compare_participants(self, conference: Conference) -> None:
        """Read who is in a conference, and store it."""
        at, board = self._clock(), current().version
        conference.account = self._account
        before = conference.participants_read_at
        self._budget.spend()
        try:
            reads = self._client.participants(conference.telnyx_id, with_left=True)
        except Rejected as error:
            if not error.means_gone:
                raise
            # Gone, or in another region: the listing and the calls themselves decide, not this answer.
            Conference.objects.filter(pk=conference.pk).update(participants_read_at=at)
            return
        note_participants(conference=conference, reads=reads, at=at, board=board)
        self._feed.note_participants(conference, before=before, at=at)

    def compare_leg(self, leg: Leg) -> None:
        """Read the one thing that tells whose leg it is, and store it: the client_state that the call flow wrote."""
        at = self._clock()
        note_call(account=self._account, read=self._call(leg.call_control_id), at=at)

    def _call(self, call_control_id: str) -> CallRead:
        self._budget.spend()
        try:
            return self._client.call(call_control_id)
        except Rejected as error:
            if not error.means_gone:
                raise
            return CallRead(call_control_id=call_control_id, is_alive=False)
