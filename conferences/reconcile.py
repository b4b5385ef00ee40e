"""Asks Telnyx what is true: names for stubs, ghosts that no event ended, participants that no event named.

Existence comes from paged listings, which are cheap; participants are read in the order that `turns` gives. Every
request counts against the account's cap of reads per second, the pages of a listing too, and on a floor of thousands
listings leave the others their share. Nothing is ever removed because time has passed: only because Telnyx says that it
is gone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from . import changes, undelivered
from .listings import (
    end_conference,
    note_call,
    note_conferences,
    note_missing,
    note_participants,
    take_out,
)
from .models import Account, Conference, Leg
from .models.account import CHECKED_IS_RECENT
from .telnyx.client import CallRead, Client, ConferencePage, ConferenceRead, Rejected, Unanswered
from .turns import Turns

LISTING_EVERY = timedelta(seconds=15)
# Where no webhook reaches us; a listing of many pages takes what the read cap lets it take.
POLLING_EVERY = timedelta(seconds=3)
# Soon enough for the second look at what a listing missed.
SECOND_LISTING_AFTER = timedelta(seconds=6)
STUB_AFTER = timedelta(seconds=1)
# However low the cap: a glance at the newest page for stubs takes no more than one read in so many.
GLANCE_SHARE = 5
# Of a listing of many pages, so many at a stretch; then something else has its turn.
PAGES_IN_A_ROW = 3
QUESTION_AGAIN_AFTER = timedelta(seconds=60)
BRIDGED_FOR = timedelta(seconds=60)
UNDELIVERED_EVERY = timedelta(minutes=5)
LONGEST_CALL = timedelta(hours=4)
# From so many suspects on, pages of ended conferences are cheaper than asking for each.
MANY_SUSPECTS = 8
ENDED_PAGES = 4

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Listing:
    """A listing under way: when its first page was asked for, and whom its pages have named so far.

    A glance ends with that page, the newest conferences: enough to name stubs, not to miss anything.
    """

    at: datetime
    pages: Iterator[ConferencePage]
    glance: bool
    named: set[str] = field(default_factory=set)


class Reconciler:
    """One account's comparison with Telnyx; `step` does what is due and stays under the read cap."""

    def __init__(self, *, account: Account, client: Client, clock: Clock) -> None:
        self._account = account
        self._client = client
        self._clock = clock
        self._listing: Listing | None = None
        self._listing_due: datetime | None = None
        self._pages_in_a_row = 0
        self._glance_due: datetime | None = None
        self._glanced_for: set[str] = set()
        self._suspects: deque[str] = deque()
        self._questioned: dict[str, datetime] = {}
        self._spare_reads = 0.0
        self._reads_per_second = 1
        self._counted_at: datetime | None = None
        self._polling = False
        self._turns = Turns(account)
        self._pass_began: datetime | None = None
        self._undelivered_due: datetime | None = None

    def step(self, *, reads_per_second: int, polling: bool = False) -> None:
        """Do what is due now; a Telnyx that does not answer is said on the account and tried again."""
        now = self._clock()
        self._polling = polling
        self._reads_per_second = reads_per_second
        self._earn(now, cap=float(reads_per_second))
        try:
            while self._spare_reads >= 1 and self._client.may_read and self._read_next():
                pass
        except (Rejected, Unanswered) as error:
            self._spare_reads = 0
            self._listing = None
            self._listing_due = now + SECOND_LISTING_AFTER
            self._say(_problem(error))

    def _read_next(self) -> bool:
        """Send the most urgent request; say whether there was one."""
        now = self._clock()
        if (supervised := self._turns.supervised(now)) is not None:
            self._read_participants(supervised)
        elif self._others_turn() and (row := self._turns.next(now, polling=self._polling)) is not None:
            self._read_row(row)
        elif self._listing is not None or self._listing_is_due(now) or self._glance_is_due(now):
            self._list_on(now)
        elif self._suspects:
            self._question(self._suspects.popleft())
        elif not self._polling and (self._undelivered_due is None or now >= self._undelivered_due):
            self._fetch_undelivered(now)
        elif (row := self._turns.next(now, polling=self._polling)) is not None:
            self._read_row(row)
        else:
            return False
        return True

    # --- which conferences exist --------------------------------------------------------------------------------------

    def _others_turn(self) -> bool:
        """Say whether a long listing has had its pages for now."""
        if self._pages_in_a_row < PAGES_IN_A_ROW:
            return False
        self._pages_in_a_row = 0
        return True

    def _listing_is_due(self, now: datetime) -> bool:
        return self._listing_due is None or now >= self._listing_due

    def _glance_is_due(self, now: datetime) -> bool:
        """A stub has no name yet; one that a glance or a listing has missed waits for the next regular one."""
        if self._glance_due is not None and now < self._glance_due:
            return False
        return self._turns.stubs().exclude(telnyx_id__in=self._glanced_for).exists()

    def _list_on(self, now: datetime) -> None:
        """Read one more page; after the last, look at what the listing did not name."""
        if (listing := self._listing) is None:
            pages = self._client.conference_pages("in_progress")
            listing = self._listing = Listing(at=now, pages=pages, glance=not self._listing_is_due(now))
            self._glance_due = now + max(STUB_AFTER, timedelta(seconds=GLANCE_SHARE / self._reads_per_second))
        self._spare_reads -= 1
        self._pages_in_a_row += 1
        page = next(listing.pages)
        listing.named.update(read.id for read in page.conferences)
        note_conferences(account=self._account, reads=page.conferences, at=now)
        if page.last:
            self._listing, self._glanced_for = None, set()
            self._listed(listing)
        elif listing.glance:
            self._listing, self._glanced_for = None, set(self._turns.stubs().values_list("telnyx_id", flat=True))

    def _listed(self, listing: Listing) -> None:
        suspects = note_missing(account=self._account, named=listing.named, at=listing.at)
        again = listing.at - QUESTION_AGAIN_AFTER
        self._questioned = {key: at for key, at in self._questioned.items() if at > again}
        self._suspects = deque(key for key in suspects if key not in self._questioned)
        if len(self._suspects) >= MANY_SUSPECTS:
            self._look_among_ended()
        missing = self._turns.live().exclude(missing_since=None).exclude(telnyx_id__in=self._questioned)
        regular = POLLING_EVERY if self._polling else LISTING_EVERY
        self._listing_due = listing.at + (min(regular, SECOND_LISTING_AFTER) if missing.exists() else regular)
        self._note_pass(listing.at)
        self._say("", checked_at=listing.at)

    def _note_pass(self, at: datetime) -> None:
        """Keep the account "unsure" from an outage on until everything has been compared once again."""
        account = Account.objects.only("checked_at", "unsure_since").get(pk=self._account.pk)
        if account.checked_at is None or at - account.checked_at > CHECKED_IS_RECENT:
            self._pass_began = at
            if account.unsure_since is None:
                self._set_unsure(account.checked_at or at)
        elif account.unsure_since is not None:
            self._pass_began = self._pass_began or at
            # What has begun since then was heard from its beginning.
            known = self._turns.readable().filter(started_at__lt=self._pass_began)
            behind = known.exclude(participants_read_at__gte=self._pass_began)
            if not behind.exists() and self._pass_began < at:
                self._set_unsure(None)

    def _set_unsure(self, since: datetime | None) -> None:
        """Say it to every open page as well."""
        with changes.turn(now=self._clock()) as turn:
            Account.objects.filter(pk=self._account.pk).update(unsure_since=since)
            turn.changed = True

    def _look_among_ended(self) -> None:
        """End many at once: after an outage hundreds of conferences may have ended unheard."""
        suspects, at = set(self._suspects), self._clock()
        for number, page in enumerate(self._client.conference_pages("completed"), start=1):
            self._spare_reads -= 1
            ended = [read for read in page.conferences if read.id in suspects]
            note_conferences(account=self._account, reads=ended, at=at)
            suspects -= {read.id for read in ended}
            if not suspects or number == ENDED_PAGES:
                break
        self._suspects = deque(key for key in self._suspects if key in suspects)

    def _question(self, telnyx_id: str) -> None:
        """End a conference only if Telnyx says that it is over, or does not know it and all its calls are dead."""
        at = self._clock()
        self._questioned[telnyx_id] = at
        read = self._ask_for(telnyx_id)
        if read is not None:
            note_conferences(account=self._account, reads=[read], at=at)
            return
        legs = Leg.objects.filter(
            account=self._account, participations__conference__telnyx_id=telnyx_id, participations__present=True
        )
        if not any(self._is_alive(leg) for leg in legs.values_list("call_control_id", flat=True)):
            end_conference(account=self._account, telnyx_id=telnyx_id, reason="not_found", at=at)

    def _ask_for(self, telnyx_id: str) -> ConferenceRead | None:
        """Read one conference; None where Telnyx does not know it, here or in this region."""
        if not is_uuid(telnyx_id):
            return None  # an id that Telnyx never gave, or a name: nothing can be asked about it
        self._spare_reads -= 1
        try:
            return self._client.conference(telnyx_id)
        except Rejected as error:
            if error.status != 404:
                raise
            return None

    def _fetch_undelivered(self, now: datetime) -> None:
        """Take in what Telnyx could not deliver since the last look, where its log tells."""
        self._undelivered_due = now + UNDELIVERED_EVERY
        rows = Account.objects.filter(pk=self._account.pk)
        since = rows.values_list("undelivered_read_at", flat=True).get()
        if since is not None:  # what failed before Floorline was there was for others
            try:
                self._spare_reads -= undelivered.fetch(account=self._account, client=self._client, since=since, now=now)
            except Rejected as error:
                if error.status == 429:
                    raise
                # Not every key may read it, and the comparison does without: it is asked again for the same time.
                self._spare_reads -= 1
                logger.info("Telnyx' log of deliveries cannot be read: HTTP %s %s", error.status, error.code)
                return
        rows.update(undelivered_read_at=now)

    # --- who is in them -----------------------------------------------------------------------------------------------

    def _read_row(self, row: Conference | Leg) -> None:
        if isinstance(row, Leg):
            self._read_leg(row)
        else:
            self._read_participants(row)

    def _read_participants(self, conference: Conference) -> None:
        """Compare who is in a conference; take out those whose calls are dead."""
        at = self._clock()
        conference.account = self._account
        self._spare_reads -= 1
        try:
            reads = self._client.participants(conference.telnyx_id, with_left=True)
        except Rejected as error:
            if error.status not in {404, 422}:
                raise
            # Gone, or in another region: the listing and the calls themselves decide, not this answer.
            Conference.objects.filter(pk=conference.pk).update(participants_read_at=at)
            return
        suspects = note_participants(conference=conference, reads=reads, at=at)
        dead = [leg for leg in suspects if not self._is_alive(leg)]
        if dead:
            take_out(conference=conference, call_control_ids=dead, at=at)

    def _read_leg(self, leg: Leg) -> None:
        """Learn the one thing that a reading tells of whose leg it is: what the call flow wrote into client_state."""
        at = self._clock()
        self._spare_reads -= 1
        try:
            read = self._client.call(leg.call_control_id)
        except Rejected as error:
            if error.status not in {404, 422}:
                raise
            read = CallRead(call_control_id=leg.call_control_id, is_alive=False)
        note_call(account=self._account, read=read, at=at)

    def _is_alive(self, call_control_id: str) -> bool:
        self._spare_reads -= 1
        try:
            return self._client.call(call_control_id).is_alive
        except Rejected as error:
            if error.status not in {404, 422}:
                raise
            return False

    # --- bookkeeping --------------------------------------------------------------------------------------------------

    def _earn(self, now: datetime, *, cap: float) -> None:
        """Add the reads that the cap allows since the last look; at most one second's worth is saved up."""
        if self._counted_at is None:
            self._spare_reads = 1.0
        else:
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


def is_uuid(text: str) -> bool:
    """Say whether an id is one that Telnyx gives to conferences; only about those can it be asked."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def note_bridged_calls(*, account: Account, now: datetime) -> None:
    """Notice calls that are bridged without a conference: Floorline cannot supervise them, and says so."""
    bridged = Leg.objects.filter(
        account=account,
        hung_up_at=None,
        bridged_at__lt=now - BRIDGED_FOR,
        bridged_at__gt=now - LONGEST_CALL,
        participations=None,
    )
    if bridged.exists():
        Account.objects.filter(pk=account.pk).update(bridged_call_seen_at=now)


def _problem(error: Rejected | Unanswered) -> str:
    if isinstance(error, Unanswered):
        return _("Telnyx does not answer.")
    if error.status in {401, 403}:
        return _("Telnyx refuses the API key. Check TELNYX_API_KEY, or the key of this account.")
    if error.status == 429:
        return _("Telnyx' rate limit is reached; reading slows down.")
    return _("Telnyx refused a reading (HTTP %(status)s %(code)s).") % {"status": error.status, "code": error.code}
