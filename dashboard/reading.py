"""Reads live conferences from the database as records: a constant number of queries, however many changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from conferences.models import Command, Conference, Connection, Ear, Leg, Participant, SupervisorSession

from .cards import Record, connections_by_id, open_sessions, record_of, stays_in, supervision_marks

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
    sessions = open_sessions(Q())
    marks = {conference: supervision_marks(found) for conference, found in sessions.items()}
    differ = [id_ for id_ in marks.keys() | supervised.keys() if marks.get(id_) != supervised.get(id_)]
    connections = connections_by_id()
    live, of_live = Q(ended_at=None), Q(conference__ended_at=None)
    if after is not None:
        live = Q(version__gt=after) | Q(id__in=differ)
        of_live = Q(conference__version__gt=after) | Q(conference__in=differ)
    conferences = list(Conference.objects.filter(live).select_related("team").defer("facts"))
    stays = stays_in(of_live)
    return Reading(
        records={
            conference.id: record_of(
                conference,
                stays=stays.get(conference.id, []),
                sessions=sessions.get(conference.id, []),
                connections=connections,
            )
            for conference in conferences
        },
        versions={conference.id: conference.version for conference in conferences},
        sessions=marks,
        standings=_standings(session for found in sessions.values() for session in found),
    )


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
    open_ones = {session.pk: session.user_id for session in sessions}
    for ear in Ear.objects.filter(ended_at=None).values():
        own.setdefault(ear["user_id"], []).append(sorted(ear.items(), key=lambda item: item[0]))
    for row in SupervisorSession.objects.filter(pk__in=open_ones).order_by("pk").values():
        own.setdefault(row["user_id"], []).append(sorted(row.items(), key=lambda item: item[0]))
    for command in Command.objects.filter(session__in=open_ones).order_by("asked_at", "pk").values():
        user = open_ones[command["session_id"]]
        own.setdefault(user, []).append(sorted(command.items(), key=lambda item: item[0]))
    return {user: repr(rows) for user, rows in own.items()}
