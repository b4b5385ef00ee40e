"""A supervisor's line that is in a conference where nobody has asked for it, or where it has been told to leave.

A joining that Telnyx executes late, after the leave, brings a line in that no row knows to be inside: its owner would
listen unseen and unaudited.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from conferences import audit, changes
from conferences.models import Command, Ear, Participant, SupervisorSession
from conferences.projection import touch
from conferences.registers import moment

from .commands import send_leave, store, transmit
from .leaving import hang_up

State = Command.State


def fetch_back(ear: Ear, *, now: datetime) -> None:
    """Take a line that Floorline dialled out of every conference that it has no open session in."""
    if not ear.dialled_by_us or not ear.call_control_id:
        return
    stays = Participant.objects.filter(
        account=ear.account_id, leg__call_control_id=ear.call_control_id, present=True, conference__ended_at=None
    ).select_related("conference")
    for stay in list(stays):
        # Asked after the stays: a session is stored before its line can be inside.
        sessions = SupervisorSession.objects.filter(ear=ear, conference=stay.conference_id)
        if sessions.filter(ended_at=None).exists():
            continue
        last = sessions.select_related("ear__account", "ear__user", "conference", "user").order_by("-ended_at").first()
        if last is None:
            hang_up(ear, reason=_("Your line was in a conference that nobody chose, so it was hung up."), now=now)
        elif _came_back(stay, last):
            _take_out(last, now=now)


def _came_back(stay: Participant, last: SupervisorSession) -> bool:
    """Say whether the line was seen inside after everything that led out: older sights may just be late."""
    leaves = Command.objects.filter(session=last, kind=Command.Kind.LEAVE)
    if leaves.filter(state__in=[State.ASKED, State.ACCEPTED, State.UNKNOWN]).exists():
        return False
    newest = leaves.order_by("-generation").first()
    told = (newest.settled_at or newest.answered_at) if newest is not None else None
    left = [at for at in (last.ended_at, told) if at is not None]
    seen = [at for at in (stay.listed_at, moment(stay.facts, "presence")) if at is not None]
    return bool(seen) and max(seen) > max(left)


def _take_out(session: SupervisorSession, *, now: datetime) -> None:
    with transaction.atomic():
        version = changes.advance(now=now)
        audit.record(
            "found inside", at=now, actor=session.user, conference=session.conference, session=session,
            detail="Telnyx brought the line in after it had left",
        )  # fmt: skip
        command = store(kind=Command.Kind.LEAVE, ear=session.ear, session=session, version=version, now=now)
        touch(conferences=[session.conference_id], version=version)
    transmit(command, send_leave)
