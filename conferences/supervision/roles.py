"""Sends changes of role, falls back to monitor, and applies the role that was pending while a line came in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Q
from django.utils.translation import gettext as _

from conferences.changes import BoardChange, board_change
from conferences.clients import client_for
from conferences.fast_sql import load_rows, set_columns
from conferences.models import Cause, Command, Presence, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.telnyx.roles import Monitor

from .authorisation import audience_of, authorise
from .commands import clock, is_replaced, store, transmit
from .emergency import sent_in_time
from .errors import NOT_SILENCED, Refused
from .outbound import my_leg, send_role
from .presses import Press, Way, columns_of, press_of_session
from .sessions import leave_session
from .stops import PressedStop, loses_to, refuse_void, store_stop

Stage = SupervisorSession.Stage
SAME_CLICK = timedelta(seconds=5)
NOT_EXECUTED = (Command.State.REJECTED, Command.State.EXPIRED)
WHISPER_WITHIN = timedelta(seconds=45)


def send_role_command(
    session: SupervisorSession,
    *,
    role: Role,
    listeners: Sequence[UUID | str],
    audience: Sequence[str],
    check: Callable[[SupervisorSession], object] | None = None,
    again: bool = False,
    press: Press | None = None,
    cause: Cause = Cause.SAFETY,
    notice: str = "",
    now: datetime,
) -> Command | None:
    """Store and send one change of role; None if the same change is being sent, or has just come into force.

    `check` gets the session as it is now and may raise Refused: it is asked in the transaction that stores the
    intention, after every earlier change.
    `again` sends even what is on its way: it may have been executed before what it should undo.
    `press` is what the supervisor pressed, None for what follows by itself, by a `cause`. A pressed Monitor is a stop.
    """
    if role == Role.MONITOR and session.ear.account.monitor_harms_call:
        reason = _("Listening cuts the sound between customer and agent on this account, so your phone was taken out.")
        return leave_session(session, reason=reason, stop=PressedStop(Way.QUIETER, press) if press else None, now=now)
    command_id = press.command_id(Command.Kind.UPDATE) if press is not None and role == Role.MONITOR else uuid4()
    in_time = _monitor_in_time(session, command_id) if role == Role.MONITOR else contextlib.nullcontext()
    with in_time, board_change(now=now) as change:
        if press is not None and role == Role.MONITOR:
            store_stop(session.user, Way.QUIETER, press)
        [current] = load_rows(SupervisorSession, id=session.pk)
        if check is not None:
            check(current)
        wanted = {
            "wanted_role": role,
            "wanted_targets": [str(pk) for pk in listeners],
            "audience_seen": list(audience),
            "wanted_at": now,
        }
        if not _is_wanted(current, wanted=wanted, press=press, again=again):
            if press is not None:
                _keep_press(press, current, wanted, change)
            return None
        if press is not None and role == Role.MONITOR and _may_have_been_undone(session, press):
            command_id = uuid4()
        command = _store(session, wanted, change, command_id=command_id, press=press, cause=cause, notice=notice)
    transmit(command, send_role)
    _apply_answer(command, session, before=current, wanted_at=now)
    return command


def _monitor_in_time(session: SupervisorSession, command_id: UUID) -> contextlib.AbstractContextManager[None]:
    client = client_for(session.ear.account)

    def silence() -> None:
        client.set_role(
            command_id=command_id,
            conference_id=session.conference.telnyx_id,
            my_leg=my_leg(session.ear),
            role=Monitor(),
        )

    return sent_in_time(silence)


def _is_wanted(current: SupervisorSession, *, wanted: dict[str, Any], press: Press | None, again: bool) -> bool:
    """Return whether a change is still to be sent, by the session as it is now."""
    if current.stage != Stage.INSIDE:
        return False
    if press is not None and wanted["wanted_role"] == Role.MONITOR and loses_to(press, current):
        return False
    return again or not _is_same_click(current, wanted)


def _keep_press(press: Press, current: SupervisorSession, wanted: dict[str, Any], change: BoardChange) -> None:
    """Store a later press for what is asked already: a press on another page is compared with the newest one."""
    newest = press_of_session(current)
    same = (current.wanted_role, current.wanted_targets) == (wanted["wanted_role"], wanted["wanted_targets"])
    if same and not (newest is not None and press.is_before(newest)):
        change.update(SupervisorSession.objects.filter(pk=current.pk), **columns_of(press))


def _may_have_been_undone(session: SupervisorSession, stop: Press) -> bool:
    """Return whether Telnyx may have executed a louder role since a stop was pressed.

    Where the database was slow, the stop has been sent before it could be stored. Telnyx would ignore the same id: the
    stop is sent once more under a new one.
    """
    louder = Command.objects.audible().filter(session=session).exclude(state__in=NOT_EXECUTED)
    return louder.filter(Q(state=Command.State.ASKED) | Q(answered_at__gte=stop.at)).exists()


def _store(
    session: SupervisorSession,
    wanted: dict[str, Any],
    change: BoardChange,
    *,
    command_id: UUID,
    press: Press | None,
    cause: Cause,
    notice: str,
) -> Command:
    command = store(
        kind=Command.Kind.UPDATE,
        ear=session.ear,
        session=session,
        role=wanted["wanted_role"],
        targets=wanted["wanted_targets"],
        version=change.version,
        id=command_id,
        pressed_at=press.at if press is not None else None,
        cause=press.cause if press is not None else cause,
        now=wanted["wanted_at"],
    )
    pressed = columns_of(press) if press is not None else {}
    set_columns(SupervisorSession, {**wanted, **pressed, "notice": notice[:300]}, id=session.pk)
    change.touch(session.conference_id)
    return command


def _apply_answer(
    command: Command, session: SupervisorSession, *, before: SupervisorSession, wanted_at: datetime
) -> None:
    """Store what Telnyx' answer to a change of role means for the session."""
    if command.state == Command.State.ACCEPTED:
        _accepted(command, session)
    elif command.state == Command.State.REJECTED and command.role == Role.MONITOR:
        leave_session(session, reason=_(NOT_SILENCED), now=clock())
    elif command.state in NOT_EXECUTED:
        # Nothing has changed: restore the wanted role and audience, so that later joiners are still noticed.
        was = {name: getattr(before, name) for name in ("wanted_role", "wanted_targets", "audience_seen")}
        _update(session, was, wanted_at=wanted_at)
    elif command.state == Command.State.UNKNOWN and command.is_audible:
        # The role may be in force, so the screen says that somebody may hear until a reading shows otherwise.
        _update(session, {"verified_at": None})


def _update(session: SupervisorSession, fields: dict[str, Any], **only: Any) -> None:
    with board_change(session.conference_id, now=clock()) as change:
        change.update(SupervisorSession.objects.filter(pk=session.pk, **only), **fields)


def fall_back(session: SupervisorSession, *, notice: str, press: Press | None = None, now: datetime) -> None:
    """Go back to monitor and say why."""
    audience = session.audience_seen
    command = send_role_command(
        session, role=Role.MONITOR, listeners=[], audience=audience, press=press, notice=notice, now=now
    )
    if command is None:
        _update(session, {"notice": notice[:300]}, ended_at=None)


def silence_again(session: SupervisorSession, *, now: datetime) -> None:
    """Send another monitor after a louder role that may have been executed after the one before."""
    notice = _("Telnyx mixed up the order of your last changes, so you are back on Monitor.")
    audience = session.audience_seen
    send_role_command(session, role=Role.MONITOR, listeners=[], audience=audience, again=True, notice=notice, now=now)


def _accepted(command: Command, session: SupervisorSession) -> None:
    """Show an accepted role, unless something newer was asked while its answer was awaited."""
    with board_change(now=clock()) as change:
        replaced = is_replaced(command)
        # The order in which Telnyx executed the two is unknown; the louder one is shown, as it may be the last.
        if not replaced or command.is_audible:
            in_force = {"role": command.role, "targets": command.targets, "verified_at": None}
            change.update(SupervisorSession.objects.filter(pk=session.pk), **in_force)
            change.touch(session.conference_id)
    if replaced and command.is_audible:
        silence_again(session, now=clock())


def _is_same_click(session: SupervisorSession, wanted: dict[str, Any]) -> bool:
    """Return whether this change was asked for a moment ago; of many clicks at once only one is sent."""
    role, targets, now = wanted["wanted_role"], wanted["wanted_targets"], wanted["wanted_at"]
    if (session.wanted_role, session.wanted_targets) != (role, targets):
        return False
    newest = Command.objects.filter(session=session).newest(Command.Kind.UPDATE)
    if newest is None or (newest.role, newest.targets) != (role, targets) or now - newest.asked_at >= SAME_CLICK:
        return False
    # A monitor is sent again though it was verified: it may be the answer to a request that was executed late.
    settled = role in Role.audible_to_somebody() and newest.state in {Command.State.VERIFIED, Command.State.UNCONFIRMED}
    return newest.is_open or (settled and set(wanted["audience_seen"]) == set(session.audience_seen))


def apply_pending_role(session: SupervisorSession, *, now: datetime) -> None:
    """Apply the pending role: a whisper under three conditions, a louder role needs another press."""
    if session.wanted_role != Role.WHISPER:
        _forget_pending_role(
            session, notice=_("You are in the call and nobody hears you. Press again to be heard."), now=now
        )
        return
    obstacle = _whisper_obstacle(session, now=now) or _whisper(session, now=now)
    if obstacle is not None:
        notice = _("You are in the call and nobody hears you. The whisper did not start: %(why)s Press Whisper again.")
        _forget_pending_role(session, notice=notice % {"why": obstacle}, now=now)


def _whisper(session: SupervisorSession, *, now: datetime) -> str | None:
    """Start the pending whisper; return the reason why it cannot start, if any."""

    def check(current: SupervisorSession) -> None:
        # In the transaction that stores it: a stop may have been pressed since the pending role was read.
        if (current.wanted_role, current.wanted_at) == (Role.WHISPER, session.wanted_at):
            press = press_of_session(session)
            if press is not None:
                refuse_void(session.user, press, entering=False)
            listeners = [UUID(target) for target in session.wanted_targets]
            authorise(user=session.user, conference=session.conference, role=Role.WHISPER, listeners=listeners)
        else:
            raise TakenBack("")

    try:
        send_role_command(
            session,
            role=Role.WHISPER,
            listeners=session.wanted_targets,
            audience=session.audience_seen,
            check=check,
            cause=Cause.PRESSED,
            now=now,
        )
    except TakenBack:
        return None
    except Refused as refused:
        return refused.sentence
    return None


class TakenBack(Refused):
    """A pending role that its supervisor has taken back."""


def _forget_pending_role(session: SupervisorSession, *, notice: str, now: datetime) -> None:
    with board_change(session.conference_id, now=now) as change:
        unchanged = SupervisorSession.objects.filter(pk=session.pk, wanted_at=session.wanted_at)
        change.update(unchanged, wanted_role=Role.MONITOR, wanted_targets=[], notice=notice[:300])


def _whisper_obstacle(session: SupervisorSession, *, now: datetime) -> str | None:
    if now - session.wanted_at > WHISPER_WITHIN:
        return _("it took too long to connect your phone.")
    seen = Presence.objects.alive(now=now).filter(user=session.user)
    if not seen.exists():
        return _("your page was closed.")
    if not rights_book(session.user).in_teams(teams_of(session.conference)).allow(Role.WHISPER):
        return _("you are no longer allowed to whisper here.")
    if audience_of(session.conference) != set(session.audience_seen):
        return _("somebody joined or left in the meantime.")
    return None
