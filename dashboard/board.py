"""The floor as one viewer may see it: a window of cards, the counters above them, and what is worth saying besides.

The number of queries does not depend on the number of conferences, and nothing is read that `visible_to` leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet
from django.urls import reverse

from conferences.changes import current
from conferences.models import Account, Conference, Connection, Leg, Participant, SupervisorSession, WebhookEvent
from conferences.permissions import RightsBook, rights_book, visible_to

from . import names
from .cards import ConferenceCard, cards_of

WINDOW_SIZE = 100
LONGEST_LEG = timedelta(hours=4)  # Telnyx ends every leg by then, so an older one that waits is a ghost.
BRIDGED_IS_RECENT = timedelta(minutes=30)
LAG_IS_RECENT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the floor that a page shows; it lives in the URL."""

    query: str = ""
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Window:
        """Read a window from a URL's query, taking anything odd for the beginning."""
        page = query.get("page", "1")
        return cls(
            query=names.plain(query.get("q", "")),
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        )

    def _parameters(self, conference: UUID | None, page: int) -> dict[str, str]:
        return {
            **({"q": self.query} if self.query else {}),
            **({"page": str(page)} if page > 1 else {}),
            **({"conference": str(conference)} if conference else {}),
        }

    def url(self, *, conference: UUID | None = None, page: int | None = None) -> str:
        """Return the floor's address with this window, and a conference open on the desk."""
        parameters = self._parameters(conference, page or self.page)
        return reverse("floor") + (f"?{urlencode(parameters)}" if parameters else "")

    def stream_url(self, *, conference: UUID | None, alone: bool) -> str:
        """Return the address of the stream that keeps this window true."""
        parameters = self._parameters(conference, self.page) | ({"alone": "1"} if alone else {})
        return "/stream/" + (f"?{urlencode(parameters)}" if parameters else "")


@dataclass(frozen=True, slots=True)
class Counters:
    """The line of figures above the floor, over everything the viewer may see."""

    live: int
    agents: int
    longest_since: datetime | None
    waiting: int
    waiting_since: datetime | None
    supervised: int


@dataclass(frozen=True, slots=True)
class Paging:
    """Where the window lies among the matching conferences."""

    total: int
    first: int
    last: int
    page: int
    pages: int
    last_event_at: datetime | None = None
    """Only on an empty floor, where it is the first question."""


@dataclass(frozen=True, slots=True)
class Tidings:
    """What the floor says about itself: when something arrived last, and whether calls pass it by."""

    last_event_at: datetime | None
    bridged_seen: bool


@dataclass(frozen=True, slots=True)
class Board:
    """The floor, complete for one page."""

    version: int
    window: Window
    rows: tuple[ConferenceCard, ...]
    paging: Paging
    counters: Counters
    tidings: Tidings


def board(user: User, *, window: Window, now: datetime) -> Board:
    """Read the floor for one viewer."""
    # First the version: a change that lands while reading is then sent again, never missed.
    version = current().version
    counted = counters(user, now=now)
    rows = cards(user, [conference for conference, _version in window_rows(user, window=window)])
    return Board(
        version=version,
        window=window,
        rows=tuple(rows),
        paging=paging(user, window=window, live=counted.live),
        counters=counted,
        tidings=tidings(now=now),
    )


def window_rows(user: User, *, window: Window) -> list[tuple[UUID, int]]:
    """Return the ids and versions of the conferences in the window, the longest first: new ones append."""
    start = (window.page - 1) * WINDOW_SIZE
    found = _matching(user, window).order_by(F("started_at").asc(nulls_last=True), "id")
    return list(found.values_list("id", "version")[start : start + WINDOW_SIZE])


def cards(user: User, conferences: Iterable[UUID]) -> list[ConferenceCard]:
    """Return the cards of those of these conferences that the viewer may see, in the order given."""
    ids = list(conferences)
    found = visible_to(user).filter(id__in=ids).select_related("team").defer("facts").in_bulk()
    return cards_of([found[id_] for id_ in ids if id_ in found], book=rights_book(user))


def paging(user: User, *, window: Window, live: int) -> Paging:
    """Say where the window lies; `live` spares counting again where nothing is searched for."""
    total = _matching(user, window).count() if window.query else live
    pages = max(1, -(-total // WINDOW_SIZE))
    first = (window.page - 1) * WINDOW_SIZE + 1
    return Paging(
        total=total,
        first=min(first, total),
        last=min(first + WINDOW_SIZE - 1, total),
        page=window.page,
        pages=pages,
        last_event_at=None if total else current().ingested_at,
    )


def counters(user: User, *, now: datetime) -> Counters:
    """Count over everything the viewer may see, not only over the window."""
    live = visible_to(user).filter(ended_at=None)
    calls = live.aggregate(count=Count("id"), since=Min("started_at"))
    agents = Participant.objects.filter(present=True, leg__agent__isnull=False, conference__in=live.values("id"))
    # First the few that are listened to, then whether they are the viewer's: the other way round reads every call.
    listened = SupervisorSession.objects.filter(ended_at=None, stage=SupervisorSession.Stage.INSIDE)
    waiting = _waiting(user, now=now).aggregate(count=Count("id"), since=Min("enqueued_at"))
    return Counters(
        live=calls["count"],
        longest_since=calls["since"],
        agents=agents.aggregate(count=Count("leg__agent", distinct=True))["count"],
        waiting=waiting["count"],
        waiting_since=waiting["since"],
        supervised=live.filter(id__in=list(listened.values_list("conference", flat=True))).count(),
    )


def tidings(*, now: datetime) -> Tidings:
    """Say when the last webhook was ingested, and whether bridged calls were seen a moment ago."""
    return Tidings(
        last_event_at=current().ingested_at,
        bridged_seen=Account.objects.filter(bridged_call_seen_at__gt=now - BRIDGED_IS_RECENT).exists(),
    )


def ingest_lag(*, now: datetime) -> timedelta | None:
    """Return how late webhooks come in, by the middle one of the last five; None on a quiet floor."""
    last = WebhookEvent.objects.filter(received_at__gt=now - LAG_IS_RECENT).order_by("-received_at")
    lags = sorted(received - occurred for received, occurred in last.values_list("received_at", "occurred_at")[:5])
    return max(timedelta(0), lags[len(lags) // 2]) if lags else None


def _matching(user: User, window: Window) -> QuerySet[Conference]:
    live = visible_to(user).filter(ended_at=None)
    if not window.query:
        return live
    agents = Participant.objects.filter(
        conference=OuterRef("pk"), present=True, leg__agent__name__icontains=window.query
    )
    return live.filter(Q(name__icontains=window.query) | Exists(agents))


def _waiting(user: User, *, now: datetime) -> QuerySet[Leg]:
    """Return the legs that wait in queues the viewer answers for.

    A waiting leg is in no conference yet, so its connection's team decides; a connection of no team is everybody's
    who is in a team at all.
    """
    talking = Participant.objects.filter(leg=OuterRef("pk"), present=True)
    waiting = Leg.objects.filter(~Exists(talking), enqueued_at__gt=now - LONGEST_LEG, dequeued_at=None, hung_up_at=None)
    book: RightsBook = rights_book(user)
    if book.everywhere or book.staff or book.leads:
        return waiting
    if not book.by_team:
        return waiting.none()
    others = Connection.objects.filter(account=OuterRef("account"), connection_id=OuterRef("connection_id")).exclude(
        team__in=book.by_team
    )
    return waiting.exclude(Exists(others.exclude(team=None)))
