"""Bringing a supervisor's line in: dialled, answered, and joined as monitor without a sound."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Account, Command, Ear, Leg, Line, SupervisorSession
from conferences.models.supervision import Role
from conferences.projection import touch
from conferences.telnyx.client import Client, MyLeg

from .commands import my_leg, send_join, store, transmit
from .leaving import end_ear, finish
from .words import Refused

Stage = SupervisorSession.Stage


def new_ear(user: User, account: Account, *, line: Line | None = None, now: datetime) -> Ear:
    """Begin an ear on a supervisor's line, in the caller's transaction. Raises Refused, saying what is missing."""
    line = line or Line.objects.filter(user=user).order_by("-is_default", "label").first()
    if line is None:
        raise Refused(_("You have no line yet. Ask an administrator to add your phone under your name in the admin."))
    credentials = account.credentials()
    if not (credentials.ear_connection_id and credentials.from_number):
        raise Refused(_("The ear application or the number to dial from is missing. Ask an administrator."))
    if Ear.objects.filter(account=account, ended_at=None).count() >= account.max_ears:
        raise Refused(
            _("All %(number)s supervisors' lines are in use. Try again when somebody has disconnected.")
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
        webhook_url=f"{settings.PUBLIC_URL}/webhooks/telnyx/",
        client_state=ear_mark(ear),
    )


def send_gather(client: Client, command: Command) -> None:
    """Ask for the 1 that no mailbox presses."""
    if command.ear is not None:
        prompt = _("This is Floorline. To listen, press 1.")
        client.gather(command_id=command.pk, my_leg=my_leg(command.ear), prompt=prompt)


def ear_mark(ear: Ear) -> str:
    """Return the client_state of an ear's leg."""
    return base64.b64encode(json.dumps({"floorline_ear": str(ear.pk)}).encode()).decode()


def pin(ear: Ear, leg: str, *, now: datetime) -> None:
    """Tie a leg to its supervisor: from now on it is theirs alone to command."""
    with transaction.atomic():
        changes.advance(now=now)
        Ear.objects.filter(pk=ear.pk).update(call_control_id=leg)
        Leg.objects.filter(account=ear.account, call_control_id=leg).update(party=Leg.Party.SUPERVISOR, agent=None)
    ear.call_control_id = leg


def join(session: SupervisorSession, *, now: datetime) -> None:
    """Bring a connected line into its conference as monitor; only one of several callers does it.

    A line of another account cannot come in; the session then ends and says so.
    """
    if session.ear.account_id != session.conference.account_id:
        finish(session, reason=_("Your line is on another Telnyx account. Disconnect it first."), now=now)
        return
    with transaction.atomic():
        version = changes.advance(now=now)
        moved = SupervisorSession.objects.filter(pk=session.pk, stage=Stage.CONNECTING).update(stage=Stage.JOINING)
        if not moved:
            return
        Ear.objects.filter(pk=session.ear_id).update(idle_since=None)
        command = store(
            kind=Command.Kind.JOIN, ear=session.ear, session=session, role=Role.MONITOR, version=version, now=now
        )
        touch(conferences=[session.conference_id], version=version)
    session.stage = Stage.JOINING
    transmit(command, send_join)
