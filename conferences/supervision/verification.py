"""Follows every command until it is settled: read back, asked again, or escalated towards silence."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from conferences.changes import board_change
from conferences.fast_sql import has_rows, load_rows
from conferences.models import Command, Ear, SupervisorSession
from conferences.models.supervision import Role

from .commands import clock, is_replaced, settle, transmit
from .errors import NOT_SILENCED
from .late_execution import silence_late
from .line import after_hangup, hang_up, let_go
from .outbound import send_hangup, send_join, send_leave, send_role
from .readback import Verdict, is_alive, is_in_doubt, read, reads_muted
from .rejoin import rejoin
from .roles import fall_back
from .sessions import after_leave, leave_session

Kind = Command.Kind
State = Command.State
READ_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.3, 1, 2, 5))
REJOIN_AFTER_READS = 2
ASK_AGAIN_AFTER = timedelta(seconds=0.7)
LOST_AFTER = timedelta(seconds=10)  # longer than any request may take
SAME_ID_FOR = timedelta(seconds=45)
ESCALATE_AFTER = timedelta(seconds=4)
LOUD_UNKNOWN_FOR = timedelta(seconds=5)
SEND_AGAIN = {Kind.JOIN: send_join, Kind.UPDATE: send_role, Kind.LEAVE: send_leave, Kind.HANGUP: send_hangup}


def check_commands(ear: Ear, *, now: datetime) -> None:
    """Follow every command of an ear that is not settled yet."""
    if not has_rows(Command, ear_id=ear.pk, state=Command.OPEN_STATES):
        return
    # The sending process ended before it stored the answer, so this counts as a request without an answer.
    lost = Command.objects.filter(ear=ear, state=State.ASKED, asked_at__lt=now - LOST_AFTER)
    if has_rows(Command, ear_id=ear.pk, state=State.ASKED) and lost.exists():
        with board_change(*lost.values_list("conference", flat=True), now=now) as change:
            change.update(lost, state=State.UNKNOWN, sent_at=Coalesce("sent_at", "asked_at"), answered_at=now)
    waiting = load_rows(Command, ear_id=ear.pk, state=[State.ACCEPTED, State.UNKNOWN])
    due = [command.pk for command in waiting if _is_due(command, now=now)]
    if not due:
        return
    commands = Command.objects.filter(pk__in=due, state__in=[State.ACCEPTED, State.UNKNOWN]).order_by("asked_at")
    for command in commands.select_related(
        "account", "ear__account", "ear__user", "session__ear__account", "conference"
    ):
        if command.kind in {Kind.DIAL, Kind.GATHER}:
            if command.state == State.ACCEPTED:
                settle(command, State.VERIFIED, now=now)
            elif ear.ended_at is not None or command.age(now) > SAME_ID_FOR:
                settle(command, State.EXPIRED, now=now)
        elif command.state == State.UNKNOWN:
            _resolve(command, now=now)
        elif command.kind == Kind.HANGUP:
            _check_hangup(command, ear, now=now)
        else:
            _read_back(command, now=now)


def _is_due(command: Command, *, now: datetime) -> bool:
    """Return whether something is to be done; what is only to be read back waits longer each time."""
    if command.state == State.UNKNOWN or command.kind in {Kind.DIAL, Kind.GATHER, Kind.HANGUP}:
        return True
    return command.session_id is None or command.age(now) >= READ_AFTER[min(command.reads, len(READ_AFTER) - 1)]


def _check_hangup(command: Command, ear: Ear, *, now: datetime) -> None:
    """Verify a hang-up by reading that the call itself has ended; its acceptance proves nothing."""
    if ear.ended_at is None and command.age(now) < READ_AFTER[min(command.reads, len(READ_AFTER) - 1)]:
        return
    if ear.ended_at is not None or not is_alive(command, ear):
        settle(command, State.VERIFIED, now=now)
        after_hangup(ear, command, now=now)
    elif command.reads >= 2:
        settle(
            command, State.CONTRADICTED, outcome=_("Telnyx accepted this, but your phone is still connected."), now=now
        )
        hang_up(ear, reason=ear.end_reason, now=now)


def _resolve(command: Command, *, now: datetime) -> None:
    """Resolve a request without an answer: quieter ones are sent again, louder ones are only read back."""
    session = command.session
    first_sent = command.sent_at or command.asked_at
    if command.is_audible and session is not None:
        _resolve_loud(command, session, now=now)
    elif command.kind == Kind.JOIN and (session is None or session.ended_at is not None):
        settle(command, State.EXPIRED, now=now)
    elif now - first_sent > SAME_ID_FOR:
        settle(command, State.EXPIRED, outcome=_("Telnyx never answered this."), now=now)
        _leave_unsilenced(command)
    elif command.age(now) > ASK_AGAIN_AFTER:
        transmit(command, SEND_AGAIN[Kind(command.kind)])
        if command.kind == Kind.LEAVE and session is not None and session.ended_at is None:
            after_leave(session, command)
        elif command.kind == Kind.HANGUP and command.ear is not None and command.ear.ended_at is None:
            after_hangup(command.ear, command, now=clock())
        elif command.state == State.REJECTED:
            _leave_unsilenced(command)
        if command.state == State.UNKNOWN and now - first_sent > ESCALATE_AFTER:
            _escalate(command, now=now)


def _leave_unsilenced(command: Command) -> None:
    """Leave where Telnyx did not carry out a monitor, or the way back in of a line that counts as inside.

    Only a line that has left is certainly silent, and nothing else would follow a command that is settled.
    """
    session = command.session
    if session is None or command.kind not in {Kind.UPDATE, Kind.JOIN} or is_replaced(command):
        return
    session.refresh_from_db(fields=["stage", "ended_at"])
    if session.stage == SupervisorSession.Stage.INSIDE:
        leave_session(session, reason=_(NOT_SILENCED), now=clock())


def _escalate(command: Command, *, now: datetime) -> None:
    """Send the next stronger silencing command: monitor → leave → hang up the supervisor's own leg."""
    session, ear = command.session, command.ear
    if session is None or session.ended_at is not None or ear is None:
        return
    if command.kind == Kind.LEAVE:
        hang_up(
            ear,
            reason=_("Telnyx did not answer, so your phone was hung up to make sure that nobody hears you."),
            now=now,
        )
    elif command.kind == Kind.UPDATE:
        leave_session(session, reason=_("Telnyx did not answer, so your phone was taken out of the call."), now=now)


def _resolve_loud(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    if session.ended_at is not None:
        settle(command, State.EXPIRED, now=now)
        if _would_not_show(command, session):
            # If the line rejoined, a late execution would make it audible there, and no reading would show it.
            let_go(command.ear or session.ear, reason=_("Telnyx did not answer, so your phone was hung up."), now=now)
        return
    if command.age(now) < READ_AFTER[min(command.reads, len(READ_AFTER) - 1)]:
        return
    verdict = read(command, session)
    if verdict is Verdict.CONFIRMED and is_replaced(command):
        # Telnyx executed the two commands in reverse order, so the role of the earlier press is in force.
        silence_late(command, session, now=now)
    elif verdict is Verdict.CONFIRMED:
        _verified(command, session, now=now)
    elif now - (command.sent_at or command.asked_at) > LOUD_UNKNOWN_FOR:
        if verdict is Verdict.CANNOT_TELL or (verdict is None and _would_not_show(command, session)):
            # If it is executed late, no reading shows it; only a line that has left is certainly silent.
            settle(command, State.EXPIRED, outcome=_("Telnyx did not answer in time."), now=now)
            reason = _("Telnyx did not answer and does not show who hears you, so your phone was hung up.")
            let_go(session.ear, reason=reason, now=now)
            return
        settle(command, State.EXPIRED, outcome=_("Telnyx did not answer in time; you are back on Monitor."), now=now)
        # The lost request may still be executed late; an explicit monitor comes after it.
        fall_back(session, notice="", now=now)


def _would_not_show(command: Command, session: SupervisorSession) -> bool:
    """Return whether this louder role could be in force without any reading that shows it."""
    return command.role != Role.WHISPER and not reads_muted(session)


def _read_back(command: Command, *, now: datetime) -> None:
    session = command.session
    if session is None or command.ear is None:
        settle(command, State.UNCONFIRMED, now=now)
        return
    if is_replaced(command):
        settle(command, State.UNCONFIRMED, outcome=_("Replaced by a later press before it could be checked."), now=now)
        return
    if session.conference.ended_at is not None or (command.ear.ended_at is not None and command.ear.dialled_by_us):
        state = State.VERIFIED if command.kind == Kind.LEAVE else State.UNCONFIRMED
        settle(command, state, now=now)
        return
    verdict = read(command, session)
    last = command.reads >= len(READ_AFTER)
    if verdict is Verdict.CONFIRMED:
        _verified(command, session, now=now)
    elif command.kind == Kind.LEAVE and (last or (verdict is Verdict.CONTRADICTED and command.reads >= 2)):
        _contradicted(command, session, now=now)
    elif verdict is Verdict.CONTRADICTED and command.kind == Kind.UPDATE and command.reads >= REJOIN_AFTER_READS:
        rejoin(command, session, now=now)
    elif last and verdict is Verdict.CONTRADICTED:
        _contradicted(command, session, now=now)
    elif verdict is Verdict.CANNOT_TELL and command.reads >= 2 and is_in_doubt(command, session):
        rejoin(command, session, now=now)
    elif last or (verdict is Verdict.CANNOT_TELL and command.reads >= 2):
        # The process that sent it may have been killed after the answer, before it stored the session's role.
        in_force = {"role": command.role, "targets": command.targets} if command.kind == Kind.UPDATE else {}
        settle(command, State.UNCONFIRMED, now=now, **in_force)


def _verified(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    if command.kind == Kind.LEAVE:
        settle(command, State.VERIFIED, now=now)
        after_leave(session, command)
    else:
        settle(command, State.VERIFIED, now=now, role=command.role, targets=command.targets, verified_at=now)


def _contradicted(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    """Store that Telnyx shows something else than it accepted, and move towards silence."""
    settle(command, State.CONTRADICTED, outcome=_("Telnyx accepted this but does not show it."), now=now)
    if command.kind == Kind.LEAVE:
        hang_up(session.ear, reason=_("Telnyx kept your phone in the call, so it was hung up."), now=now)
    elif session.ended_at is not None:
        return
    elif command.kind == Kind.JOIN:
        leave_session(session, reason=_("Telnyx did not let you join on Monitor."), now=now)
    elif command.role == Role.MONITOR:
        leave_session(session, reason=_("Telnyx kept your phone audible, so it was taken out of the call."), now=now)
    else:
        fall_back(session, notice=_("Telnyx did not do what it accepted, so you are back on Monitor."), now=now)
