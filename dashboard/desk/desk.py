"""Builds the desk: one conference as one viewer may see it, with its audience and its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User

from conferences import names
from conferences.fast_sql import load_rows
from conferences.models import Command, Conference, Ear, Leg, Participant, Protection, SupervisorSession
from conferences.permissions import rights_book, visible_to
from conferences.projection import evidence
from conferences.projection.registers import HOLDS
from dashboard.floor.building import record_of, shares, teams_in, with_reasons
from dashboard.floor.cards import ConferenceCard, Seen, Supervision, translated
from dashboard.floor.loading import connections_by_id, open_sessions, participants_in, thresholds_by_team

from .audience import HearingPicture, Hears, Listener, audience_elsewhere, audience_here, hears
from .buttons import RoleButton, role_buttons, stay_button
from .claim import Step
from .command_status import has_no_effect, is_still_told
from .ear import MyEar, called, my_ear, read_ear_rows
from .legs import LegRow, confirmed, leg_rows
from .notes import NoteLine, notes_on
from .speech import SpeechStrip, speech_strip
from .timeline import TimelineEntry, called_in, timeline


@dataclass(frozen=True, slots=True)
class Desk:
    """One conference, complete for one viewer."""

    card: ConferenceCard
    confirmed: Seen | None
    """The answer of Telnyx' newest listing about this conference; None before the first."""
    legs: tuple[LegRow, ...]
    present: tuple[UUID, ...]
    """The legs that the page shows as present, supervisors apart; sent back with every role as its audience."""
    audience: HearingPicture
    roles: tuple[RoleButton, ...]
    stay: RoleButton
    ear: MyEar
    mine: bool
    others: tuple[Supervision, ...]
    """The other supervisors of the call."""
    left: Seen | None
    """Why the viewer's line is not here any more, or never came."""
    notes: tuple[NoteLine, ...]
    may_note: bool
    speech: SpeechStrip | None
    timeline: tuple[TimelineEntry, ...]
    has_record: bool
    """Whether the viewer may look the conference up in the admin."""


def desk(user: User, *, conference_id: UUID, now: datetime) -> Desk | None:
    """Read one conference for one viewer; None where it is not theirs to see."""
    conference = visible_to(user).select_related("team", "account", "rule__team").filter(id=conference_id).first()
    if conference is None:
        return None
    participants = _with_facts(participants_in([conference.id]).get(conference.id, []))
    sessions = open_sessions(conference_id=[conference.id]).get(conference.id, [])
    book = rights_book(user)
    rights = book.in_teams(teams_in(conference, participants))
    rows = read_ear_rows(user, now=now)
    session = rows.session if rows.session and rows.session.conference_id == conference.id else None
    my_leg = rows.ear.call_control_id if rows.ear else ""
    present = [
        participant for participant in participants if participant.present and participant.leg.call_control_id != my_leg
    ]
    record = record_of(
        conference,
        participants=participants,
        sessions=sessions,
        connections=connections_by_id(),
        accounts={conference.account_id: conference.account},
        protections=load_rows(Protection),
        thresholds=thresholds_by_team(),
    )
    card = translated(with_reasons(record, now=now)[0])
    ear, notes, full_names = my_ear(user, rows, book=book, now=now), notes_on(conference), called_in(participants)
    chosen = frozenset(ear.claim.targets if session else ())
    listed = present if conference.ended_at is None else _each_leg(participants)
    talk = shares(conference, listed, participants, now=now)
    legs = leg_rows(listed, conference, chosen, sessions, talk, numbers=rights.numbers)
    pressed = ear.claim if session and ear.claim.step in {Step.JOINING, Step.INSIDE} else None
    return Desk(
        card=card,
        confirmed=confirmed(conference.read_at, evidence.of_conference(conference)),
        legs=tuple(legs),
        present=tuple(participant.leg_id for participant in present if participant.leg.party != Leg.Party.SUPERVISOR),
        audience=_audience(participants, present, ear, mine=session is not None),
        roles=role_buttons(rights, present, pressed, conference, protected=card.why_protected),
        stay=stay_button(rights, present, pressed),
        ear=ear,
        mine=session is not None,
        others=tuple(
            other for other in translated(record.card).supervisors if other.user_id != user.pk or not other.steered
        ),
        left=None if session else _left(user, conference, now=now),
        notes=notes,
        may_note=rights.notes,
        speech=speech_strip(conference, participants, full_names),
        timeline=timeline(conference, participants, full_names, notes),
        has_record=user.is_staff and user.has_perm("conferences.view_conference"),
    )


def ear_and_desk(user: User, *, conference_id: UUID | None, now: datetime) -> tuple[MyEar, Desk | None]:
    """Read what is a viewer's own on a page: their ear, and the desk where a conference is open that is theirs to see.

    Both come of one reading, so that they never say two things.
    """
    shown = desk(user, conference_id=conference_id, now=now) if conference_id else None
    return (shown.ear if shown else my_ear(user, now=now)), shown


def _one_for_each_agent(others: Sequence[Participant], listeners: Sequence[Listener]) -> list[Listener]:
    """Return one listener for an agent who is there on two legs, their old and their new one."""
    kept: dict[object, Listener] = {}
    for participant, listener in zip(others, listeners, strict=True):
        person = participant.leg.agent_id or participant.leg_id
        other = kept.get(person, listener)
        hears_most = max(listener.hears, other.hears, key=list(Hears).index)
        kept[person] = replace(listener, hears=hears_most, on_hold=listener.on_hold and other.on_hold)
    return list(kept.values())


def _left(user: User, conference: Conference, *, now: datetime) -> Seen | None:
    """Return why the viewer's line left or never came, until they connect or listen anew.

    A refusal describes one moment ("too many calls at once"), so it is shown only for a while.
    """
    ended = SupervisorSession.objects.filter(user=user, conference=conference, stage=SupervisorSession.Stage.ENDED)
    last = ended.order_by("-ended_at").first()
    if last is None or last.ended_at is None or not last.end_reason or _began_anew(user, since=last.ended_at):
        return None
    newest = Command.objects.filter(ear=last.ear_id).newest() if last.inside_at is None else None
    if newest is not None and has_no_effect(newest) and not is_still_told(newest, now=now):
        return None
    return Seen(names.plain(last.end_reason, limit=200), last.ended_at)


def _began_anew(user: User, *, since: datetime) -> bool:
    sessions = SupervisorSession.objects.filter(user=user, started_at__gt=since)
    return sessions.exists() or Ear.objects.filter(user=user, created_at__gt=since).exists()


def _each_leg(participants: list[Participant]) -> list[Participant]:
    return [participant for participant in participants if participant.leg.party != Leg.Party.SUPERVISOR]


def _with_facts(participants: list[Participant]) -> list[Participant]:
    """Load the registers of one conference's participants in one query; the floor does not need them.

    Of their legs' registers only the holds.
    """
    rows = Participant.objects.filter(pk__in=[participant.pk for participant in participants])
    facts = {pk: (own, holds) for pk, own, holds in rows.values_list("pk", "facts", f"leg__facts__{HOLDS}")}
    for participant in participants:
        participant.facts, holds = facts.get(participant.pk, ({}, None))
        participant.leg.facts = {HOLDS: holds} if holds else {}
    return participants


def _audience(participants: list[Participant], present: list[Participant], ear: MyEar, *, mine: bool) -> HearingPicture:
    others = [participant for participant in present if participant.leg.party != Leg.Party.SUPERVISOR]
    called_here = called(others)
    listeners = [
        Listener(
            name=names.leg_name(participant.leg),
            called=called_here[str(participant.leg_id)],
            customer=participant.leg.party != Leg.Party.AGENT,
            unknown=participant.leg.party == Leg.Party.UNKNOWN,
            hears=hears(ear.claim, str(participant.leg_id)) if mine else Hears.NO,
            on_hold=bool(participant.on_hold),
        )
        for participant in others
    ]
    listeners = _one_for_each_agent(others, listeners)
    if not mine:
        return audience_elsewhere(ear, listeners)
    gone = {
        str(participant.leg_id): names.leg_name(participant.leg)
        for participant in participants
        if str(participant.leg_id) in ear.claim.targets and str(participant.leg_id) not in called_here
    }
    return audience_here(ear.claim, listeners, gone=list(gone.values()))
