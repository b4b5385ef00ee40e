"""My own ear, as the top bar of every page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences import supervision
from conferences.models import Command, Ear, Leg, Line, SupervisorSession
from conferences.models.supervision import Role

from . import names
from .cards import leg_name
from .progress import Heard, Progress, hanging_up, others_hear, progress_of


class Place(StrEnum):
    """Where my ear is."""

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
    line: str = ""
    conference_id: UUID | None = None
    conference_name: str = ""
    role: str = ""
    role_label: str = ""
    targets: tuple[str, ...] = ()
    inside: bool = False
    since: datetime | None = None
    progress: Progress | None = None
    notice: str = ""
    heard: Heard = Heard.NO
    """Whether a customer, or anybody who is no whisper target, hears me."""
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

    @property
    def target_names(self) -> str:
        return names.listed(list(self.targets))


@dataclass(frozen=True, slots=True)
class Standing:
    """The rows that say where the viewer's ear is: read once, used by the top bar and by the desk."""

    session: SupervisorSession | None
    ear: Ear | None
    command: Command | None
    doubts: tuple[Command, ...]
    """Louder commands that may still be executed late."""
    has_line: bool


def standing(user: User, *, now: datetime) -> Standing:
    """Read the open session, the live ear, the newest command and the doubtful ones of one supervisor."""
    ear = Ear.objects.filter(user=user, ended_at=None).select_related("line", "follows").first()
    session = (
        SupervisorSession.objects.filter(user=user, ended_at=None)
        .select_related("conference", "ear__account")
        .order_by("-started_at")
        .first()
    )
    command = _newest_command(session, ear) if ear else None
    return Standing(
        session=session,
        ear=ear,
        command=command,
        doubts=supervision.may_still_run(session, now=now) if session else (),
        has_line=ear is not None or Line.objects.filter(user=user).exists(),
    )


def _newest_command(session: SupervisorSession | None, ear: Ear) -> Command | None:
    if ear.state == Ear.State.ENDING:
        commands = Command.objects.filter(ear=ear, kind=Command.Kind.HANGUP)
    else:
        commands = Command.objects.filter(session=session).exclude(kind=Command.Kind.GATHER)
    return commands.order_by("-asked_at").first() if session or ear.state == Ear.State.ENDING else None


def my_ear(user: User, stands: Standing | None = None, *, now: datetime) -> MyEar:
    """Return the viewer's ear for the top bar."""
    stands = stands or standing(user, now=now)
    ear, session = stands.ear, stands.session
    if ear is None:
        return MyEar(place=Place.AWAY if stands.has_line else Place.NO_LINE)
    bare = MyEar(
        place=_place(ear),
        line=names.plain(ear.line.label) if ear.line else _("your line"),
        since=ear.connected_at or ear.created_at,
        progress=hanging_up(stands.command) if ear.state == Ear.State.ENDING else None,
        follows=names.plain(ear.follows.name) if ear.follows else "",
        follows_id=ear.follows_id,
        follows_once=ear.follows_once,
        own_leg=ear.call_control_id,
    )
    if session is None:
        return bare
    return replace(
        bare,
        place=Place.IN_CONFERENCE,
        conference_id=session.conference_id,
        conference_name=names.conference_name(session.conference),
        role=session.role,
        role_label=str(session.get_role_display()),
        targets=_target_names(session),
        inside=session.stage == SupervisorSession.Stage.INSIDE,
        since=session.inside_at or session.started_at,
        progress=progress_of(session, ear, stands.command),
        notice=names.plain(session.notice, limit=300),
        heard=others_hear(session, stands.command, doubts=stands.doubts)["everyone"],
        session=session,
    )


def _place(ear: Ear) -> Place:
    if ear.state == Ear.State.ENDING:
        return Place.HANGING_UP
    if ear.state == Ear.State.CONNECTED:
        return Place.PARKED
    return Place.CONFIRMING if ear.state == Ear.State.CONFIRMING else Place.RINGING


def _target_names(session: SupervisorSession) -> tuple[str, ...]:
    if session.role != Role.WHISPER or not session.targets:
        return ()
    legs = Leg.objects.filter(id__in=session.targets).select_related("agent").defer("facts").order_by("started_at")
    return tuple(leg_name(leg) for leg in legs)
