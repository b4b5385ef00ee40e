"""Leave and come back: what helps where `update` answers 200 and changes nothing."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role
from conferences.projection import touch
from conferences.rows import load_rows

from .commands import LOUD, LOUD_FOR, clock, send_join, send_leave, settle, store, transmit
from .leaving import leave_session
from .readback import is_left

Kind = Command.Kind
State = Command.State


def rejoin(update: Command, session: SupervisorSession, *, now: datetime) -> None:
    """Leave and come back in the wanted role.

    A louder role comes back only while its click is fresh and nothing was asked meanwhile; otherwise as monitor.
    """
    settle(update, State.CONTRADICTED, outcome=_("Telnyx accepted this but does not show it; joining anew."), now=now)
    leaving = _store_leave(session, now=now)
    transmit(leaving, send_leave)
    if leaving.state != State.ACCEPTED:
        leave_session(session, reason=_("Telnyx kept your line audible, so it was taken out."), now=clock())
        return
    # Only a line that is seen to be out can be joined as what it should be.
    if not is_left(leaving, session):
        settle(leaving, State.UNCONFIRMED, now=clock())
        leave_session(session, reason=_("Telnyx kept your line audible, so it was taken out."), now=clock())
        return
    settle(leaving, State.VERIFIED, now=clock())
    joining = _store_join(update, leaving, session, now=clock())
    if joining is None:
        return
    transmit(joining, send_join, clicked_at=update.asked_at)
    if joining.state in {State.REJECTED, State.EXPIRED}:
        leave_session(session, reason=joining.outcome, now=clock())
        return
    fields = {"role": joining.role, "targets": joining.targets, "verified_at": None, "inside_at": clock()}
    if joining.role != update.role:
        fields["notice"] = _("Telnyx did not do what it accepted, so you are back on monitor.")
    SupervisorSession.objects.filter(pk=session.pk).update(**fields)


def _store_leave(session: SupervisorSession, *, now: datetime) -> Command:
    with transaction.atomic():
        version = changes.advance(now=now)
        touch(conferences=[session.conference_id], version=version)
        return store(kind=Kind.LEAVE, ear=session.ear, session=session, version=version, now=now)


def _store_join(update: Command, leaving: Command, session: SupervisorSession, *, now: datetime) -> Command | None:
    """Store the way back in; None where the supervisor has asked to leave while the line was outside."""
    with transaction.atomic():
        version = changes.advance(now=now)
        [current] = load_rows(SupervisorSession, id=session.pk)
        if current.stage != SupervisorSession.Stage.INSIDE:
            return None
        # The leave and its readings may have taken seconds, and others may have clicked meanwhile.
        asked_since = Command.objects.filter(ear=session.ear_id, generation__gt=leaving.generation).exists()
        fresh = now - update.asked_at < LOUD_FOR and not asked_since
        role, targets = (update.role, update.targets) if fresh or update.role not in LOUD else (Role.MONITOR, [])
        touch(conferences=[session.conference_id], version=version)
        return store(
            kind=Kind.JOIN, ear=session.ear, session=session, role=role, targets=targets, version=version, now=now
        )
