"""Reads live conferences from the database as records: a constant number of queries, however many changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef

from conferences.models import Command, Conference, Connection, Ear, Leg, Participant, SupervisorSession, Team
from conferences.rows import Above, load_rows

from .cards import Record, connections_by_id, open_sessions, record_of, stays_in, supervision_marks

BATCH = 500
LONGEST_LEG = timedelta(hours=4)  # Telnyx ends every leg by then, so an older one that waits is a ghost.


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: records of conferences by id, with the version of each."""

    records: dict[UUID, Record]
    versions: dict[UUID, int]
    sessions: dict[UUID, tuple[object, ...]]
    """What the supervisors of every conference follow from."""
    standings: dict[int, str]
    """A mark per user with an ear: it changes whenever their own part of a page does."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A leg in a queue, and the team that answers for it."""

    since: datetime
    team: int | None


def read(*, after: int | None, supervised: dict[UUID, tuple[object, ...]]) -> Reading:
    """Read what changed after a version, or everything live; and those whose supervisors differ from `supervised`."""
    sessions = open_sessions()
    marks = {conference: supervision_marks(found) for conference, found in sessions.items()}
    differ = [id_ for id_ in marks.keys() | supervised.keys() if marks.get(id_) != supervised.get(id_)]
    connections = connections_by_id()
    records: dict[UUID, Record] = {}
    versions: dict[UUID, int] = {}
    for conferences in _everything_live() if after is None else _changed(after, differ):
        stays = stays_in([conference.id for conference in conferences])
        for conference in conferences:
            versions[conference.id] = conference.version
            records[conference.id] = record_of(
                conference,
                stays=stays.get(conference.id, []),
                sessions=sessions.get(conference.id, []),
                connections=connections,
            )
    return Reading(
        records=records,
        versions=versions,
        sessions=marks,
        standings=_standings(session for found in sessions.values() for session in found),
    )


def _conferences(**which: Any) -> list[Conference]:
    found = load_rows(Conference, defer=("facts",), **which)
    teams = {team.pk: team for team in load_rows(Team)}
    for conference in found:
        conference.team = None if conference.team_id is None else teams.get(conference.team_id)
    return found


def _changed(after: int, differ: list[UUID]) -> Iterator[list[Conference]]:
    """Yield what has a newer version, and others that were named."""
    changed = _conferences(version=Above(after))
    known = {conference.id for conference in changed}
    yield changed + (_conferences(id=[id_ for id_ in differ if id_ not in known]) if differ else [])


def _everything_live() -> Iterator[list[Conference]]:
    """Yield some conferences at a time, so that reading a whole floor needs no more memory than the floor."""
    ids = list(Conference.objects.filter(ended_at=None).values_list("id", flat=True))
    for start in range(0, len(ids), BATCH):
        yield _conferences(id=ids[start : start + BATCH])


def waiting(*, now: datetime) -> tuple[Waiting, ...]:
    """Return the legs that wait in queues.

    A waiting leg is in no conference yet, so its connection's team decides; a connection of no team is everybody's
    who is in a team at all.
    """
    talking = Participant.objects.filter(leg=OuterRef("pk"), present=True)
    legs = Leg.objects.filter(~Exists(talking), enqueued_at__gt=now - LONGEST_LEG, dequeued_at=None, hung_up_at=None)
    teams = {(found.account_id, found.connection_id): found.team_id for found in Connection.objects.all()}
    return tuple(
        Waiting(since=since, team=teams.get((account, connection)))
        for since, account, connection in legs.values_list("enqueued_at", "account", "connection_id")
        if since
    )


def _standings(sessions: Iterable[SupervisorSession]) -> dict[int, str]:
    """Return a mark of everything that the top bar and the desk say of a supervisor's own ear."""
    own: dict[int, list[object]] = {}
    for ear in sorted(load_rows(Ear, ended_at=None), key=lambda ear: ear.pk):
        own.setdefault(ear.user_id, []).append(_columns(ear))
    open_ones = {session.pk: session for session in sessions}
    commands = Command.objects.filter(session__in=open_ones).order_by("asked_at", "pk") if open_ones else ()
    for session in open_ones.values():
        own.setdefault(session.user_id, []).append(_columns(session))
    for command in commands:
        if command.session_id:
            own.setdefault(open_ones[command.session_id].user_id, []).append(_columns(command))
    return {user: repr(rows) for user, rows in own.items()}


def _columns(row: models.Model) -> list[object]:
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]
