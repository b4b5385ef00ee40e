"""Dials a supervisor's line, joins it into a conference, and hangs it up."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences.changes import board_change
from conferences.clients import client_for
from conferences.models import Account, Cause, Command, Ear, Leg, Line, SupervisorSession
from conferences.models.supervision import Role
from conferences.telnyx.client import Client
from conferences.telnyx.roles import MyLeg

from .commands import store, transmit
from .emergency import sent_in_time
from .errors import CALL_ENDED, UNKNOWN_CALL, Refused
from .outbound import my_leg, send_hangup, send_join
from .presses import Way, press_of_session
from .sessions import command_id_of, finish, leave_session
from .stops import PressedStop, keep_stop, stops_after

Stage = SupervisorSession.Stage


def live_ear(user: User) -> Ear | None:
    """Return the supervisor's live leg, if there is one."""
    return Ear.objects.select_related("account", "line", "user").filter(user=user, ended_at=None).first()


def new_ear(user: User, account: Account, *, line: Line | None = None, now: datetime) -> Ear:
    """Begin an ear on a supervisor's line, in the caller's transaction. Raises Refused, saying what is missing."""
    line = line or Line.objects.filter(user=user).order_by("-is_default", "label").first()
    if line is None:
        raise Refused(_("You have no phone yet. Ask an admin to add it."))
    if not account.is_active:
        raise Refused(_("The Telnyx account of this call is not in use any more. Ask an admin."))
    credentials = account.credentials()
    if not (credentials.ear_connection_id and credentials.from_number):
        raise Refused(_("Floorline is not set up to ring phones yet. Ask an admin."))
    if Ear.objects.live().filter(account=account).count() >= account.max_ears:
        raise Refused(
            _("All %(number)s supervisor phones are in use. Try again when somebody has hung up.")
            % {"number": account.max_ears}
        )
    return Ear.objects.create(account=account, user=user, line=line, kind=line.kind, created_at=now)


def dial(command: Command, ear: Ear, *, now: datetime) -> None:
    """Ring the line of a new ear. Raises Refused where Telnyx does not."""
    leg = transmit(command, send_dial)
    if leg is not None:
        # Disconnected while it was being dialled: the worker finds an ending line with a leg, and hangs it up.
        pin(ear, leg, now=now)
    elif command.state == Command.State.REJECTED:
        end_ear(ear, reason=command.outcome, now=now)
        raise Refused(command.outcome)


def send_dial(client: Client, command: Command) -> MyLeg:
    """Ring the line; its client_state lets the leg be found again should the answer get lost."""
    ear = command.ear
    if ear is None or ear.line is None:
        raise RuntimeError("a dial belongs to an ear on a line")
    credentials = ear.account.credentials()
    return client.dial(
        command_id=command.pk,
        connection_id=credentials.ear_connection_id,
        to=ear.line.address,
        from_number=credentials.from_number,
        webhook_url=ear.account.webhook_url,
        client_state=ear_mark(ear),
    )


def send_gather(client: Client, command: Command) -> None:
    """Ask for the digit 1, because a mailbox does not press it."""
    if command.ear is not None:
        prompt = _("This is Floorline. To listen, press 1.")
        client.gather(command_id=command.pk, my_leg=my_leg(command.ear), prompt=prompt)


def ear_mark(ear: Ear) -> str:
    """Return the client_state of an ear's leg."""
    return base64.b64encode(json.dumps({"floorline_ear": str(ear.pk)}).encode()).decode()


def pin(ear: Ear, leg: str, *, now: datetime) -> None:
    """Pin a leg to its supervisor; from now on only they can command it."""
    with board_change(now=now) as change:
        change.update(Ear.objects.filter(pk=ear.pk), call_control_id=leg)
        Leg.objects.filter(account=ear.account, call_control_id=leg).update(party=Leg.Party.SUPERVISOR, agent=None)
    ear.call_control_id = leg


def join(session: SupervisorSession, *, cause: Cause = Cause.PRESSED, now: datetime) -> None:
    """Bring a connected line into its conference as monitor; only one of several callers does it."""
    with board_change(now=now) as change:
        connecting = SupervisorSession.objects.filter(pk=session.pk, stage=Stage.CONNECTING)
        press = press_of_session(session)
        if press is not None and stops_after(session.user, press) - {Way.QUIETER}:
            # Left while the line was between two conferences: no session was open then that the stop could end.
            finish(session, reason=_("You left."), now=now)
            return
        if not change.update(connecting, stage=Stage.JOINING):
            return
        change.update(Ear.objects.filter(pk=session.ear_id), idle_since=None)
        command = store(
            kind=Command.Kind.JOIN,
            ear=session.ear,
            session=session,
            role=Role.MONITOR,
            version=change.version,
            cause=cause,
            now=now,
        )
        change.touch(session.conference_id)
    session.stage = Stage.JOINING
    transmit(command, send_join)


def let_go(
    ear: Ear, *, reason: str, stop: PressedStop | None = None, cause: Cause = Cause.SAFETY, now: datetime
) -> None:
    """Release an unused ear: hang up a leg that Floorline dialled, leave with one of the center's call flow."""
    if ear.dialled_by_us:
        hang_up(ear, reason=reason, stop=stop, cause=cause, now=now)
        return
    sessions = SupervisorSession.objects.for_next_step()
    session = sessions.open().filter(ear=ear).first()
    if session is None:
        with board_change(now=now) as change:
            if stop is not None:
                keep_stop(ear.user, *stop, change=change, now=now)
            end_ear(ear, reason=reason, now=now)
    else:
        leave_session(session, reason=reason, stop=stop, cause=cause, now=now)


def hang_up(
    ear: Ear, *, reason: str, stop: PressedStop | None = None, cause: Cause = Cause.SAFETY, now: datetime
) -> None:
    """Hang up the supervisor's own leg and close what it was in; tried again until Telnyx says that it is gone."""
    command_id, client = command_id_of(stop, Command.Kind.HANGUP), client_for(ear.account)

    def hang_up_now() -> None:
        if ear.call_control_id:
            client.hangup(command_id=command_id, my_leg=my_leg(ear))

    with sent_in_time(hang_up_now), board_change(now=now) as change:
        if stop is not None:
            keep_stop(ear.user, *stop, change=change, now=now)
        change.update(Ear.objects.live().filter(pk=ear.pk), state=Ear.State.ENDING, end_reason=reason[:200])
        sessions = SupervisorSession.objects.open().filter(ear=ear)
        change.touch(*sessions.values_list("conference", flat=True))
        change.update(sessions, stage=Stage.LEAVING, end_reason=reason[:200])
        command = None
        if ear.call_control_id:
            command = store(
                kind=Command.Kind.HANGUP,
                ear=ear,
                version=change.version,
                id=command_id,
                pressed_at=stop.press.at if stop is not None else None,
                cause=stop.press.cause if stop is not None else cause,
                now=now,
            )
    ear.state, ear.end_reason = Ear.State.ENDING, reason
    if command is None:
        # Where Telnyx has not named the leg yet, the phone may still ring: the line is ending until that is known.
        if not _may_still_ring(ear):
            end_ear(ear, reason=reason, now=now)
        return
    transmit(command, send_hangup)
    after_hangup(ear, command, now=now)


def _may_still_ring(ear: Ear) -> bool:
    dialling = Command.objects.filter(ear=ear, kind=Command.Kind.DIAL)
    return dialling.exclude(state__in=[Command.State.REJECTED, Command.State.EXPIRED]).exists()


def after_hangup(ear: Ear, command: Command, *, now: datetime) -> None:
    """End the ear once the call has been read as dead, or Telnyx says that there is nothing left to hang up."""
    gone = command.telnyx_code in {CALL_ENDED, UNKNOWN_CALL} or command.http_status == 404
    if command.state == Command.State.VERIFIED or gone:
        end_ear(ear, reason=ear.end_reason, now=now)


def end_ear(ear: Ear, *, reason: str, now: datetime) -> None:
    """Close an ear whose leg is gone, and the session it carried."""
    with board_change(now=now) as change:
        still_open = Ear.objects.live().filter(pk=ear.pk)
        change.update(still_open, state=Ear.State.ENDED, ended_at=now, end_reason=reason[:200])
        session = SupervisorSession.objects.open().filter(ear=ear).first()
        if session is not None:
            finish(session, reason=reason, now=now)
