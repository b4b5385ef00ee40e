"""My own ear, as the top bar of every page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences.models import Command, Ear, Leg, Line, SupervisorSession
from conferences.models.supervision import Role

from . import names
from .cards import leg_name
from .progress import Heard, Progress, others_hear, progress_of


class Place(StrEnum):
    """Where my ear is."""

    NO_LINE = "no-line"
    AWAY = "away"
    RINGING = "ringing"
    PARKED = "parked"
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

    @property
    def target_names(self) -> str:
        return names.listed(list(self.targets))


@dataclass(frozen=True, slots=True)
class Standing:
    """The rows that say where the viewer's ear is: read once, used by the top bar and by the desk."""

    session: SupervisorSession | None
    ear: Ear | None
    command: Command | None
    has_line: bool


def standing(user: User) -> Standing:
    """Read the open session, the live ear and the newest command of one supervisor."""
    ear = Ear.objects.filter(user=user, ended_at=None).select_related("line").first()
    session = (
        SupervisorSession.objects.filter(user=user, ended_at=None)
        .select_related("conference")
        .order_by("-started_at")
        .first()
    )
    command = (
        Command.objects.filter(session=session).exclude(kind=Command.Kind.GATHER).order_by("-asked_at").first()
        if session
        else None
    )
    return Standing(
        session=session,
        ear=ear,
        command=command,
        has_line=ear is not None or Line.objects.filter(user=user).exists(),
    )


def my_ear(user: User, stands: Standing | None = None) -> MyEar:
    """Return the viewer's ear for the top bar."""
    stands = stands or standing(user)
    ear, session = stands.ear, stands.session
    if ear is None:
        return MyEar(place=Place.AWAY if stands.has_line else Place.NO_LINE)
    line = names.plain(ear.line.label) if ear.line else _("your line")
    if session is None:
        connected = ear.state == Ear.State.CONNECTED
        return MyEar(
            place=Place.PARKED if connected else Place.RINGING,
            line=line,
            since=ear.connected_at if connected else ear.created_at,
        )
    return MyEar(
        place=Place.IN_CONFERENCE,
        line=line,
        conference_id=session.conference_id,
        conference_name=names.conference_name(session.conference),
        role=session.role,
        role_label=str(session.get_role_display()),
        targets=_target_names(session),
        inside=session.stage == SupervisorSession.Stage.INSIDE,
        since=session.inside_at or session.started_at,
        progress=progress_of(session, ear, stands.command),
        notice=names.plain(session.notice, limit=300),
        heard=others_hear(session, stands.command)["everyone"],
    )


def _target_names(session: SupervisorSession) -> tuple[str, ...]:
    if session.role != Role.WHISPER or not session.targets:
        return ()
    legs = Leg.objects.filter(id__in=session.targets).select_related("agent").defer("facts").order_by("started_at")
    return tuple(leg_name(leg) for leg in legs)
