"""Stores commands, sends them outside any transaction, and stores what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext as _

from conferences import audit
from conferences.changes import board_change
from conferences.clients import client_for
from conferences.fast_sql import Above, add_row, has_rows
from conferences.models import Cause, Command, Ear, Stop, SupervisorSession
from conferences.models.records import command_action
from conferences.telnyx.client import Client
from conferences.telnyx.errors import Rejected, Unanswered

from .errors import explain
from .presses import FRESH_FOR, press_of_session
from .stops import stops_after

Send = Callable[[Client, Command], Any]


def clock() -> datetime:
    """Return the time now; commands measure their own latency with it."""
    return datetime.now(UTC)


def store(
    *,
    kind: Command.Kind,
    ear: Ear,
    session: SupervisorSession | None = None,
    role: str = "",
    targets: Iterable[UUID | str] = (),
    version: int,
    id: UUID | None = None,  # noqa: A002 - the field's own name
    pressed_at: datetime | None = None,
    cause: Cause = Cause.SAFETY,
    now: datetime,
) -> Command:
    """Store an intention in the caller's transaction, which took this board version; Telnyx will know it by its id."""
    command = Command(
        id=id or uuid4(),
        account=ear.account,
        kind=kind,
        actor=ear.user,
        ear=ear,
        session=session,
        conference=session.conference if session else None,
        role=role,
        targets=[str(target) for target in targets],
        generation=version,
        asked_at=now,
        pressed_at=pressed_at,
        cause=cause,
    )
    add_row(command)
    _record(command, "asked", at=now)
    return command


def transmit(command: Command, send: Send) -> Any:
    """Send a stored command and store what came of it; return Telnyx' answer, None where there is none.

    Raises nothing: the outcome is in the command. May be called again for the same command: Telnyx ignores a
    command_id it has seen in the last minute.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a command must be committed before it is sent")
    now = clock()
    if command.is_audible and now - (command.pressed_at or command.asked_at) > FRESH_FOR:
        settle(command, Command.State.EXPIRED, outcome=_("It took too long and was not sent. Press again."), now=now)
        return None
    if _is_overtaken(command):
        settle(command, Command.State.EXPIRED, outcome=_("A later change came first, so this was not sent."), now=now)
        return None
    command.sent_at = command.sent_at or now
    command.attempts += 1
    try:
        answer = send(client_for(command.account), command)
    except Rejected as error:
        # A silencing command is not given up at a rate limit: 429 counts as no answer, and it is sent again.
        retry_later = error.status == 429 and command.is_quieter
        _settle(command, Command.State.UNKNOWN if retry_later else Command.State.REJECTED, error=error)
        return None
    except Unanswered as error:
        if command.is_quieter and command.attempts == 1:
            return transmit(command, send)
        _settle(command, Command.State.UNKNOWN, error=error)
        return None
    _settle(command, Command.State.ACCEPTED)
    return answer


def _is_overtaken(command: Command) -> bool:
    """Return whether this would undo something that was asked of the same line later.

    A louder role gives way to anything. A join, though it is silent, gives way to a way out: sent again after a leave,
    it would bring in a line that nobody knows to be inside.
    """
    later = Command.objects.filter(ear=command.ear_id, generation__gt=command.generation)
    if command.is_audible:
        return later.exists()
    if command.kind != Command.Kind.JOIN:
        return False
    ways_out = Q(kind=Command.Kind.HANGUP) | Q(kind=Command.Kind.LEAVE, session=command.session_id)
    return later.filter(ways_out).exists() or _is_left_since(command.session)


def _is_left_since(session: SupervisorSession | None) -> bool:
    press = press_of_session(session) if session is not None else None
    return session is not None and press is not None and bool(stops_after(session.user, press) - {Stop.Way.QUIETER})


def is_replaced(command: Command) -> bool:
    """Return whether a later change of the same participant may have reached Telnyx."""
    return has_rows(
        Command,
        session_id=command.session_id,
        generation=Above(command.generation),
        kind=[Command.Kind.JOIN, Command.Kind.UPDATE, Command.Kind.LEAVE],
        state=[state for state in Command.State if state not in {Command.State.REJECTED, Command.State.EXPIRED}],
    )


def settle(command: Command, state: Command.State, *, outcome: str = "", now: datetime, **session: Any) -> None:
    """Store a command's last state, as a reading (or giving up) decided it, and what that changes in its session.

    Both become visible together: who is heard must not be shown later than that the command is verified.
    """
    command.state, command.settled_at = state, now
    command.outcome = outcome or command.outcome
    with board_change(command.conference_id, now=now) as change:
        command.save(update_fields=["state", "settled_at", "outcome"])
        _record(command, state, at=now)
        if session and command.session_id is not None:
            change.update(SupervisorSession.objects.filter(pk=command.session_id), **session)


def _settle(command: Command, state: Command.State, *, error: Rejected | Unanswered | None = None) -> None:
    now = clock()
    command.state, command.answered_at = state, now
    command.outcome = explain(error, kind=command.kind) if error else ""
    if isinstance(error, Rejected):
        command.http_status, command.telnyx_code, command.settled_at = error.status, error.code, now
        command.carrier_code = error.carrier_code
    elif error is None:
        command.http_status = 200
    with board_change(command.conference_id, now=now):
        command.save()
        _record(command, state, at=now)


def _record(command: Command, action: str, *, at: datetime) -> None:
    audit.record(
        command_action(command.kind, action),
        at=at,
        actor=command.actor,
        conference=command.conference,
        session=command.session,
        command=command,
        role=command.role,
        targets=command.targets,
        detail=_in_detail(command),
    )


def _in_detail(command: Command) -> str:
    """Return what the audit has no column for: the role before, Telnyx' answer and how long it took, and why.

    The audit outlives the command's own row.
    """
    details = []
    if command.state == Command.State.ASKED and command.session is not None and command.role:
        details.append(f"before: {command.session.role}")
    if command.http_status is not None:
        codes = f"{command.telnyx_code} {command.carrier_code}".strip()
        details.append(f"HTTP {command.http_status} {codes}".strip())
    if command.sent_at is not None and command.answered_at is not None:
        details.append(f"{(command.answered_at - command.sent_at) / timedelta(milliseconds=1):.0f} ms")
    return " · ".join([*details, command.outcome] if command.outcome else details)
