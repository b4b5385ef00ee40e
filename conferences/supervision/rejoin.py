"""Leaves and joins again where `update` answers 200 and changes nothing."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from conferences.changes import board_change
from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role

from .commands import clock, settle, store, transmit
from .outbound import send_join, send_leave
from .presses import FRESH_FOR
from .readback import is_left
from .sessions import leave_session

Kind = Command.Kind
State = Command.State


def rejoin(update: Command, session: SupervisorSession, *, now: datetime) -> None:
    """Leave and come back in the wanted role.

    A louder role comes back only while its click is fresh and nothing was asked meanwhile; otherwise as monitor.
    """
    settle(update, State.CONTRADICTED, outcome=_("Telnyx accepted this but does not show it. Joining again."), now=now)
    leaving = _store_leave(session, now=now)
    transmit(leaving, send_leave)
    if leaving.state != State.ACCEPTED:
        leave_session(
            session, reason=_("Telnyx kept your phone audible, so it was taken out of the call."), now=clock()
        )
        return
    # A line can be joined in another role only after a reading has shown it outside.
    if not is_left(leaving, session):
        settle(leaving, State.UNCONFIRMED, now=clock())
        leave_session(
            session, reason=_("Telnyx kept your phone audible, so it was taken out of the call."), now=clock()
        )
        return
    settle(leaving, State.VERIFIED, now=clock())
    joining = _store_join(update, leaving, session, now=clock())
    if joining is None:
        return
    transmit(joining, send_join)
    if joining.state in {State.REJECTED, State.EXPIRED}:
        leave_session(session, reason=joining.outcome, now=clock())
        return
    fields = {"role": joining.role, "targets": joining.targets, "verified_at": None, "inside_at": clock()}
    if joining.role != update.role:
        fields["notice"] = _("Telnyx did not do what it accepted, so you are back on Monitor.")
    with board_change(session.conference_id, now=clock()) as change:
        change.update(SupervisorSession.objects.filter(pk=session.pk), **fields)


def _store_leave(session: SupervisorSession, *, now: datetime) -> Command:
    with board_change(session.conference_id, now=now) as change:
        return store(kind=Kind.LEAVE, ear=session.ear, session=session, version=change.version, now=now)


def _store_join(update: Command, leaving: Command, session: SupervisorSession, *, now: datetime) -> Command | None:
    """Store the way back in; None where the supervisor has asked to leave while the line was outside."""
    with board_change(session.conference_id, now=now) as change:
        current = SupervisorSession.objects.get(pk=session.pk)
        if current.stage != SupervisorSession.Stage.INSIDE:
            return None
        # The leave and its readings may have taken seconds, and others may have clicked meanwhile.
        asked_since = Command.objects.filter(ear=session.ear_id, generation__gt=leaving.generation).exists()
        began = update.pressed_at or update.asked_at
        fresh = now - began < FRESH_FOR and not asked_since
        role, targets = (update.role, update.targets) if fresh or not update.is_audible else (Role.MONITOR, [])
        return store(
            kind=Kind.JOIN,
            ear=session.ear,
            session=session,
            role=role,
            targets=targets,
            version=change.version,
            pressed_at=began,
            now=now,
        )
