"""A conference as one row of the floor: frozen values, finished for the template.

A card holds nothing that depends on the moment or on the person who looks: equal cards render to equal bytes, and
"is this card still what was sent?" is `==`. Its words are not translated yet; `spoken` does that for one reader.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import translation
from django.utils.translation import gettext as _

from conferences.models import Agent, Conference, Connection, Ear, Leg, Participant, SupervisorSession, Team
from conferences.rows import load_rows

from . import names
from .reasons import Clues, Reason, reasons_of, transfers, weight_of

LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
    party: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """Who held the floor how much of the newest turns that are over, in percent."""

    agent: int
    customer: int
    other: int


@dataclass(frozen=True, slots=True)
class ConferenceCard:
    """One row of the floor, and the head of the desk."""

    id: UUID
    name: str
    stand_in: str = field(repr=False)
    """The beginning of Telnyx's id, until the name is known."""
    team_ids: frozenset[int]
    teams: tuple[str, ...]
    agents: tuple[str, ...]
    customers: tuple[str, ...]
    unknown: int
    connection: str
    queue: str
    started_at: datetime | None
    ended_at: datetime | None
    speaker: Speaker | None
    share: Share | None
    holds: tuple[Seen, ...]
    supervisors: tuple[Supervision, ...]
    transfers: int
    reasons: tuple[Reason, ...] = ()

    @property
    def weight(self) -> int:
        """How much it needs somebody."""
        return weight_of(self.reasons)

    @property
    def supervisor_ids(self) -> tuple[int, ...]:
        return tuple(supervision.user_id for supervision in self.supervisors)

    @property
    def shows_a_time(self) -> bool:
        """Whether the reader's time zone makes a difference to the row."""
        return bool(self.holds)


@dataclass(frozen=True, slots=True)
class Record:
    """A card, and what is known beside it: for searching, filtering and the reasons. Never shown, never logged."""

    card: ConferenceCard
    clues: Clues
    agent_ids: tuple[int, ...]
    named_teams: Mapping[int, str]
    queues: frozenset[str]
    """As Window.queue spells them."""
    named_queues: Mapping[str, str]
    numbers: frozenset[str] = field(repr=False)
    """The customers' whole numbers in digits, with and without their country code."""
    supervisions: tuple[object, ...] = ()
    """What the card's supervisors were built from."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says about some conferences, read in a constant number of queries."""

    stays: dict[UUID, list[Participant]]
    sessions: dict[UUID, list[SupervisorSession]]


def stays_in(conferences: Collection[UUID]) -> dict[UUID, list[Participant]]:
    """Return everybody who is or was in these conferences, in the order of joining.

    What was deleted between two of the questions is left out, as if it had been deleted before the first.
    """
    stays: dict[UUID, list[Participant]] = defaultdict(list)
    found = load_rows(Participant, defer=("facts", "whisper_call_control_ids"), conference_id=conferences)
    legs = {leg.pk: leg for leg in load_rows(Leg, defer=("facts",), id={stay.leg_id for stay in found})}
    wanted = {leg.agent_id for leg in legs.values() if leg.agent_id is not None}
    agents = {agent.pk: agent for agent in load_rows(Agent, id=wanted)} if wanted else {}
    teams = {team.pk: team for team in load_rows(Team, id={agent.team_id for agent in agents.values()})}
    for agent in agents.values():
        agent.team = teams[agent.team_id]
    for leg in legs.values():
        leg.agent = None if leg.agent_id is None else agents.get(leg.agent_id)
    for stay in sorted(found, key=lambda stay: (stay.joined_at is None, stay.joined_at or LONG_AGO, stay.pk)):
        if stay.leg_id in legs:
            stay.leg = legs[stay.leg_id]
            stays[stay.conference_id].append(stay)
    return stays


def open_sessions(**where: Any) -> dict[UUID, list[SupervisorSession]]:
    """Return who supervises, in the order of coming; whoever was deleted between two of the questions does not."""
    sessions: dict[UUID, list[SupervisorSession]] = defaultdict(list)
    found = load_rows(SupervisorSession, ended_at=None, **where)
    users = User.objects.in_bulk({session.user_id for session in found}) if found else {}
    ears = {ear.pk: ear for ear in load_rows(Ear, id={session.ear_id for session in found})} if found else {}
    for session in sorted(found, key=lambda session: (session.started_at, session.pk)):
        if session.user_id in users and session.ear_id in ears:
            session.user, session.ear = users[session.user_id], ears[session.ear_id]
            sessions[session.conference_id].append(session)
    return sessions


def facts_about(conferences: Collection[UUID]) -> Facts:
    """Read who is in these conferences and who supervises them."""
    return Facts(stays=stays_in(conferences), sessions=open_sessions(conference_id=conferences))


def record_of(
    conference: Conference,
    *,
    stays: list[Participant],
    sessions: list[SupervisorSession],
    connections: Mapping[tuple[int, str], Connection],
) -> Record:
    """Build a conference's card without its reasons, which belong to a moment."""
    # Not in any reader's language: everybody shares the card.
    with translation.override(None):
        return _record(conference, stays, sessions, connections.get((conference.account_id, conference.connection_id)))


def with_reasons(record: Record, *, now: datetime) -> tuple[ConferenceCard, datetime | None]:
    """Return a record's card with its reasons at a moment, and when they change by themselves."""
    reasons, changes_at = reasons_of(record.clues, now=now)
    return replace(record.card, reasons=reasons), changes_at


def connections_by_id() -> dict[tuple[int, str], Connection]:
    """Return every connection by its account and Telnyx's id."""
    return {(found.account_id, found.connection_id): found for found in load_rows(Connection)}


def spoken(card: ConferenceCard) -> ConferenceCard:
    """Return the card in the reader's language."""
    return replace(
        card,
        name=card.name or _("Conference %(id)s") % {"id": card.stand_in},
        customers=tuple(_(customer) for customer in card.customers),
        speaker=card.speaker and replace(card.speaker, name=_(card.speaker.name)),
        holds=tuple(replace(seen, text=_(seen.text), name=_(seen.name) if seen.name else "") for seen in card.holds),
        supervisors=tuple(replace(held, role_label=_(held.role_label)) for held in card.supervisors),
    )


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


def held(stay: Participant) -> Seen | None:
    """Return that a leg is on hold, as last seen."""
    if stay.on_hold:
        return Seen(_("on hold"), stay.read_at)
    if stay.leg.phone_held_since:
        return Seen(_("phone hold"), stay.leg.phone_held_since)
    return None


def shares(talk: Mapping[str, float]) -> dict[str, int]:
    """Return each leg's percentage of the talk, by call_control_id."""
    total = sum(talk.values())
    return {leg: round(100 * seconds / total) for leg, seconds in talk.items()} if total else {}


def supervision_marks(sessions: Iterable[SupervisorSession]) -> tuple[object, ...]:
    """Return what a card's supervisors follow from, to see whether they are still the same."""
    return tuple(
        (session.user_id, names.person(session.user), session.role, tuple(session.targets), session.stage)
        for session in sessions
    )


def _record(
    conference: Conference,
    stays: list[Participant],
    sessions: list[SupervisorSession],
    connection: Connection | None,
) -> Record:
    present = [stay for stay in stays if stay.present]
    teams = teams_in(conference, stays)
    clues = _clues(conference, stays, present)
    named = names.plain(str(connection)) if connection and connection.name else ""
    waited = {stay.leg.queue for stay in stays if stay.leg.queue}
    queues = {f"q:{names.plain(queue, limit=100)}": names.plain(queue) for queue in waited}
    if connection:
        queues[f"c:{connection.pk}"] = names.plain(str(connection))
    card = ConferenceCard(
        id=conference.id,
        name=names.plain(conference.name),
        stand_in=names.plain(conference.telnyx_id, limit=8),
        team_ids=frozenset(teams),
        teams=tuple(names.plain(team) for team in teams.values()),
        agents=_legs_of(present, Leg.Party.AGENT),
        customers=_legs_of(present, Leg.Party.CUSTOMER),
        unknown=sum(stay.leg.party == Leg.Party.UNKNOWN for stay in present),
        connection=named,
        queue=names.plain(min(waited, default="")),
        started_at=conference.started_at,
        ended_at=conference.ended_at,
        speaker=_speaker(conference, present),
        share=_share(conference.talk, stays),
        holds=tuple(seen for seen in (_named_hold(stay) for stay in present) if seen),
        supervisors=_supervisions(sessions, stays),
        transfers=transfers(clues),
    )
    return Record(
        card=card,
        clues=clues,
        agent_ids=tuple(dict.fromkeys(stay.leg.agent_id for stay in present if stay.leg.agent_id)),
        named_teams={pk: names.plain(team) for pk, team in teams.items()},
        queues=frozenset(queues),
        named_queues=queues,
        numbers=frozenset(
            digits
            for stay in present
            if stay.leg.party in {Leg.Party.CUSTOMER, Leg.Party.UNKNOWN}
            for digits in names.digits_of(stay.leg)
        ),
        supervisions=supervision_marks(sessions),
    )


def _clues(conference: Conference, stays: list[Participant], present: list[Participant]) -> Clues:
    if conference.ended_at:
        return Clues()
    people = [stay for stay in present if stay.leg.party != Leg.Party.SUPERVISOR]
    agents = [stay for stay in stays if stay.leg.party == Leg.Party.AGENT]
    speaker = _speaker(conference, present)
    holds = [since for stay in people for since in (stay.held_since, stay.leg.phone_held_since) if since]
    entered = [stay.leg.agent.created_at for stay in people if stay.leg.agent]
    return Clues(
        started_at=conference.started_at,
        one_speaker_since=speaker.since if speaker and len(people) > 1 else None,
        held_since=min(holds, default=None),
        agent_legs=len(agents),
        last_agent_joined_at=max((stay.joined_at for stay in agents if stay.joined_at), default=None),
        newest_agent_since=max(entered, default=None),
    )


def _speaker(conference: Conference, present: Iterable[Participant]) -> Speaker | None:
    """Return who speaks, as long as that leg is still in the conference."""
    if not conference.speaker_call_control_id or conference.ended_at:
        return None
    for stay in present:
        if stay.leg.call_control_id == conference.speaker_call_control_id:
            return Speaker(name=_short_name(stay.leg), party=stay.leg.party, since=conference.speaker_since)
    return None


def _share(talk: Mapping[str, float], stays: Iterable[Participant]) -> Share | None:
    parties = {stay.leg.call_control_id: stay.leg.party for stay in stays}
    seconds = dict.fromkeys(("agent", "customer", "other"), 0.0)
    for leg, spoke in talk.items():
        party = parties.get(leg, "")
        seconds[party if party in {Leg.Party.AGENT, Leg.Party.CUSTOMER} else "other"] += spoke
    if not (percent := shares(seconds)):
        return None
    # Rounded parts need not make a hundred; the remainder is the largest part's.
    largest = max(percent, key=lambda party: percent[party])
    percent[largest] += 100 - sum(percent.values())
    return Share(**percent)


def _supervisions(sessions: Iterable[SupervisorSession], stays: Iterable[Participant]) -> tuple[Supervision, ...]:
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


def _legs_of(present: Iterable[Participant], party: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(leg_name(stay.leg) for stay in present if stay.leg.party == party))


def _named_hold(stay: Participant) -> Seen | None:
    seen = held(stay)
    return seen and replace(seen, name=_short_name(stay.leg))


def _short_name(leg: Leg) -> str:
    if leg.agent:
        return leg_name(leg).split(" ")[0]
    return _("customer") if leg.party == Leg.Party.CUSTOMER else str(leg.get_party_display())
