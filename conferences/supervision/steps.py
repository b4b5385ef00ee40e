"""Advances open ears without a click: answered lines, joins, and commands without an answer.

The worker calls step_ear() for every open ear a few times a second; each call looks at the rows, does at most a few
things that are due, and leaves the rest to the next call.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences.changes import board_change
from conferences.fast_sql import load_rows, load_values
from conferences.logins import is_signed_in
from conferences.models import Account, Cause, Command, Ear, Leg, Line, Participant, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.projection.registers import moment, value
from conferences.protections import why_protected

from .adopted_legs import mirror_call_flow
from .commands import settle, store, transmit
from .errors import ALREADY_INSIDE, NOT_ANSWERED_YET, explain_hangup
from .guard import check_inside, obey_late_stop, remove_unexpected_leg
from .late_execution import look_while_doubtful
from .line import ear_mark, end_ear, hang_up, join, let_go, pin, send_dial, send_gather
from .readback import Verdict, read
from .roles import apply_pending_role, send_role_command
from .sessions import after_leave, finish, leave_again, leave_session, session_of
from .upkeep import keep_safe
from .verification import ESCALATE_AFTER, check_commands

Stage = SupervisorSession.Stage
State = Command.State
RING_FOR = timedelta(seconds=45)
CONFIRM_WITHIN = timedelta(seconds=30)
DIAL_AGAIN_AFTER = timedelta(seconds=2)
JOIN_AGAIN_AFTER = timedelta(milliseconds=500)
JOIN_TRIES = 8
TRY_AGAIN_AFTER = timedelta(seconds=1)
SETTLED_IN = timedelta(seconds=3)


def open_ears() -> dict[UUID, int]:
    """Return the ears that have something to follow, with their accounts: live ones, and with a command still open."""
    waiting = load_values(Command, "ear_id", state=Command.OPEN_STATES)
    live = {ear.pk: ear.account_id for ear in load_rows(Ear, ended_at=None)}
    ended = {ear_id for ear_id in waiting if ear_id is not None} - live.keys()
    return live | {ear.pk: ear.account_id for ear in (load_rows(Ear, id=ended) if ended else ())}


def _load_ear(ear_id: UUID) -> Ear:
    """Return an ear with its account, line and owner: row by row, since it is asked for several times a second."""
    [ear] = load_rows(Ear, id=ear_id)
    [ear.account] = load_rows(Account, id=ear.account_id)
    [ear.user] = load_rows(User, id=ear.user_id)
    ear.line = next(iter(load_rows(Line, id=ear.line_id)), None) if ear.line_id is not None else None
    return ear


def step_ear(*, ear_id: UUID, now: datetime) -> None:
    """Do what is due for one ear."""
    ear = _load_ear(ear_id)
    if mirror_call_flow(ear, now=now):
        return
    if ear.ended_at is None:
        _step_line(ear, now=now)
        look_while_doubtful(ear, now=now)
        remove_unexpected_leg(ear, now=now)
    session = session_of(ear)
    if session is not None:
        _step_session(session, now=now)
    check_commands(ear, now=now)


def _step_line(ear: Ear, *, now: datetime) -> None:
    if not ear.call_control_id:
        _find_lost_dial(ear, now=now)
        return
    leg = next(iter(load_rows(Leg, account_id=ear.account_id, call_control_id=ear.call_control_id)), None)
    if leg is not None and leg.hung_up_at is not None:
        # No command is open that would show this: a phone that was not answered, or a line that dropped during a call.
        dropped = explain_hangup(leg.hangup_cause, answered=leg.answered_at is not None)
        reason = ear.end_reason if ear.state == Ear.State.ENDING else dropped
        end_ear(ear, reason=reason, now=now)
    elif ear.state == Ear.State.DIALLING:
        _step_dialling(ear, leg, now=now)
    elif ear.state == Ear.State.CONFIRMING:
        _step_confirming(ear, leg, now=now)
    elif ear.state == Ear.State.ENDING:
        _step_ending(ear, now=now)
    elif not ear.account.is_active:
        let_go(ear, reason=_("The Telnyx account of your phone is not in use any more."), cause=Cause.RIGHTS, now=now)
    elif not ear.user.is_active:
        let_go(ear, reason=_("Your account was deactivated."), cause=Cause.RIGHTS, now=now)
    elif not is_signed_in(ear.user, now=now):
        signed_out = _("You are no longer signed in, so your phone was hung up.")
        let_go(ear, reason=signed_out, cause=Cause.RIGHTS, now=now)
    else:
        keep_safe(ear, leg, now=now)


def _find_lost_dial(ear: Ear, *, now: datetime) -> None:
    """Find the leg of a dial whose answer never came, by the mark it carries; ask once more, then give up."""
    mark = ear_mark(ear)
    since = ear.account.on_telnyx_clock(ear.created_at - RING_FOR)
    for leg in Leg.objects.filter(account=ear.account, started_at__gte=since, party="supervisor"):
        if value(leg.facts, "client_state") == mark:
            pin(ear, leg.call_control_id, now=now)
            return
    dial = Command.objects.filter(ear=ear, kind=Command.Kind.DIAL).select_related("account", "ear__line").first()
    wanted = ear.state == Ear.State.DIALLING and dial is not None and dial.state == State.UNKNOWN
    if wanted and dial is not None and dial.attempts < 2 and dial.age(now) > DIAL_AGAIN_AFTER:
        answer = transmit(dial, send_dial)
        if answer is not None:
            pin(ear, answer, now=now)
    elif now - ear.created_at > RING_FOR:
        unanswered = _("Telnyx did not answer, so your phone was not rung. Try again.")
        end_ear(ear, reason=unanswered if ear.state == Ear.State.DIALLING else ear.end_reason, now=now)


def _step_dialling(ear: Ear, leg: Leg | None, *, now: datetime) -> None:
    if leg is not None and leg.answered_at is not None:
        if ear.kind == "phone":
            # A mailbox answers too; only a person presses 1.
            with board_change(*_conferences_of(ear), now=now) as change:
                asking = Ear.objects.filter(pk=ear.pk, state=Ear.State.DIALLING)
                if not change.update(asking, state=Ear.State.CONFIRMING, confirming_since=now):
                    return
                command = store(kind=Command.Kind.GATHER, ear=ear, version=change.version, cause=Cause.PRESSED, now=now)
            transmit(command, send_gather)
        else:
            _connected(ear, now=now)
    elif now - ear.created_at > RING_FOR:
        hang_up(ear, reason=_("Your phone was not answered."), now=now)


def _step_confirming(ear: Ear, leg: Leg | None, *, now: datetime) -> None:
    since = ear.confirming_since or now
    facts = leg.facts if leg is not None else {}
    told_at, gathered = moment(facts, "digit"), value(facts, "gathered")
    answer = gathered.get("digits") if isinstance(gathered, dict) else None
    pressed_at = None if told_at is None else ear.account.on_our_clock(told_at)
    pressed = value(facts, "digit") == "1" and pressed_at is not None and pressed_at >= since - timedelta(seconds=2)
    if pressed or answer == "1":
        _connected(ear, now=now)
    elif answer is not None or now - since > CONFIRM_WITHIN:
        hang_up(ear, reason=_("Nobody pressed 1 on your phone, so it was hung up."), now=now)


def _step_ending(ear: Ear, *, now: datetime) -> None:
    """Hang up again after a refusal or without an answer; repeated until the line has ended."""
    command = Command.objects.filter(ear=ear).newest(Command.Kind.HANGUP)
    settled = command is None or command.state in {State.REJECTED, State.EXPIRED, State.CONTRADICTED}
    if settled and (command is None or command.age(now) > TRY_AGAIN_AFTER):
        hang_up(ear, reason=ear.end_reason, now=now)


def _connected(ear: Ear, *, now: datetime) -> None:
    with board_change(*_conferences_of(ear), now=now) as change:
        still_open = Ear.objects.live().filter(pk=ear.pk)
        change.update(still_open, state=Ear.State.CONNECTED, connected_at=now, idle_since=now)
    ear.state = Ear.State.CONNECTED


def _conferences_of(ear: Ear) -> list[UUID]:
    return list(SupervisorSession.objects.open().filter(ear=ear).values_list("conference", flat=True))


def _step_session(session: SupervisorSession, *, now: datetime) -> None:
    if session.conference.ended_at is not None:
        finish(session, reason=_("The call ended."), now=now)
    elif session.stage != Stage.LEAVING and (lost := _right_lost(session)):
        leave_session(session, reason=lost, cause=Cause.RIGHTS, now=now)
    elif session.stage != Stage.LEAVING and obey_late_stop(session, now=now):
        return
    elif session.stage == Stage.CONNECTING:
        if session.ear.state == Ear.State.CONNECTED:
            join(session, now=now)
    elif session.stage == Stage.JOINING:
        _step_joining(session, now=now)
    elif session.stage == Stage.INSIDE:
        _step_inside(session, now=now)
    elif session.stage == Stage.LEAVING and session.ear.state != Ear.State.ENDING:
        _step_leaving(session, now=now)


def _step_leaving(session: SupervisorSession, *, now: datetime) -> None:
    """Leave again after a refusal, unless the line is seen to be out; where that does not help, hang up our own leg."""
    leaves = Command.objects.filter(session=session, kind=Command.Kind.LEAVE).order_by("generation")
    newest = leaves.last()
    if newest is None or newest.is_open:
        return
    # An earlier verified leave belongs to a rejoin, not to this leave.
    first = leaves.exclude(state=State.VERIFIED).first() or newest
    if newest.state == State.REJECTED and newest.reads == 0 and read(newest, session) is Verdict.CONFIRMED:
        settle(newest, State.VERIFIED, now=now)
    if newest.state == State.VERIFIED:
        after_leave(session, newest)
    elif now - first.asked_at > ESCALATE_AFTER:
        reason = _("Telnyx did not let your phone leave, so it was hung up to make sure that nobody hears you.")
        hang_up(session.ear, reason=reason, now=now)
    elif newest.age(now) > TRY_AGAIN_AFTER:
        leave_again(session, now=now)


def _right_lost(session: SupervisorSession) -> str:
    """Return why somebody may not go on listening; empty where they may."""
    rights = rights_book(session.user).in_teams(teams_of(session.conference))
    if not (session.user.is_active and rights.allow(Role.MONITOR) and rights.allow(session.role)):
        return _("You are no longer allowed to listen here.")
    return why_protected(session.conference_id)


def _step_joining(session: SupervisorSession, *, now: datetime) -> None:
    command = Command.objects.filter(session=session).newest(Command.Kind.JOIN)
    if command is None:
        return
    if command.state in {State.ACCEPTED, State.VERIFIED, State.UNCONFIRMED} or command.telnyx_code == ALREADY_INSIDE:
        _inside(session, now=now)
        if command.telnyx_code == ALREADY_INSIDE:
            # The role in which it is inside is unknown, so monitor is sent explicitly.
            send_role_command(session, role=Role.MONITOR, listeners=[], audience=session.audience_seen, now=now)
    elif command.state == State.REJECTED:
        tries = Command.objects.filter(session=session, kind=Command.Kind.JOIN).count()
        if command.telnyx_code == NOT_ANSWERED_YET and tries < JOIN_TRIES:
            if command.age(now) > JOIN_AGAIN_AFTER:
                with board_change(session.conference_id, now=now) as change:
                    joining = SupervisorSession.objects.filter(pk=session.pk, stage=Stage.JOINING)
                    change.update(joining, stage=Stage.CONNECTING)
                session.stage = Stage.CONNECTING
                join(session, now=now)
        else:
            finish(session, reason=command.outcome, now=now)
    elif command.state in {State.EXPIRED, State.CONTRADICTED}:
        leave_session(session, reason=_("Telnyx did not answer, so your phone did not join."), now=now)


def _inside(session: SupervisorSession, *, now: datetime) -> None:
    with board_change(session.conference_id, now=now) as change:
        joining = SupervisorSession.objects.filter(pk=session.pk, stage=Stage.JOINING)
        moved = change.update(joining, stage=Stage.INSIDE, inside_at=now, role=Role.MONITOR, targets=[])
    if moved:
        session.stage, session.inside_at, session.role = Stage.INSIDE, now, Role.MONITOR


def _step_inside(session: SupervisorSession, *, now: datetime) -> None:
    if (
        session.ear.dialled_by_us
        and session.wanted_role != Role.MONITOR
        and Command.objects.filter(session=session).newest(Command.Kind.UPDATE) is None
    ):
        # The first role after joining waits until the joining itself has been read back.
        joined = Command.objects.filter(session=session).newest(Command.Kind.JOIN)
        if joined is not None and joined.state in {State.VERIFIED, State.UNCONFIRMED, State.REJECTED}:
            apply_pending_role(session, now=now)
        return
    if _only_supervisors_left(session, now=now):
        leave_session(session, reason=_("Everyone else has left."), cause=Cause.CALL_ENDED, now=now)
        return
    check_inside(session, now=now)


def _only_supervisors_left(session: SupervisorSession, *, now: datetime) -> bool:
    if session.inside_at is None or now - session.inside_at < SETTLED_IN:
        return False
    present = {"conference_id": session.conference_id, "present": True}
    return not _some_are_no_supervisors(**present) and _some_are_no_supervisors(conference_id=session.conference_id)


def _some_are_no_supervisors(**participants: Any) -> bool:
    parties = load_values(Leg, "party", id=load_values(Participant, "leg_id", **participants))
    return any(party != Leg.Party.SUPERVISOR for party in parties)
