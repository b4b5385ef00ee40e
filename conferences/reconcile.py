"""Asks Telnyx what is true: names for stubs, ghosts that no event ended, participants that no event named.

Existence comes from paged listings, which are cheap; participants are read where a supervisor is inside, then for
conferences never read, then in rotation, under the account's cap of reads per second. Nothing is ever removed because
time has passed: only because Telnyx says that it is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q

from .listings import SECOND_LOOK, end_conference, note_conferences, note_participants, take_out
from .models import Account, Conference, Leg, SupervisorSession
from .telnyx.client import Client, Rejected, Unanswered

LISTING_EVERY = timedelta(seconds=15)
# Soon enough for the second look at what a listing missed.
SECOND_LISTING_AFTER = timedelta(seconds=6)
SUPERVISED_EVERY = timedelta(seconds=5)
ROTATION_EVERY = timedelta(seconds=60)
STUB_AFTER = timedelta(seconds=1)
BRIDGED_FOR = timedelta(seconds=60)

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Reconciler:
    """One account's comparison with Telnyx; `step` does what is due and stays under the read cap."""

    def __init__(self, *, account: Account, client: Client, clock: Clock) -> None:
        self._account = account
        self._client = client
        self._clock = clock
        self._listed_at: datetime | None = None
        self._listing_due: datetime | None = None
        self._spare_reads = 0.0
        self._counted_at: datetime | None = None

    def step(self, *, reads_per_second: int) -> None:
        """Do what is due now; a Telnyx that does not answer is said on the account and tried again."""
        now = self._clock()
        self._earn(now, cap=float(reads_per_second))
        try:
            if self._listing_is_due(now):
                self.list_conferences()
            while self._spare_reads >= 1 and (conference := self._next_to_read(self._clock())) is not None:
                self._spare_reads -= 1
                self.read_participants(conference)
        except (Rejected, Unanswered) as error:
            self._spare_reads = 0
            self._listing_due = now + SECOND_LISTING_AFTER
            self._say(_problem(error))

    def list_conferences(self) -> None:
        """Compare which conferences exist; end those that Telnyx no longer knows."""
        at = self._clock()
        reads = list(self._client.live_conferences())
        self._spare_reads -= 1 + len(reads) // 250
        suspects = note_conferences(account=self._account, reads=reads, at=at, complete=True)
        for telnyx_id in suspects:
            self._question(telnyx_id)
        missing = Conference.objects.filter(account=self._account, ended_at=None).exclude(missing_since=None)
        self._listed_at = at
        self._listing_due = at + (SECOND_LISTING_AFTER if missing.exists() else LISTING_EVERY)
        self._say("", checked_at=at)

    def read_participants(self, conference: Conference) -> None:
        """Compare who is in a conference; take out those whose calls are dead."""
        at = self._clock()
        try:
            reads = self._client.participants(conference.telnyx_id)
        except Rejected as error:
            if error.status not in {404, 422}:
                raise
            # Gone, or in another region: the listing and the calls themselves decide, not this answer.
            Conference.objects.filter(pk=conference.pk).update(participants_read_at=at)
            self._question(conference.telnyx_id)
            return
        suspects = note_participants(conference=conference, reads=reads, at=at)
        dead = [leg for leg in suspects if not self._is_alive(leg)]
        if dead:
            take_out(conference=conference, call_control_ids=dead, at=at)

    def _question(self, telnyx_id: str) -> None:
        """End a conference only if Telnyx says that it is over, or does not know it and all its calls are dead."""
        at = self._clock()
        try:
            read = self._client.conference(telnyx_id)
        except Rejected as error:
            if error.status != 404:
                raise
            legs = Leg.objects.filter(
                participations__conference__telnyx_id=telnyx_id,
                participations__present=True,
                account=self._account,
            )
            if not any(self._is_alive(leg) for leg in legs.values_list("call_control_id", flat=True)):
                end_conference(account=self._account, telnyx_id=telnyx_id, reason="not_found", at=at)
            return
        note_conferences(account=self._account, reads=[read], at=at, complete=False)

    def _is_alive(self, call_control_id: str) -> bool:
        self._spare_reads -= 1
        try:
            return self._client.call(call_control_id).is_alive
        except Rejected as error:
            if error.status not in {404, 422}:
                raise
            return False

    def _listing_is_due(self, now: datetime) -> bool:
        if self._listing_due is None or now >= self._listing_due:
            return True
        if self._listed_at is not None and now - self._listed_at < STUB_AFTER:
            return False
        return Conference.objects.filter(account=self._account, ended_at=None, read_at=None).exists()

    def _next_to_read(self, now: datetime) -> Conference | None:
        live = Conference.objects.filter(account=self._account, ended_at=None).exclude(read_at=None)
        inside = SupervisorSession.objects.filter(ended_at=None).values("conference")
        due = (
            Q(participants_read_at=None)
            | Q(pk__in=inside, participants_read_at__lt=now - SUPERVISED_EVERY)
            | Q(
                participants__missing_since__isnull=False,
                participants__present=True,
                participants_read_at__lt=now - SECOND_LOOK,
            )
            | Q(participants_read_at__lt=now - ROTATION_EVERY)
        )
        supervised = live.filter(pk__in=inside, participants_read_at__lt=now - SUPERVISED_EVERY).first()
        return supervised or live.filter(due).order_by(F("participants_read_at").asc(nulls_first=True)).first()

    def _earn(self, now: datetime, *, cap: float) -> None:
        """Add the reads that the cap allows since the last look; at most one second's worth is saved up."""
        if self._counted_at is not None:
            elapsed = (now - self._counted_at).total_seconds()
            self._spare_reads = min(cap, self._spare_reads + cap * elapsed)
        self._counted_at = now

    def _say(self, problem: str, *, checked_at: datetime | None = None) -> None:
        fields: dict[str, object] = {"check_problem": problem}
        if checked_at is not None:
            fields["checked_at"] = checked_at
        if problem:
            logger.warning("the comparison with Telnyx failed: %s", problem)
        Account.objects.filter(pk=self._account.pk).update(**fields)


def note_bridged_calls(*, account: Account, now: datetime) -> None:
    """Notice calls that are bridged without a conference: Floorline cannot supervise them, and says so."""
    bridged = Leg.objects.filter(
        account=account,
        hung_up_at=None,
        bridged_at__lt=now - BRIDGED_FOR,
        bridged_at__gt=now - timedelta(hours=4),
        participations=None,
    )
    if bridged.exists():
        Account.objects.filter(pk=account.pk).update(bridged_call_seen_at=now)


def _problem(error: Rejected | Unanswered) -> str:
    if isinstance(error, Unanswered):
        return "Telnyx does not answer."
    if error.status in {401, 403}:
        return "Telnyx refuses the API key. Check TELNYX_API_KEY, or the key of this account."
    if error.status == 429:
        return "Telnyx' rate limit is reached; reading slows down."
    return f"Telnyx refused a reading (HTTP {error.status} {error.code})."
