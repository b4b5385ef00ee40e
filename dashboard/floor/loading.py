"""Reads live conferences from the database as records: a constant number of queries, however many changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Exists, OuterRef

from conferences.fast_sql import Above, load_rows
from conferences.models import (
    Account,
    Agent,
    Command,
    Conference,
    Connection,
    Ear,
    Leg,
    Participant,
    Protection,
    SupervisorSession,
    Team,
    TeamRule,
    UnsteeredLine,
)
from conferences.permissions import Teams, teams_of_rule
from conferences.team_rules import Rules, marks_of_leg
from conferences.telnyx.client import LONGEST_LEG_SECONDS
from conferences.thresholds import Thresholds, strictest

from .building import Supervising, record_of, supervision_marks
from .cards import BuiltCard

BATCH = 500
LONG_AGO = datetime.min.replace(tzinfo=UTC)
LONGEST_LEG = timedelta(seconds=LONGEST_LEG_SECONDS)  # an older one that still waits has ended without a webhook


@dataclass(frozen=True, slots=True)
class LoadedFloor:
    """The result of a reading: cards of conferences by id, with the version of each."""

    records: dict[UUID, BuiltCard]
    versions: dict[UUID, int]
    sessions: dict[UUID, tuple[object, ...]]
    """The rows from which the supervisors of every conference are built."""
    ear_fingerprints: dict[int, str]
    """By user with an ear: a text that changes whenever their own part of a page does."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A leg in a queue, and the teams that answer for it."""

    since: datetime
    teams: Teams
    queue: str
    too_long_at: datetime
    """When the wait becomes too long for these teams."""
    address: str = field(repr=False)
    """The caller's whole number; shown masked."""


def read(*, after: int | None, supervised: dict[UUID, tuple[object, ...]]) -> LoadedFloor:
    """Read what changed after a version, or everything live; and those whose supervisors differ from `supervised`."""
    sessions = open_sessions()
    marks = {conference: supervision_marks(found) for conference, found in sessions.items()}
    differ = [id_ for id_ in marks.keys() | supervised.keys() if marks.get(id_) != supervised.get(id_)]
    connections, accounts, teams = connections_by_id(), accounts_by_id(), _teams_by_id()
    thresholds, protections = {pk: team.thresholds for pk, team in teams.items()}, load_rows(Protection)
    records: dict[UUID, BuiltCard] = {}
    versions: dict[UUID, int] = {}
    for conferences in _everything_live(teams) if after is None else _changed(after, differ, teams):
        participants = participants_in([conference.id for conference in conferences])
        for conference in conferences:
            versions[conference.id] = conference.version
            records[conference.id] = record_of(
                conference,
                participants=participants.get(conference.id, []),
                sessions=sessions.get(conference.id, []),
                connections=connections,
                accounts=accounts,
                protections=protections,
                thresholds=thresholds,
            )
    return LoadedFloor(
        records=records,
        versions=versions,
        sessions=marks,
        ear_fingerprints=_ear_fingerprints(
            session for found in sessions.values() for session in found if isinstance(session, SupervisorSession)
        ),
    )


def participants_in(conferences: Collection[UUID]) -> dict[UUID, list[Participant]]:
    """Return everybody who is or was in these conferences, in the order of joining.

    What was deleted between two of the questions is left out, as if it had been deleted before the first.
    """
    participants: dict[UUID, list[Participant]] = defaultdict(list)
    found = load_rows(Participant, defer=("facts", "whisper_call_control_ids"), conference_id=conferences)
    legs = {leg.pk: leg for leg in load_rows(Leg, defer=("facts",), id={participant.leg_id for participant in found})}
    wanted = {leg.agent_id for leg in legs.values() if leg.agent_id is not None}
    agents = {agent.pk: agent for agent in load_rows(Agent, id=wanted)} if wanted else {}
    teams = {team.pk: team for team in load_rows(Team, id={agent.team_id for agent in agents.values()})}
    for agent in agents.values():
        agent.team = teams[agent.team_id]
    for leg in legs.values():
        leg.agent = None if leg.agent_id is None else agents.get(leg.agent_id)
    for participant in sorted(
        found,
        key=lambda participant: (participant.joined_at is None, participant.joined_at or LONG_AGO, participant.pk),
    ):
        if participant.leg_id in legs:
            participant.leg = legs[participant.leg_id]
            participants[participant.conference_id].append(participant)
    return participants


def open_sessions(**where: Any) -> dict[UUID, list[Supervising]]:
    """Return who supervises, in the order of coming, without users who were deleted between two of the queries."""
    sessions: dict[UUID, list[Supervising]] = defaultdict(list)
    steered = load_rows(SupervisorSession, ended_at=None, **where)
    found: list[Supervising] = [*steered, *load_rows(UnsteeredLine, ended_at=None, **where)]
    users = User.objects.in_bulk({session.user_id for session in found}) if found else {}
    ears = {ear.pk: ear for ear in load_rows(Ear, id={session.ear_id for session in steered})} if steered else {}
    for session in sorted(found, key=lambda session: (session.started_at, session.pk)):
        if session.user_id not in users:
            continue
        session.user = users[session.user_id]
        if isinstance(session, SupervisorSession):
            if session.ear_id not in ears:
                continue
            session.ear = ears[session.ear_id]
        sessions[session.conference_id].append(session)
    return sessions


def connections_by_id() -> dict[tuple[int, str], Connection]:
    """Return every connection by its account and Telnyx's id."""
    return {(found.account_id, found.connection_id): found for found in Connection.objects.all()}


def accounts_by_id() -> dict[int, Account]:
    """Return every account by its key, without its secrets."""
    return {account.pk: account for account in load_rows(Account)}


def thresholds_by_team() -> dict[int, Thresholds]:
    """Return the thresholds of every team by its key."""
    return {pk: team.thresholds for pk, team in _teams_by_id().items()}


def _teams_by_id() -> dict[int, Team]:
    return {team.pk: team for team in load_rows(Team)}


def _conferences(teams: Mapping[int, Team], **which: Any) -> list[Conference]:
    found = load_rows(Conference, defer=("facts",), **which)
    for conference in found:
        conference.team = None if conference.team_id is None else teams.get(conference.team_id)
    ruled = {conference.rule_id for conference in found if conference.team_id is None} - {None}
    rules = {rule.pk: rule for rule in load_rows(TeamRule, id=ruled)} if ruled else {}
    for rule in rules.values():
        rule.team = None if rule.team_id is None else teams.get(rule.team_id)
    for conference in found:
        # Kept beside the key: a rule that was deleted a moment ago counts as none.
        Conference.rule.field.set_cached_value(conference, rules.get(conference.rule_id or 0))
    return found


def _changed(after: int, differ: list[UUID], teams: Mapping[int, Team]) -> Iterator[list[Conference]]:
    """Yield what has a newer version, and others that were named."""
    changed = _conferences(teams, version=Above(after))
    known = {conference.id for conference in changed}
    yield changed + (_conferences(teams, id=[id_ for id_ in differ if id_ not in known]) if differ else [])


def _everything_live(teams: Mapping[int, Team]) -> Iterator[list[Conference]]:
    """Yield some conferences at a time, so that reading a whole floor needs no more memory than the floor."""
    ids = list(Conference.objects.filter(ended_at=None).values_list("id", flat=True))
    for start in range(0, len(ids), BATCH):
        yield _conferences(teams, id=ids[start : start + BATCH])


def waiting(*, now: datetime) -> tuple[Waiting, ...]:
    """Return the legs that wait in queues.

    A waiting leg is in no conference yet, so its connection's team decides, and where that has none the first rule
    that matches the leg.
    """
    talking = Participant.objects.filter(leg=OuterRef("pk"), present=True)
    in_queue = {"enqueued_at__gt": now - LONGEST_LEG, "dequeued_at": None, "hung_up_at": None}
    legs = Leg.objects.filter(~Exists(talking), account__is_active=True, **in_queue)
    connections = connections_by_id()
    waiting = [(leg, connections.get((leg.account_id, leg.connection_id))) for leg in legs.defer("facts")]
    unclaimed = any(connection is None or connection.team_id is None for _leg, connection in waiting)
    rules = Rules(load_rows(TeamRule) if unclaimed else (), connections.values())
    thresholds = thresholds_by_team() if waiting else {}
    return tuple(
        _waiting(leg, leg.enqueued_at, _teams_of(leg, connection, rules), thresholds)
        for leg, connection in waiting
        if leg.enqueued_at
    )


def _waiting(leg: Leg, since: datetime, teams: Teams, thresholds: Mapping[int, Thresholds]) -> Waiting:
    too_long_at = since + strictest(teams, thresholds).waiting
    return Waiting(since=since, teams=teams, queue=leg.queue, too_long_at=too_long_at, address=leg.far_end)


def _teams_of(leg: Leg, connection: Connection | None, rules: Rules) -> Teams:
    if connection is not None and connection.team_id is not None:
        return frozenset({connection.team_id})
    return teams_of_rule(rules.first(marks_of_leg(leg)))


def _ear_fingerprints(sessions: Iterable[SupervisorSession]) -> dict[int, str]:
    """Return a text of everything that the top bar and the desk say of a supervisor's own ear."""
    by_user: dict[int, list[object]] = {}
    for ear in sorted(load_rows(Ear, ended_at=None), key=lambda ear: ear.pk):
        by_user.setdefault(ear.user_id, []).append(_columns(ear))
    open_ones = {session.pk: session for session in sessions}
    commands = Command.objects.filter(session__in=open_ones).order_by("asked_at", "pk") if open_ones else ()
    for session in open_ones.values():
        by_user.setdefault(session.user_id, []).append(_columns(session))
    for command in commands:
        if command.session_id:
            by_user.setdefault(open_ones[command.session_id].user_id, []).append(_columns(command))
    return {user: repr(rows) for user, rows in by_user.items()}


def _columns(row: models.Model) -> list[object]:
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]
