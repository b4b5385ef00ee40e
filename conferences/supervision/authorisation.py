"""Decides what a supervisor may do in a conference now: rights, targets, and current participants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from django.utils.translation import gettext as _

from conferences.clients import client_for
from conferences.models import Conference, Leg
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.projection.listings import note_participants
from conferences.protections import why_protected
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.reads import is_conference_id

from .commands import clock
from .errors import Refused, not_allowed
from .outbound import target_call_control_ids
from .readback import READ_PATIENCE

LEGS = """
    SELECT participant.leg_id, leg.party, agent.team_id, participant.present,
        EXISTS (SELECT 1 FROM conferences_protection)
    FROM conferences_participant participant
    JOIN conferences_leg leg ON leg.id = participant.leg_id
    LEFT JOIN conferences_agent agent ON agent.id = leg.agent_id
    WHERE participant.conference_id = %s
"""


def authorise(*, user: User, conference: Conference, role: Role, listeners: Sequence[UUID]) -> list[PresentLeg]:
    """Return who was and is in the conference; raise Refused for what this person may not do.

    Called in the transaction that stores the intention.
    """
    if conference.ended_at is not None:
        raise Refused(_("This call has ended."))
    if not is_conference_id(conference.telnyx_id):
        raise Refused(_("Telnyx lets nobody into this call. Ask an admin."))
    if conference.account.monitor_harms_call:
        raise Refused(
            _("Listening cuts the sound between customer and agent on this account, so Floorline does not join.")
        )
    book, legs = rights_book(user), legs_in(conference)
    teams = teams_of(conference, (leg.team_id for leg in legs))
    if not book.scope.sees(teams) or not book.in_teams(teams).allow(role):
        raise Refused(not_allowed(role))
    # Most floors protect nothing, and a click asks the database for nothing that it need not know.
    if (not legs or legs[0].something_is_protected) and (protected := why_protected(conference.pk)):
        raise Refused(protected)
    if role == Role.WHISPER:
        _check_listeners(legs, listeners)
    return legs


def _check_listeners(legs: Iterable[PresentLeg], listeners: Sequence[UUID]) -> None:
    if not listeners:
        raise Refused(_("Pick an agent first."))
    parties = {leg.leg_id: leg.party for leg in legs if leg.present}
    for listener in listeners:
        if listener not in parties:
            raise Refused(_("Someone you picked has left the call. Pick again."))
        if parties[listener] != Leg.Party.AGENT:
            raise Refused(_("You can whisper only to agents, not to a customer or an unknown caller."))


@dataclass(frozen=True, slots=True)
class PresentLeg:
    """A leg that is or was in a conference, and the team of its agent."""

    leg_id: UUID
    party: str
    team_id: int | None
    present: bool
    something_is_protected: bool
    """Whether anything anywhere is: only then it is asked whether this conference is."""


def legs_in(conference: Conference) -> list[PresentLeg]:
    """Read everybody who was ever in a conference, by one statement: a click waits for it."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(LEGS, [conference.pk.hex if is_sqlite else conference.pk])
        rows = cursor.fetchall()
    return [
        PresentLeg(UUID(leg_id) if is_sqlite else leg_id, party, team_id, bool(present), bool(protects))
        for leg_id, party, team_id, present, protects in rows
    ]


def audience_among(legs: Iterable[PresentLeg]) -> set[str]:
    """Return the ids of the legs that are present, supervisors apart."""
    return {str(leg.leg_id) for leg in legs if leg.present and leg.party != Leg.Party.SUPERVISOR}


def audience_of(conference: Conference) -> set[str]:
    """Return the ids of the legs in a conference, supervisors apart."""
    return audience_among(legs_in(conference))


def needs_reading(conference: Conference, *, role: Role, now: datetime) -> bool:
    """Return whether what the board knows of a conference is too old for a role that somebody would hear."""
    return role in Role.audible_to_somebody() and not conference.account.is_live(now=now)


def read_afresh(conference: Conference, *, listeners: Sequence[UUID]) -> None:
    """Read the participants from Telnyx onto the board; raise Refused without an answer, or if a target has left.

    Whoever came is on the board at once, and whoever is named as having left is not; the audience is compared after
    that. A participant that the reading does not name stays on the board until a second look, but is no target.
    """
    at = clock()
    try:
        reads = client_for(conference.account).participants(
            conference.telnyx_id, with_left=True, patience=READ_PATIENCE
        )
    except (Rejected, Unanswered) as error:
        raise Refused(_("Floorline cannot check who is on this call right now. Try again in a moment.")) from error
    note_participants(conference=conference, reads=reads, at=at)
    inside = {read.call_control_id for read in reads if read.status != "left"}
    if not inside.issuperset(target_call_control_ids([str(pk) for pk in listeners])):
        raise Refused(_("Someone you picked has left the call. Pick again."))
