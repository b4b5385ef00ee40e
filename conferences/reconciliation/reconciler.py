"""Sends the most urgent request of a comparison with Telnyx, within the read cap.

Existence comes from paged listings, which are cheap; participants are read in the order of `schedule`. Every
request counts against the account's cap of reads per second, the pages of a listing too, and on a floor of thousands
listings leave the others their share. Nothing is ever removed because time has passed: only because Telnyx says that it
is gone.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import F
from django.utils.translation import gettext as _

from conferences.intake import undelivered
from conferences.models import Account, Conference, Leg
from conferences.telnyx.client import LONGEST_LEG_SECONDS, Client
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.refusals import Refusal, cause_of

from .budget import ReadBudget
from .feed_watch import FeedWatch
from .listing import Listings
from .outage import OutageWatch
from .schedule import Schedule
from .single_reads import Clock, SingleReads
from .stubs import Stubs
from .suspects import Suspects

WATCH_EVERY = timedelta(seconds=1)
BROKEN = 500  # from this status on an answer is none
BRIDGED_FOR = timedelta(seconds=60)
UNDELIVERED_EVERY = timedelta(minutes=5)
LONGEST_CALL = timedelta(seconds=LONGEST_LEG_SECONDS)

logger = logging.getLogger(__name__)


class Reconciler:
    """One account's comparison with Telnyx; `step` does what is due and stays under the read cap."""

    def __init__(self, *, account: Account, client: Client, clock: Clock) -> None:
        self._account = account
        self._client = client
        self._clock = clock
        self._polling = False
        self._undelivered_due: datetime | None = None
        self._feed_looked_at: datetime | None = None
        budget = self._budget = ReadBudget()
        schedule = self._schedule = Schedule(account)
        feed = self._feed = FeedWatch(account, now=clock())
        self._outage = OutageWatch(account=account, schedule=schedule, clock=clock)
        reads = self.single_reads = SingleReads(account=account, client=client, budget=budget, feed=feed, clock=clock)
        self._listings = Listings(account=account, client=client, budget=budget, schedule=schedule, feed=feed)
        self._stubs = Stubs(
            account=account, budget=budget, schedule=schedule, listings=self._listings, single_reads=reads
        )
        self._suspects = Suspects(
            account=account,
            client=client,
            budget=budget,
            schedule=schedule,
            feed=feed,
            single_reads=reads,
            clock=clock,
        )

    def step(self, *, reads_per_second: int, polling: bool = False) -> None:
        """Do what is due now; a Telnyx that does not answer is said on the account and tried again."""
        now = self._clock()
        self._polling = polling
        self._budget.earn(now, per_second=reads_per_second)
        self.watch_feed()
        try:
            self._read_on()
        except (Rejected, Unanswered) as error:
            if isinstance(error, Rejected) and error.status < BROKEN:
                self._feed.answered(self._clock())
            self._budget.empty()
            self._listings.abandon(now)
            self._store_problem(error)

    def watch_feed(self) -> None:
        """Store whether webhooks still come; also while a request hangs, from another thread."""
        now = self._clock()
        if self._feed_looked_at is None or now - self._feed_looked_at >= WATCH_EVERY:
            self._feed_looked_at = now
            self._feed.look(now)

    def _read_on(self) -> None:
        """Send what is due, as far as the read cap allows."""
        if not self._client.may_read:
            self._feed.answered(self._clock())  # we pause, because Telnyx asked us to
        while self._budget.allows_one and self._client.may_read:
            before = self._feed.begin_request(self._clock())
            if not self._read_next():
                self._feed.cancel_request(before)
                return
            self._feed.answered(self._clock())

    def _read_next(self) -> bool:
        """Send the most urgent request; return whether there was one."""
        now = self._clock()
        if (supervised := self._schedule.supervised(now)) is not None:
            self.single_reads.compare_participants(supervised)
        elif (stub := self._stubs.next(now)) is not None:
            self._stubs.read(stub, now)
        elif self._listings.gives_way() and (row := self._schedule.next(now, polling=self._polling)) is not None:
            self._compare(row)
        elif self._listings.wants_page(now):
            self._read_page(now)
        elif (suspect := self._suspects.next()) is not None:
            self._suspects.ask(suspect)
        elif not self._polling and (self._undelivered_due is None or now >= self._undelivered_due):
            self._fetch_undelivered(now)
        elif (row := self._schedule.next(now, polling=self._polling)) is not None:
            self._compare(row)
        elif self._feed.wants_proof(now):
            self._read_something(now)
        else:
            return False
        return True

    def _compare(self, row: Conference | Leg) -> None:
        if isinstance(row, Leg):
            self.single_reads.compare_leg(row)
        else:
            self.single_reads.compare_participants(row)

    def _read_something(self, now: datetime) -> None:
        """Ask what was asked for longest ago: on a quiet floor only an answer shows that Telnyx is there."""
        longest = self._schedule.readable().order_by(F("participants_read_at").asc(nulls_first=True)).first()
        if longest is not None:
            self.single_reads.compare_participants(longest)
        else:
            self._read_page(now)

    def _read_page(self, now: datetime) -> None:
        """Read one more page of the listing; after the last, look at what the listing did not name."""
        if (listing := self._listings.read_page(now)) is None:
            return
        self._feed.note_listing()
        self._suspects.collect(listing)
        self._listings.plan_next(listing, polling=self._polling, second_look=self._suspects.need_second_look())
        self._outage.note_listing(listing.at)
        Account.objects.filter(pk=self._account.pk).update(check_problem="", checked_at=listing.at)

    def _fetch_undelivered(self, now: datetime) -> None:
        """Take in what Telnyx could not deliver since the last look, where its log tells."""
        self._undelivered_due = now + UNDELIVERED_EVERY
        rows = Account.objects.filter(pk=self._account.pk)
        since = rows.values_list("undelivered_read_at", flat=True).get()
        if since is not None:  # earlier failures do not concern Floorline: it was not installed yet
            try:
                reads = undelivered.fetch(account=self._account, client=self._client, since=since, now=now)
            except Rejected as error:
                if error.status == 429:
                    raise
                # Not every key may read it, and the comparison does without: it is asked again for the same time.
                self._budget.spend()
                logger.info("Telnyx' log of deliveries cannot be read: HTTP %s %s", error.status, error.code)
                return
            self._budget.spend(reads)
        rows.update(undelivered_read_at=now)

    def _store_problem(self, error: Rejected | Unanswered) -> None:
        """Show on the account why the comparison failed."""
        problem = _problem(error)
        logger.warning("the comparison with Telnyx failed: %s", problem)
        Account.objects.filter(pk=self._account.pk).update(check_problem=problem)


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
    cause = cause_of(status=error.status, code=error.code, carrier_code=error.carrier_code)
    told = {"status": error.status, "code": error.codes}
    match cause:
        case Refusal.KEY:
            return _("Telnyx refuses the API key. Check TELNYX_API_KEY, or the key of this account.")
        case Refusal.ACCOUNT:
            return _("The Telnyx account is inactive, blocked or not verified (HTTP %(status)s %(code)s).") % told
        case Refusal.RATE:
            return _("Telnyx' rate limit is reached; reading slows down.")
        case Refusal.NOT_ALLOWED | Refusal.FEATURE:
            return _("Telnyx does not allow this account to read (HTTP %(status)s %(code)s).") % told
    return _("Telnyx refused a reading (HTTP %(status)s %(code)s).") % told
