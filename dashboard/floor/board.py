"""Builds the board for one viewer: a window of cards, the counters above them, and notices.

Everything comes from the live floor, shared by all viewers of the same scope; the database is asked a constant number
of times, and most often only for its version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.contrib.auth.models import User

from conferences.permissions import NOWHERE, RightsScope, rights_book

from .cards import ConferenceCard
from .health import FloorNotices, floor_notices
from .live import floor
from .queues import WaitingQueue, waiting_queues
from .reasons import Flag, label_of
from .sorting import Entry
from .window import NEEDS, WINDOW_SIZE, Window


@dataclass(frozen=True, slots=True)
class Counters:
    """The line of figures above the floor, over everything the viewer may see."""

    live: int
    agents: int
    longest_since: datetime | None
    waiting: int
    waiting_since: datetime | None
    waiting_too_long: bool
    """Whether somebody waits for longer than the thresholds of their teams allow."""
    needs: int
    supervised: int


@dataclass(frozen=True, slots=True)
class FilterOption:
    """Something to filter by."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The values to filter by: only those that conferences in scope have."""

    teams: tuple[FilterOption, ...]
    queues: tuple[FilterOption, ...]
    flags: tuple[FilterOption, ...]

    @property
    def values(self) -> frozenset[FilterOption]:
        return frozenset(self.teams + self.queues)


@dataclass(frozen=True, slots=True)
class Paging:
    """The place of the window among the matching conferences."""

    total: int
    first: int
    last: int
    page: int
    pages: int
    last_event_at: datetime | None = None
    """Only on an empty floor, where it is the first question."""
    without_team: bool = False
    """Whether the viewer sees no call because they are in no team."""

    @property
    def previous(self) -> int:
        return self.page - 1

    @property
    def next(self) -> int:
        return self.page + 1


@dataclass(frozen=True, slots=True)
class Heading:
    """The agent under whose name the next rows stand."""

    agent_id: int
    name: str
    calls: int
    """The number of calls in scope that this agent is in, also those that a filter leaves out."""

    @property
    def dom_id(self) -> str:
        return f"group-{self.agent_id}"


@dataclass(frozen=True, slots=True)
class Repetition:
    """A call that stands as a row under another of its agents: here it is only named."""

    agent_id: int
    card: ConferenceCard

    @property
    def others(self) -> tuple[str, ...]:
        """The first of its agents, under whom its row stands."""
        return self.card.agents[:1]

    @property
    def dom_id(self) -> str:
        return f"also-{self.agent_id}-{self.card.id}"


@dataclass(frozen=True, slots=True)
class Row:
    """A card, and what this scope may do with it."""

    card: ConferenceCard
    may_monitor: bool

    @property
    def dom_id(self) -> str:
        return f"conference-{self.card.id}"


Item = Heading | Row | Repetition


@dataclass(frozen=True, slots=True)
class HeaderFigures:
    """The figures above and below a window's rows."""

    counters: Counters
    choices: Choices
    paging: Paging
    notices: FloorNotices
    queues: tuple[WaitingQueue, ...] = ()
    """The queues in which somebody waits, where the window lists them."""


@dataclass(frozen=True, slots=True)
class Board:
    """The floor, complete for one page."""

    version: int
    window: Window
    items: tuple[Item, ...]
    header: HeaderFigures

    @property
    def rows(self) -> tuple[ConferenceCard, ...]:
        return tuple(item.card for item in self.items if isinstance(item, Row))


def board(user: User, *, window: Window, now: datetime) -> Board:
    """Return the floor for one viewer."""
    floor.refresh(now=now)
    scope = rights_book(user).scope
    return Board(
        version=floor.version,
        window=window,
        items=items(scope, window=window),
        header=header(scope, window=window, notices=floor_notices(now=now), now=now),
    )


def items(scope: RightsScope, *, window: Window) -> tuple[Item, ...]:
    """Return a window's rows in order, with headings where they are grouped."""
    entries = floor.entries(scope, window)
    if not window.by_agent:
        return tuple(_row(entry, scope) for entry in entries)
    return tuple(_grouped(entries, scope))


def header(scope: RightsScope, *, window: Window, notices: FloorNotices, now: datetime) -> HeaderFigures:
    """Return what stands above and below a window's rows."""
    return HeaderFigures(
        counters=counters(scope, now=now),
        choices=_choices(scope, now=now),
        paging=_paging(scope, window=window, last_event_at=notices.last_event_at, now=now),
        notices=notices,
        queues=waiting_queues(floor.figures(scope, now=now).waiting, now=now) if window.waiting else (),
    )


def _paging(scope: RightsScope, *, window: Window, last_event_at: datetime | None, now: datetime) -> Paging:
    """Return where the window lies."""
    total = floor.total(scope, window, now=now)
    first = (window.page - 1) * WINDOW_SIZE + 1
    return Paging(
        total=total,
        first=min(first, total),
        last=min(first + WINDOW_SIZE - 1, total),
        page=window.page,
        pages=max(1, -(-total // WINDOW_SIZE)),
        last_event_at=None if total else last_event_at,
        without_team=scope.seen == NOWHERE,
    )


def counters(scope: RightsScope, *, now: datetime) -> Counters:
    """Count over everything in scope, not only over the window."""
    figures = floor.figures(scope, now=now)
    tally = figures.tally
    return Counters(
        live=tally.live,
        agents=len(tally.agents),
        longest_since=figures.longest_since,
        waiting=len(figures.waiting),
        waiting_since=min((leg.since for leg in figures.waiting), default=None),
        waiting_too_long=any(leg.too_long_at <= now for leg in figures.waiting),
        needs=tally.flags[NEEDS],
        supervised=tally.supervised,
    )


def _choices(scope: RightsScope, *, now: datetime) -> Choices:
    """Return what can be filtered by."""
    tally = floor.figures(scope, now=now).tally
    # A conference of two teams is seen by both, but each filters only by what is theirs.
    teams = [(name, str(pk)) for pk, name in tally.teams if scope.sees(frozenset({pk}))]
    queues = [(name, value) for value, name in tally.queues]
    return Choices(
        teams=tuple(FilterOption(value, label) for label, value in sorted(teams)),
        queues=tuple(FilterOption(value, label) for label, value in sorted(queues)),
        flags=tuple(FilterOption(flag.value, label_of(flag)) for flag in Flag),
    )


def _row(entry: Entry, scope: RightsScope) -> Row:
    return Row(card=entry.card, may_monitor=scope.may_monitor(entry.card.team_ids))


def _grouped(entries: Sequence[Entry], scope: RightsScope) -> Iterator[Item]:
    for agent_id, calls in groupby(entries, key=lambda entry: entry.agent_id):
        shown = list(calls)
        yield Heading(agent_id, shown[0].agent_name, floor.calls_of(scope, agent_id))
        for entry in shown:
            yield Repetition(agent_id, entry.card) if entry.repeats else _row(entry, scope)
