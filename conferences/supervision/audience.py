"""Who is in a conference: what a click is checked against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from conferences.models import Conference, Leg

STAYS = """
    SELECT stay.leg_id, leg.party, agent.team_id, stay.present
    FROM conferences_participant stay
    JOIN conferences_leg leg ON leg.id = stay.leg_id
    LEFT JOIN conferences_agent agent ON agent.id = leg.agent_id
    WHERE stay.conference_id = %s
"""


@dataclass(frozen=True, slots=True)
class Stay:
    """A leg that is or was in a conference, and the team of its agent."""

    leg_id: UUID
    party: str
    team_id: int | None
    present: bool


def stays_in(conference: Conference) -> list[Stay]:
    """Read everybody who was ever in a conference, by one statement: a click waits for it."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(STAYS, [conference.pk.hex if is_sqlite else conference.pk])
        rows = cursor.fetchall()
    return [
        Stay(UUID(leg_id) if is_sqlite else leg_id, party, team_id, bool(present))
        for leg_id, party, team_id, present in rows
    ]


def audience_among(stays: Iterable[Stay]) -> set[str]:
    """Return the ids of the legs that are present, supervisors apart."""
    return {str(stay.leg_id) for stay in stays if stay.present and stay.party != Leg.Party.SUPERVISOR}


def audience_of(conference: Conference) -> set[str]:
    """Return the ids of the legs in a conference, supervisors apart."""
    return audience_among(stays_in(conference))
