"""A command's life: stored, sent outside any transaction, and its outcome stored again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from conferences import audit, changes
from conferences.clients import client_for
from conferences.models import Command, Conference, Ear, Leg, SupervisorSession
from conferences.models.supervision import Role
from conferences.projection import touch
from conferences.rows import add_row, load_rows
from conferences.telnyx.client import (
    Barge,
    Client,
    Monitor,
    MyLeg,
    Rejected,
    Stay,
    SupervisorRole,
    Unanswered,
    Whisper,
)

from .words import explain

Send = Callable[[Client, Command], Any]
LOUD = frozenset({Role.WHISPER, Role.BARGE, Role.NONE})
# A role that somebody would hear is never sent later than this after its click.
LOUD_FOR = timedelta(seconds=5)
# A way to silence does not wait for a lost answer: the identical command is sent again at once, as Telnyx advises
# (https://developers.telnyx.com, command retries: after 500 ms), then with more patience.
HEDGES = (0.7, 1.5)
PATIENCE = 4.0


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
    )
    add_row(command)
    _record(command, "asked", at=now)
    return command


def transmit(command: Command, send: Send, *, clicked_at: datetime | None = None) -> Any:
    """Send a stored command and store what came of it; return Telnyx' answer, None where there is none.

    `clicked_at` is when a role was asked for, where that was before the command was stored.
    Raises nothing: the outcome is in the command. May be called again for the same command: Telnyx ignores a
    command_id it has seen in the last minute.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a command must be committed before it is sent")
    now = clock()
    if command.role in LOUD and now - (clicked_at or command.asked_at) > LOUD_FOR:
        settle(command, Command.State.EXPIRED, outcome=_("Too late to be sent; press again."), now=now)
        return None
    if _is_overtaken(command):
        settle(command, Command.State.EXPIRED, outcome=_("A later change came first, so this was not sent."), now=now)
        return None
    command.sent_at = command.sent_at or now
    command.attempts += 1
    try:
        answer = send(client_for(command.account), command)
    except Rejected as error:
        # The way to silence is not given up for a rate limit: it counts as unanswered, and is asked for again.
        waits = error.status == 429 and is_quieter(command)
        _settle(command, Command.State.UNKNOWN if waits else Command.State.REJECTED, error=error)
        return None
    except Unanswered as error:
        if is_quieter(command) and command.attempts == 1:
            return transmit(command, send)
        _settle(command, Command.State.UNKNOWN, error=error)
        return None
    _settle(command, Command.State.ACCEPTED)
    return answer


def _is_overtaken(command: Command) -> bool:
    """Say whether this would undo something that was asked of the same line later.

    A louder role gives way to anything. A join, though it is silent, gives way to a way out: sent again after a leave,
    it would bring in a line that nobody knows to be inside.
    """
    later = Command.objects.filter(ear=command.ear_id, generation__gt=command.generation)
    if command.role in LOUD:
        return later.exists()
    ways_out = Q(kind=Command.Kind.HANGUP) | Q(kind=Command.Kind.LEAVE, session=command.session_id)
    return command.kind == Command.Kind.JOIN and later.filter(ways_out).exists()


def is_replaced(command: Command) -> bool:
    """Say whether a later change of the same stay may have reached Telnyx."""
    later = Command.objects.filter(session=command.session_id, generation__gt=command.generation)
    changes_of_role = later.filter(kind__in=[Command.Kind.JOIN, Command.Kind.UPDATE, Command.Kind.LEAVE])
    return changes_of_role.exclude(state__in=[Command.State.REJECTED, Command.State.EXPIRED]).exists()


def is_quieter(command: Command) -> bool:
    """Say whether a command leads towards silence."""
    leads_out = command.kind in {Command.Kind.LEAVE, Command.Kind.HANGUP}
    return leads_out or (command.kind == Command.Kind.UPDATE and command.role == Role.MONITOR)


def patience(command: Command) -> float:
    """Return how many seconds this attempt waits for its answer."""
    hedged = is_quieter(command) and 0 < command.attempts <= len(HEDGES)
    return HEDGES[command.attempts - 1] if hedged else PATIENCE


def settle(command: Command, state: Command.State, *, outcome: str = "", now: datetime) -> None:
    """Store a command's last state, as a reading (or giving up) decided it."""
    command.state, command.settled_at = state, now
    command.outcome = outcome or command.outcome
    with transaction.atomic():
        version = changes.advance(now=now)
        command.save(update_fields=["state", "settled_at", "outcome"])
        _record(command, state, at=now)
        if command.conference_id:
            touch(conferences=[command.conference_id], version=version)


def _settle(command: Command, state: Command.State, *, error: Rejected | Unanswered | None = None) -> None:
    now = clock()
    command.state, command.answered_at = state, now
    command.outcome = explain(error) if error else ""
    if isinstance(error, Rejected):
        command.http_status, command.telnyx_code, command.settled_at = error.status, error.code, now
    elif error is None:
        command.http_status = 200
    with transaction.atomic():
        version = changes.advance(now=now)
        command.save()
        _record(command, state, at=now)
        if command.conference_id:
            touch(conferences=[command.conference_id], version=version)


def _record(command: Command, action: str, *, at: datetime) -> None:
    audit.record(
        f"{command.kind} {action}",
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
    """Say what the audit has no column for: the role before, Telnyx' answer and how long it took, and why.

    The audit outlives the command's own row.
    """
    details = []
    if command.state == Command.State.ASKED and command.session is not None and command.role:
        details.append(f"before: {command.session.role}")
    if command.http_status is not None:
        details.append(f"HTTP {command.http_status} {command.telnyx_code}".strip())
    if command.sent_at is not None and command.answered_at is not None:
        details.append(f"{(command.answered_at - command.sent_at) / timedelta(milliseconds=1):.0f} ms")
    return " · ".join([*details, command.outcome] if command.outcome else details)


# --- what each kind sends ---------------------------------------------------------------------------------------------


def my_leg(ear: Ear) -> MyLeg:
    """Return the supervisor's own leg: the only one that commands can name."""
    return MyLeg(ear.call_control_id)


def send_join(client: Client, command: Command) -> None:
    ear, conference = _pinned(command)
    client.join(command_id=command.pk, conference_id=conference.telnyx_id, my_leg=my_leg(ear), role=_role(command))


def send_role(client: Client, command: Command) -> None:
    ear, conference = _pinned(command)
    client.set_role(
        command_id=command.pk,
        conference_id=conference.telnyx_id,
        my_leg=my_leg(ear),
        role=_role(command),
        patience=patience(command),
    )


def send_leave(client: Client, command: Command) -> None:
    ear, conference = _pinned(command)
    client.leave(
        command_id=command.pk, conference_id=conference.telnyx_id, my_leg=my_leg(ear), patience=patience(command)
    )


def send_hangup(client: Client, command: Command) -> None:
    if command.ear is not None:
        client.hangup(command_id=command.pk, my_leg=my_leg(command.ear), patience=patience(command))


def _pinned(command: Command) -> tuple[Ear, Conference]:
    if command.ear is None or command.conference is None:
        raise RuntimeError("a conference command belongs to an ear and a conference")
    return command.ear, command.conference


def _role(command: Command) -> SupervisorRole:
    if command.role == Role.WHISPER:
        ids = target_call_control_ids(command.targets)
        return Whisper(ids[0], tuple(ids[1:]))
    roles: dict[str, SupervisorRole] = {Role.MONITOR: Monitor(), Role.BARGE: Barge(), Role.NONE: Stay()}
    return roles[command.role]


def target_call_control_ids(targets: Collection[str]) -> list[str]:
    """Return Telnyx's ids for our own leg ids, in order."""
    known = {str(leg.pk): leg.call_control_id for leg in load_rows(Leg, id=[UUID(target) for target in targets])}
    return [known[str(target)] for target in targets if str(target) in known]
