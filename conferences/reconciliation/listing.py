"""Reads the pages of the listing of conferences: all of them regularly, and the newest page for new names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from conferences.models import Account
from conferences.projection.listings import note_conferences
from conferences.recognition.probes import is_name_of_a_probe
from conferences.telnyx.client import Client
from conferences.telnyx.reads import ConferencePage

from .budget import ReadBudget
from .feed_watch import FeedWatch
from .schedule import Schedule

LISTING_EVERY = timedelta(seconds=15)
# Where no webhook reaches us; a listing of many pages takes what the read cap lets it take.
POLLING_EVERY = timedelta(seconds=3)
# Soon enough for the second look at what a listing missed.
SECOND_LISTING_AFTER = timedelta(seconds=6)
STUB_AFTER = timedelta(seconds=1)
# However low the cap: a glance at the newest page for stubs takes no more than one read in so many.
GLANCE_SHARE = 5
# Pages of a long listing at a stretch; then something else has its turn.
PAGES_IN_A_ROW = 3


@dataclass(slots=True)
class Listing:
    """A listing under way: when its first page was asked for, and the conferences that its pages have named so far.

    A glance ends with that page, the newest conferences: enough to name stubs, not to miss anything.
    """

    at: datetime
    pages: Iterator[ConferencePage]
    glance: bool
    known: frozenset[str]
    """The live conferences when it began: what comes up later cannot be missed in it, whatever the clocks say."""
    named: set[str] = field(default_factory=set)


class Listings:
    """One account's listings, read page by page between other requests."""

    def __init__(
        self, *, account: Account, client: Client, budget: ReadBudget, schedule: Schedule, feed: FeedWatch
    ) -> None:
        self._account = account
        self._client = client
        self._budget = budget
        self._schedule = schedule
        self._feed = feed
        self._under_way: Listing | None = None
        self._due: datetime | None = None
        self._pages_in_a_row = 0
        self._glance_due: datetime | None = None
        self.glanced_for: set[str] = set()
        """Stubs that were known when the last glance ended without naming them."""

    def wants_page(self, now: datetime) -> bool:
        """Return whether a page should be read now."""
        return self._under_way is not None or self._is_due(now) or self._glance_is_due(now)

    def gives_way(self) -> bool:
        """Return whether a long listing has had its pages for now; the next ones follow after another request."""
        if self._pages_in_a_row < PAGES_IN_A_ROW:
            return False
        self._pages_in_a_row = 0
        return True

    def read_page(self, now: datetime) -> Listing | None:
        """Read one more page; return the listing when that was the last."""
        if (listing := self._under_way) is None:
            pages = self._client.conference_pages("in_progress")
            glance = not self._is_due(now)
            # A glance at a floor of one page is a complete listing too.
            known = frozenset(self._schedule.live().values_list("telnyx_id", flat=True))
            listing = self._under_way = Listing(at=now, pages=pages, glance=glance, known=known)
            self._glance_due = now + max(STUB_AFTER, timedelta(seconds=GLANCE_SHARE / self._budget.per_second))
        self._budget.spend()
        self._pages_in_a_row += 1
        page = next(listing.pages)
        listing.named.update(read.id for read in page.conferences)
        reads = [read for read in page.conferences if not is_name_of_a_probe(read.name)]
        unknown = self._feed.unknown(reads)
        note_conferences(account=self._account, reads=reads, at=now)
        self._feed.note_calls(unknown, at=now)
        if page.last:
            self._under_way, self.glanced_for = None, set()
            return listing
        if listing.glance:
            self._under_way = None
            self.glanced_for = set(self._schedule.stubs().values_list("telnyx_id", flat=True))
        return None

    def plan_next(self, listing: Listing, *, polling: bool, second_look: bool) -> None:
        """Set when the next complete listing is due, counted from this one's first page."""
        regular = POLLING_EVERY if polling else LISTING_EVERY
        self._due = listing.at + (min(regular, SECOND_LISTING_AFTER) if second_look else regular)

    def abandon(self, now: datetime) -> None:
        """Give up the listing under way, as Telnyx refused or did not answer; begin a new one a little later."""
        self._under_way = None
        self._due = now + SECOND_LISTING_AFTER

    def _is_due(self, now: datetime) -> bool:
        return self._due is None or now >= self._due

    def _glance_is_due(self, now: datetime) -> bool:
        """Return whether there is a stub that the last glance did not look for."""
        if self._glance_due is not None and now < self._glance_due:
            return False
        return self._schedule.has_stubs() and self._schedule.stubs().exclude(telnyx_id__in=self.glanced_for).exists()
