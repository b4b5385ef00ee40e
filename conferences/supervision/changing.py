"""One change of role: stored and sent, once per click, and shown only while nothing newer was asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from conferences import changes
from conferences.clients import client_for
from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role
from conferences.projection import touch
from conferences.rows import load_rows, set_columns
from conferences.telnyx.client import Monitor

from .commands import LOUD, clock, is_replaced, my_leg, send_role, store, transmit
from .hedging import sent_in_time
from .leaving import leave_session
from .pressing import new_command_id

Stage = SupervisorSession.Stage
SAME_CLICK = timedelta(seconds=5)
PENDING = (Command.State.ASKED, Command.State.ACCEPTED, Command.State.UNKNOWN)


def send_role_command(
    session: SupervisorSession,
    *,
    role: Role,
    listeners: Sequence[UUID | str],
    audience: Sequence[str],
    check: Callable[[], object] | None = None,
    again: bool = False,
    now: datetime,
) -> Command | None:
    """Store and send one change of role; None where the same change is on its way, or a moment ago came into force.

    `check` may raise Refused: it is asked in the transaction that stores the intention, after every earlier change.
    `again` sends even what is on its way: it may have been executed before what it should undo.
    """
    if role == Role.MONITOR and session.ear.account.monitor_harms_call:
        reason = _(
            "On this account a silent line cuts the audio between customer and agent, so your line was taken out."
        )
        return leave_session(session, reason=reason, now=now)
    targets = [str(pk) for pk in listeners]
    command_id = new_command_id(Command.Kind.UPDATE) if role == Role.MONITOR else uuid4()
    client = client_for(session.ear.account)

    def silence() -> None:
        client.set_role(
            command_id=command_id,
            conference_id=session.conference.telnyx_id,
            my_leg=my_leg(session.ear),
            role=Monitor(),
        )

    in_time = sent_in_time(silence) if role == Role.MONITOR else contextlib.nullcontext()
    with in_time, transaction.atomic():
        version = changes.advance(now=now)
        if check is not None:
            check()
        [current] = load_rows(SupervisorSession, id=session.pk)
        if current.stage != Stage.INSIDE:
            return None
        if not again and _is_same_click(current, role=role, targets=targets, audience=audience, now=now):
            return None
        command = store(
            kind=Command.Kind.UPDATE,
            ear=session.ear,
            session=session,
            role=role,
            targets=targets,
            version=version,
            id=command_id,
            now=now,
        )
        wanted = {"wanted_role": role, "wanted_targets": targets, "wanted_at": now, "audience_seen": list(audience)}
        set_columns(SupervisorSession, {**wanted, "notice": ""}, id=session.pk)
        touch(conferences=[session.conference_id], version=version)
    transmit(command, send_role)
    if command.state == Command.State.ACCEPTED:
        _accepted(command, session)
    elif command.state == Command.State.REJECTED and role == Role.MONITOR:
        leave_session(session, reason=_("Telnyx refused to silence your line, so it was taken out."), now=clock())
    elif command.state in {Command.State.REJECTED, Command.State.EXPIRED}:
        # Nothing has changed: what is wanted is what was, and whoever came in meanwhile is still news to a whisper.
        before = {"wanted_role": current.wanted_role, "wanted_targets": current.wanted_targets}
        SupervisorSession.objects.filter(pk=session.pk, wanted_at=now).update(
            **before, audience_seen=current.audience_seen
        )
    elif command.state == Command.State.UNKNOWN and role in LOUD:
        # It may be in force: until a reading says otherwise, the screen says that somebody may hear.
        SupervisorSession.objects.filter(pk=session.pk).update(verified_at=None)
    return command


def silence_again(session: SupervisorSession, *, now: datetime) -> None:
    """Send another monitor after a louder role that may have been executed after the one before."""
    send_role_command(session, role=Role.MONITOR, listeners=[], audience=session.audience_seen, again=True, now=now)
    notice = _("Telnyx mixed up the order of your last changes, so you are back on monitor.")
    SupervisorSession.objects.filter(pk=session.pk, ended_at=None).update(notice=notice)


def _accepted(command: Command, session: SupervisorSession) -> None:
    """Show an accepted role, unless something newer was asked while its answer was awaited."""
    in_force = {"role": command.role, "targets": command.targets, "verified_at": None}
    with transaction.atomic():
        version = changes.advance(now=clock())
        replaced = is_replaced(command)
        # In which order Telnyx executed the two is not known: a louder one is shown, as it may be the last.
        if not replaced or command.role in LOUD:
            SupervisorSession.objects.filter(pk=session.pk).update(**in_force)
            touch(conferences=[session.conference_id], version=version)
    if replaced and command.role in LOUD:
        silence_again(session, now=clock())


def _is_same_click(
    session: SupervisorSession, *, role: Role, targets: list[str], audience: Sequence[str], now: datetime
) -> bool:
    """Say whether this change was asked for a moment ago; of many clicks at once only one is sent."""
    if (session.wanted_role, session.wanted_targets) != (role, targets):
        return False
    newest = Command.objects.filter(session=session, kind=Command.Kind.UPDATE).order_by("-generation").first()
    if newest is None or (newest.role, newest.targets) != (role, targets) or now - newest.asked_at >= SAME_CLICK:
        return False
    # A monitor is sent again though it was verified: it may be the answer to a request that was executed late.
    settled = role in LOUD and newest.state in {Command.State.VERIFIED, Command.State.UNCONFIRMED}
    return newest.state in PENDING or (settled and set(audience) == set(session.audience_seen))
