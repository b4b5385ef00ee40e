"""Builds the viewer's own line as the top bar of every page shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences import names, supervision
from conferences.fast_sql import has_rows
from conferences.models import Command, Ear, Leg, Line, Participant, SupervisorSession
from conferences.permissions import RightsBook, rights_book

from .claim import COMMANDS_READ, Claim, Step, claim_of
from .command_status import Progress, hanging_up, headline, progress_of

IN_A_CALL = (Command.Kind.JOIN, Command.Kind.UPDATE, Command.Kind.LEAVE)


class Place(StrEnum):
    """The place of the viewer's ear."""

    NO_LINE = "no-line"
    AWAY = "away"
    RINGING = "ringing"
    CONFIRMING = "confirming"
    PARKED = "parked"
    HANGING_UP = "hanging-up"
    IN_CONFERENCE = "in-conference"


@dataclass(frozen=True, slots=True)
class MyEar:
    """The state of the viewer's own line."""

    place: Place
    claim: Claim = field(default_factory=Claim)
    """The one claim from which the desk, its picture, its buttons and the row's chip are drawn."""
    line: str = ""
    conference_id: UUID | None = None
    conference_name: str = ""
    headline: str = ""
    """The role in the call, with how sure that is, in words."""
    told: str = ""
    """The words of the top bar: the headline, or how far a phone is that still rings or is being hung up."""
    hearing: tuple[str, ...] = ()
    """The names of those who hear me or may hear me, as a sentence says them."""
    inside: bool = False
    since: datetime | None = None
    progress: Progress | None = None
    notice: str = ""
    off_because: str = ""
    """Why the phone cannot be connected."""
    follows: str = ""
    follows_id: int | None = None
    follows_once: bool = False
    own_leg: str = field(default="", repr=False)
    """Never shown; another leg makes another note for `stop`."""
    session: SupervisorSession | None = field(default=None, repr=False, compare=False)

    @property
    def stop(self) -> str:
        """The sealed note by which Leave works without the database; each reading seals another one."""
        return supervision.seal(self.session) if self.session and self.own_leg else ""


@dataclass(frozen=True, slots=True)
class EarRows:
    """The rows that say where the viewer's ear is: read once, used by the top bar and by the desk."""

    session: SupervisorSession | None
    ear: Ear | None
    commands: tuple[Command, ...]
    """The session's commands, the newest first; where the line is being hung up, its hang-ups before them."""
    doubts: tuple[Command, ...]
    """Louder commands that may still be in force or be executed late."""
    people: tuple[Participant, ...]
    """The participants of the session's call, supervisors apart."""
    own_participant: Participant | None
    """The viewer's own leg in that call."""
    has_line: bool

    @property
    def claim(self) -> Claim:
        return claim_of(
            session=self.session,
            ear=self.ear,
            commands=self.commands,
            doubts=self.doubts,
            present=[str(participant.leg_id) for participant in self.people],
            own_participant=self.own_participant,
        )


def read_ear_rows(user: User, *, now: datetime) -> EarRows:
    """Read what the claim of one supervisor follows from."""
    # Most people who watch have no phone connected, and each open page asks again and again (decision 14).
    ear = _live_ear(user) if has_rows(Ear, user_id=user.pk, ended_at=None) else None
    session = _open_session(user) if has_rows(SupervisorSession, user_id=user.pk, ended_at=None) else None
    participants = _participants(session) if session else []
    my_leg = ear.call_control_id if ear else ""
    return EarRows(
        session=session,
        ear=ear,
        commands=_commands(session, ear),
        doubts=supervision.may_still_run(session, now=now) if session else (),
        people=tuple(participant for participant in participants if participant.leg.party != Leg.Party.SUPERVISOR),
        own_participant=next((found for found in participants if found.leg.call_control_id == my_leg), None)
        if my_leg
        else None,
        has_line=ear is not None or has_rows(Line, user_id=user.pk),
    )


def _live_ear(user: User) -> Ear | None:
    return Ear.objects.filter(user=user, ended_at=None).select_related("line", "follows").first()


def _open_session(user: User) -> SupervisorSession | None:
    sessions = SupervisorSession.objects.filter(user=user, ended_at=None).select_related("conference", "ear__account")
    return sessions.order_by("-started_at").first()


def _participants(session: SupervisorSession) -> list[Participant]:
    participants = Participant.objects.filter(conference=session.conference_id, present=True)
    return list(participants.select_related("leg__agent").defer("facts", "leg__facts").order_by("joined_at", "pk"))


def _commands(session: SupervisorSession | None, ear: Ear | None) -> tuple[Command, ...]:
    newest: list[Command] = []
    if ear is not None and ear.state == Ear.State.ENDING:
        newest += Command.objects.filter(ear=ear, kind=Command.Kind.HANGUP).order_by("-generation", "-asked_at")[:1]
    if session is not None:
        sent = Command.objects.filter(session=session, kind__in=IN_A_CALL)
        newest += sent.order_by("-generation", "-asked_at")[:COMMANDS_READ]
    return tuple(newest)


def my_ear(user: User, rows: EarRows | None = None, *, book: RightsBook | None = None, now: datetime) -> MyEar:
    """Return the viewer's ear for the top bar, from their rows and rights where these have been read already."""
    rows = rows or read_ear_rows(user, now=now)
    ear, session, claim = rows.ear, rows.session, rows.claim
    if ear is None and not rows.has_line:
        return MyEar(place=Place.NO_LINE)
    if ear is None:
        may_listen = (book or rights_book(user)).may_listen
        return MyEar(place=Place.AWAY, off_because="" if may_listen else supervision.not_allowed_anywhere())
    newest = rows.commands[0] if rows.commands else None
    bare = MyEar(
        place=_place(ear),
        claim=claim,
        line=names.plain(ear.line.label) if ear.line else _("your phone"),
        since=ear.connected_at or ear.created_at,
        progress=hanging_up(newest) if ear.state == Ear.State.ENDING else None,
        follows=names.plain(ear.follows.name) if ear.follows else "",
        follows_id=ear.follows_id,
        follows_once=ear.follows_once,
        own_leg=ear.call_control_id,
    )
    if session is None:
        return bare
    progress = progress_of(claim, session=session, ear=ear, commands=rows.commands, now=now)
    said = headline(claim, targets=_target_names(claim))
    return replace(
        bare,
        place=Place.IN_CONFERENCE,
        conference_id=session.conference_id,
        conference_name=names.conference_name(session.conference),
        headline=said,
        told=said if _is_on_its_way(claim, ear) else progress.text,
        hearing=tuple(dict.fromkeys(name for leg_id, name in called(rows.people).items() if leg_id in claim.may_hear)),
        inside=session.stage == SupervisorSession.Stage.INSIDE and ear.state != Ear.State.ENDING,
        since=session.inside_at or session.started_at,
        progress=progress,
        notice=names.plain(session.notice, limit=300),
        session=session,
    )


def _is_on_its_way(claim: Claim, ear: Ear) -> bool:
    """Return whether a phone that is connected is inside a call or goes into it: one sentence until it is there."""
    if claim.step is Step.COMING:
        return ear.state == Ear.State.CONNECTED
    return claim.step in {Step.JOINING, Step.INSIDE}


def called(people: Sequence[Participant]) -> dict[str, str]:
    """Return what a sentence calls the people of a call, by leg id; a number only where it tells two apart."""
    parties = Counter(participant.leg.party for participant in people)
    return {
        str(participant.leg_id): names.leg_in_a_sentence(participant.leg, alone=parties[participant.leg.party] == 1)
        for participant in people
    }


def _place(ear: Ear) -> Place:
    if ear.state == Ear.State.ENDING:
        return Place.HANGING_UP
    if ear.state == Ear.State.CONNECTED:
        return Place.PARKED
    return Place.CONFIRMING if ear.state == Ear.State.CONFIRMING else Place.RINGING


def _target_names(claim: Claim) -> tuple[str, ...]:
    if not claim.targets:
        return ()
    legs = Leg.objects.filter(id__in=claim.targets).select_related("agent").defer("facts").order_by("started_at")
    return tuple(dict.fromkeys(names.leg_name(leg) for leg in legs))
