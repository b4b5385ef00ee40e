"""Leave and come back: what helps where `update` answers 200 and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role
from conferences.projection import touch

from .commands import LOUD, LOUD_FOR, clock, send_join, send_leave, settle, store, transmit
from .leaving import leave_session
from .readback import is_left

Kind = Command.Kind
State = Command.State


def rejoin(update: Command, session: SupervisorSession, *, now: datetime) -> None:
    """Leave and come back in the wanted role.

    A louder role comes back only while its click is fresh; otherwise the line comes back as monitor.
    """
    settle(update, State.CONTRADICTED, outcome=_("Telnyx accepted this but does not show it; joining anew."), now=now)
    fresh = clock() - update.asked_at < LOUD_FOR
    role, targets = (update.role, update.targets) if fresh or update.role not in LOUD else (Role.MONITOR, [])
    leaving = _store_step(Kind.LEAVE, session, now=now)
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
    joining = _store_step(Kind.JOIN, session, role=role, targets=targets, now=clock())
    transmit(joining, send_join)
    if joining.state == State.REJECTED:
        leave_session(session, reason=joining.outcome, now=clock())
        return
    fields = {"role": role, "targets": targets, "verified_at": None, "inside_at": clock()}
    if role != update.role:
        fields["notice"] = _("Telnyx did not do what it accepted, so you are back on monitor.")
    SupervisorSession.objects.filter(pk=session.pk).update(**fields)


def _store_step(
    kind: Command.Kind,
    session: SupervisorSession,
    *,
    role: str = "",
    targets: Sequence[str] = (),
    now: datetime,
) -> Command:
    with transaction.atomic():
        version = changes.advance(now=now)
        touch(conferences=[session.conference_id], version=version)
        return store(kind=kind, ear=session.ear, session=session, role=role, targets=targets, version=version, now=now)
