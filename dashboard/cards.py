"""A conference as one row of the floor: frozen values, finished for the template.

A card holds nothing that depends on the moment or on the person who looks, except the right that was decided here:
equal cards render to equal bytes, and "is this card still what was sent?" is `==`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from conferences.models import Conference, Leg, Participant, SupervisorSession
from conferences.permissions import RightsBook

from . import names


@dataclass(frozen=True, slots=True)
class Seen:
    """Something last read from Telnyx, with the time of the reading."""

    text: str
    at: datetime | None
    name: str = ""
    """Whom it was seen of, where that is not said beside it."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """Somebody's ear in a conference."""

    user_id: int
    name: str
    role: str
    role_label: str
    targets: tuple[str, ...]
    inside: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who was named last as speaking; Telnyx never says that nobody does."""

    name: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class ConferenceCard:
    """One row of the floor, and the head of the desk."""

    id: UUID
    version: int
    name: str
    teams: tuple[str, ...]
    agents: tuple[str, ...]
    customers: tuple[str, ...]
    unknown: int
    started_at: datetime | None
    ended_at: datetime | None
    confirmed_at: datetime | None
    speaker: Speaker | None
    holds: tuple[Seen, ...]
    supervisors: tuple[Supervision, ...]
    may_monitor: bool

    @property
    def supervisor_ids(self) -> frozenset[int]:
        return frozenset(supervision.user_id for supervision in self.supervisors)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says about some conferences, read in two queries however many there are."""

    stays: dict[UUID, list[Participant]]
    sessions: dict[UUID, list[SupervisorSession]]


def facts_about(conferences: Iterable[UUID], *, everyone: bool = False) -> Facts:
    """Read who is in these conferences and who supervises them; `everyone` includes those who left."""
    ids = list(conferences)
    stays: dict[UUID, list[Participant]] = defaultdict(list)
    wanted = Q() if everyone else Q(present=True) | Q(leg__agent__isnull=False)
    for stay in (
        Participant.objects.filter(wanted, conference__in=ids)
        .select_related("leg__agent__team")
        .defer("facts", "leg__facts")
        .order_by("joined_at", "id")
    ):
        stays[stay.conference_id].append(stay)
    sessions: dict[UUID, list[SupervisorSession]] = defaultdict(list)
    for session in (
        SupervisorSession.objects.filter(conference__in=ids, ended_at=None)
        .select_related("user", "ear")
        .order_by("started_at", "id")
    ):
        sessions[session.conference_id].append(session)
    return Facts(stays=stays, sessions=sessions)


def cards_of(
    conferences: Sequence[Conference], *, book: RightsBook, facts: Facts | None = None
) -> list[ConferenceCard]:
    """Build the cards of conferences that were already found visible."""
    facts = facts or facts_about(conference.id for conference in conferences)
    return [
        _card(conference, facts.stays.get(conference.id, []), facts.sessions.get(conference.id, []), book)
        for conference in conferences
    ]


def teams_in(conference: Conference, stays: Iterable[Participant]) -> dict[int, str]:
    """Return the teams a conference belongs to, by id: its connection's, and those of the agents who were in it."""
    teams = {conference.team.pk: conference.team.name} if conference.team else {}
    teams.update({stay.leg.agent.team_id: stay.leg.agent.team.name for stay in stays if stay.leg.agent})
    return teams


def leg_name(leg: Leg) -> str:
    """Return what a leg is called on the screen."""
    if leg.agent:
        return names.plain(leg.agent.name)
    return names.outside_number(leg)


def speaker_of(conference: Conference, present: Iterable[Participant]) -> Speaker | None:
    """Return who speaks, as long as that leg is still in the conference."""
    if not conference.speaker_call_control_id or conference.ended_at:
        return None
    for stay in present:
        if stay.leg.call_control_id == conference.speaker_call_control_id:
            return Speaker(name=_short_name(stay.leg), since=conference.speaker_since)
    return None


def held(stay: Participant) -> Seen | None:
    """Return that a leg is on hold, as last seen."""
    if stay.on_hold:
        return Seen(_("on hold"), stay.read_at)
    if stay.leg.phone_held_since:
        return Seen(_("phone hold"), stay.leg.phone_held_since)
    return None


def supervisions(sessions: Iterable[SupervisorSession], stays: Iterable[Participant]) -> tuple[Supervision, ...]:
    """Return who supervises a conference and in which role."""
    called = {str(stay.leg_id): leg_name(stay.leg) for stay in stays}
    return tuple(
        Supervision(
            user_id=session.user_id,
            name=names.person(session.user),
            role=session.role,
            role_label=str(session.get_role_display()),
            targets=tuple(called[target] for target in session.targets if target in called),
            inside=session.stage == SupervisorSession.Stage.INSIDE,
        )
        for session in sessions
    )


def _card(
    conference: Conference, stays: list[Participant], sessions: list[SupervisorSession], book: RightsBook
) -> ConferenceCard:
    present = [stay for stay in stays if stay.present]
    teams = teams_in(conference, stays)
    return ConferenceCard(
        id=conference.id,
        version=conference.version,
        name=names.conference_name(conference),
        teams=tuple(names.plain(team) for team in teams.values()),
        agents=_legs_of(present, Leg.Party.AGENT),
        customers=_legs_of(present, Leg.Party.CUSTOMER),
        unknown=sum(stay.leg.party == Leg.Party.UNKNOWN for stay in present),
        started_at=conference.started_at,
        ended_at=conference.ended_at,
        confirmed_at=conference.read_at,
        speaker=speaker_of(conference, present),
        holds=tuple(seen for seen in (_named_hold(stay) for stay in present) if seen),
        supervisors=supervisions(sessions, stays),
        may_monitor=conference.ended_at is None and book.in_teams(frozenset(teams)).monitor,
    )


def _legs_of(present: Iterable[Participant], party: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(leg_name(stay.leg) for stay in present if stay.leg.party == party))


def _named_hold(stay: Participant) -> Seen | None:
    seen = held(stay)
    return seen and replace(seen, name=_short_name(stay.leg))


def _short_name(leg: Leg) -> str:
    if leg.agent:
        return leg_name(leg).split(" ")[0]
    return _("customer") if leg.party == Leg.Party.CUSTOMER else str(leg.get_party_display())
