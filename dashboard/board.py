"""The floor as one viewer may see it: a window of cards, the counters above them, and what is worth saying besides.

Everything comes from the live floor, shared by all viewers of the same scope; the database is asked a constant number
of times, and most often only for its version.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from django.contrib.auth.models import User

from conferences.changes import current
from conferences.models import Account, WebhookEvent
from conferences.permissions import rights_book

from .cards import ConferenceCard
from .live import floor
from .orders import Entry
from .reasons import Flag, label_of
from .scope import Scope
from .window import NEEDS, WINDOW_SIZE, Window

BRIDGED_IS_RECENT = timedelta(minutes=30)
LAG_IS_RECENT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class FlagCount:
    """How many conferences in scope have a reason."""

    key: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Counters:
    """The line of figures above the floor, over everything the viewer may see."""

    live: int
    agents: int
    longest_since: datetime | None
    waiting: int
    waiting_since: datetime | None
    needs: int
    supervised: int
    flags: tuple[FlagCount, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to filter by."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be filtered by: only what conferences in scope have."""

    teams: tuple[Choice, ...]
    queues: tuple[Choice, ...]
    flags: tuple[Choice, ...]

    @property
    def values(self) -> frozenset[Choice]:
        return frozenset(self.teams + self.queues)


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
class Heading:
    """The agent under whose name the next rows stand."""

    agent_id: int
    name: str

    @property
    def dom_id(self) -> str:
        return f"group-{self.agent_id}"


@dataclass(frozen=True, slots=True)
class Row:
    """A card, and what this scope may do with it."""

    card: ConferenceCard
    may_monitor: bool

    @property
    def dom_id(self) -> str:
        return f"conference-{self.card.id}"


Item = Heading | Row


@dataclass(frozen=True, slots=True)
class Board:
    """The floor, complete for one page."""

    version: int
    window: Window
    items: tuple[Item, ...]
    paging: Paging
    counters: Counters
    tidings: Tidings
    choices: Choices

    @property
    def rows(self) -> tuple[ConferenceCard, ...]:
        return tuple(item.card for item in self.items if isinstance(item, Row))


def board(user: User, *, window: Window, now: datetime) -> Board:
    """Return the floor for one viewer."""
    floor.refresh(now=now)
    scope = Scope.of(rights_book(user))
    told = tidings(now=now)
    return Board(
        version=floor.version,
        window=window,
        items=items(scope, window=window),
        paging=paging(scope, window=window, last_event_at=told.last_event_at, now=now),
        counters=counters(scope, now=now),
        tidings=told,
        choices=choices(scope, now=now),
    )


def items(scope: Scope, *, window: Window) -> tuple[Item, ...]:
    """Return a window's rows in order, with headings where they are grouped."""
    entries = floor.entries(scope, window)
    if not window.by_agent:
        return tuple(_row(entry, scope) for entry in entries)
    return tuple(_grouped(entries, scope))


def paging(scope: Scope, *, window: Window, last_event_at: datetime | None, now: datetime) -> Paging:
    """Say where the window lies."""
    total = floor.total(scope, window, now=now)
    first = (window.page - 1) * WINDOW_SIZE + 1
    return Paging(
        total=total,
        first=min(first, total),
        last=min(first + WINDOW_SIZE - 1, total),
        page=window.page,
        pages=max(1, -(-total // WINDOW_SIZE)),
        last_event_at=None if total else last_event_at,
    )


def counters(scope: Scope, *, now: datetime) -> Counters:
    """Count over everything in scope, not only over the window."""
    figures = floor.figures(scope, now=now)
    tally = figures.tally
    return Counters(
        live=tally.live,
        agents=len(tally.agents),
        longest_since=figures.longest_since,
        waiting=len(figures.waiting),
        waiting_since=min(figures.waiting, default=None),
        needs=tally.flags[NEEDS],
        supervised=tally.supervised,
        flags=tuple(FlagCount(flag.value, label_of(flag), tally.flags[flag]) for flag in Flag),
    )


def choices(scope: Scope, *, now: datetime) -> Choices:
    """Return what can be filtered by."""
    tally = floor.figures(scope, now=now).tally
    # A conference of two teams is seen by both, but each filters only by what is theirs.
    teams = [(name, str(pk)) for pk, name in tally.teams if scope.everywhere or pk in scope.teams]
    queues = [(name, value) for value, name in tally.queues]
    return Choices(
        teams=tuple(Choice(value, label) for label, value in sorted(teams)),
        queues=tuple(Choice(value, label) for label, value in sorted(queues)),
        flags=tuple(Choice(flag.value, label_of(flag)) for flag in Flag),
    )


def tidings(*, now: datetime) -> Tidings:
    """Say when the last webhook was ingested, and whether bridged calls were seen a moment ago."""
    return Tidings(
        last_event_at=current().ingested_at,
        bridged_seen=Account.objects.filter(bridged_call_seen_at__gt=now - BRIDGED_IS_RECENT).exists(),
    )


def ingest_lag(
    *, now: datetime, polled: Collection[int] = (), begun: Mapping[int, datetime] = MappingProxyType({})
) -> timedelta | None:
    """Return how late webhooks come in, by the middle one of the last five; None on a quiet floor.

    Accounts that are polled have no say: what Telnyx posts all the same is not what their board lives from. Nor has
    what happened before an account's own beginning: nothing was shown then that could be old.
    """
    last = WebhookEvent.objects.filter(received_at__gt=now - LAG_IS_RECENT).order_by("-received_at")
    if polled:
        last = last.exclude(account_id__in=polled)
    for account, beginning in begun.items():
        last = last.exclude(account_id=account, occurred_at__lt=beginning)
    lags = sorted(received - occurred for received, occurred in last.values_list("received_at", "occurred_at")[:5])
    return max(timedelta(0), lags[len(lags) // 2]) if lags else None


def _row(entry: Entry, scope: Scope) -> Row:
    return Row(card=entry.card, may_monitor=scope.may_monitor(entry.card.team_ids))


def _grouped(entries: Sequence[Entry], scope: Scope) -> Iterator[Item]:
    above: Heading | None = None
    for entry in entries:
        agent = entry.record.agent_ids[0] if entry.record.agent_ids else 0
        heading = Heading(agent, entry.card.agents[0] if entry.card.agents else "")
        if heading != above:
            yield heading
        above = heading
        yield _row(entry, scope)
