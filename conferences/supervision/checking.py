"""Reading back: what was accepted is not believed until Telnyx shows it, and doubt moves towards silence."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Command, Ear, Leg, Participant, SupervisorSession
from conferences.models.account import WhisperReach
from conferences.models.supervision import Role
from conferences.projection import touch
from conferences.registers import moment

from .changing import send_role_command, silence_again
from .commands import (
    LOUD,
    clock,
    is_replaced,
    send_hangup,
    send_join,
    send_leave,
    send_role,
    settle,
    target_call_control_ids,
    transmit,
)
from .doubting import is_in_doubt
from .leaving import after_hangup, after_leave, finish, hang_up, leave_session, let_go
from .readback import Verdict, is_alive, judge, read, reads_muted
from .rejoining import rejoin

Kind = Command.Kind
State = Command.State

READ_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.3, 1, 2, 5))
REJOIN_AFTER_READS = 2
ASK_AGAIN_AFTER = timedelta(seconds=0.7)
LOST_AFTER = timedelta(seconds=10)  # longer than any request may take
SAME_ID_FOR = timedelta(seconds=45)
ESCALATE_AFTER = timedelta(seconds=4)
LOUD_UNKNOWN_FOR = timedelta(seconds=5)
CLOCKS_DIFFER = timedelta(seconds=2)  # Telnyx' and ours
KNOWN = {Leg.Party.AGENT, Leg.Party.SUPERVISOR}
SEND_AGAIN = {Kind.JOIN: send_join, Kind.UPDATE: send_role, Kind.LEAVE: send_leave, Kind.HANGUP: send_hangup}


def check_commands(ear: Ear, *, now: datetime) -> None:
    """Follow every command of an ear that is not settled yet."""
    # Whoever sent it died before the answer was stored: from here on it is a request without an answer.
    lost = Command.objects.filter(ear=ear, state=State.ASKED, asked_at__lt=now - LOST_AFTER)
    lost.update(state=State.UNKNOWN, sent_at=Coalesce("sent_at", "asked_at"), answered_at=now)
    commands = Command.objects.filter(ear=ear, state__in=[State.ACCEPTED, State.UNKNOWN]).order_by("asked_at")
    for command in commands.select_related(
        "account", "ear__account", "ear__user", "session__ear__account", "conference"
    ):
        if command.kind in {Kind.DIAL, Kind.GATHER}:
            if command.state == State.ACCEPTED:
                settle(command, State.VERIFIED, now=now)
            elif ear.ended_at is not None or _since_answer(command, now) > SAME_ID_FOR:
                settle(command, State.EXPIRED, now=now)
        elif command.state == State.UNKNOWN:
            _resolve(command, now=now)
        elif command.kind == Kind.HANGUP:
            _check_hangup(command, ear, now=now)
        else:
            _read_back(command, now=now)


def _check_hangup(command: Command, ear: Ear, *, now: datetime) -> None:
    """An accepted hang-up is not believed either: the call itself must be dead."""
    if ear.ended_at is None and _since_answer(command, now) < READ_AFTER[min(command.reads, len(READ_AFTER) - 1)]:
        return
    if ear.ended_at is not None or not is_alive(command, ear):
        settle(command, State.VERIFIED, now=now)
        after_hangup(ear, command, now=now)
    elif command.reads >= 2:
        settle(command, State.CONTRADICTED, outcome=_("Telnyx accepted this but the line is still up."), now=now)
        hang_up(ear, reason=ear.end_reason, now=now)


def _resolve(command: Command, *, now: datetime) -> None:
    """Find out about a request without an answer: quieter ones are asked again, louder ones are only looked for."""
    session = command.session
    first_sent = command.sent_at or command.asked_at
    if command.role in LOUD and session is not None:
        _resolve_loud(command, session, now=now)
    elif command.kind == Kind.JOIN and (session is None or session.ended_at is not None):
        settle(command, State.EXPIRED, now=now)
    elif now - first_sent > SAME_ID_FOR:
        settle(command, State.EXPIRED, outcome=_("Telnyx never answered this."), now=now)
    elif _since_answer(command, now) > ASK_AGAIN_AFTER:
        transmit(command, SEND_AGAIN[Kind(command.kind)])
        if command.kind == Kind.LEAVE and session is not None and session.ended_at is None:
            after_leave(session, command, now=clock())
        elif command.kind == Kind.HANGUP and command.ear is not None and command.ear.ended_at is None:
            after_hangup(command.ear, command, now=clock())
        if command.state == State.UNKNOWN and now - first_sent > ESCALATE_AFTER:
            _escalate(command, now=now)


def _escalate(command: Command, *, now: datetime) -> None:
    """Silence must not wait for Telnyx: monitor → leave → hang up the supervisor's own leg."""
    session, ear = command.session, command.ear
    if session is None or session.ended_at is not None or ear is None:
        return
    if command.kind == Kind.LEAVE:
        hang_up(
            ear, reason=_("Telnyx did not answer, so your line was hung up to be sure that nobody hears you."), now=now
        )
    elif command.kind == Kind.UPDATE:
        leave_session(session, reason=_("Telnyx did not answer, so your line was taken out."), now=now)


def _resolve_loud(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    if session.ended_at is not None:
        settle(command, State.EXPIRED, now=now)
        if command.role != Role.WHISPER and not reads_muted(session):
            # Should the line come back, a late execution would be heard there, and no reading would show it.
            let_go(command.ear or session.ear, reason=_("Telnyx did not answer, so your line was released."), now=now)
        return
    if _since_answer(command, now) < READ_AFTER[min(command.reads, len(READ_AFTER) - 1)]:
        return
    verdict = read(command, session)
    if verdict is Verdict.CONFIRMED and is_replaced(command):
        # Telnyx executed the two the other way round: the later wish was not to be heard like this.
        settle(command, State.EXPIRED, outcome=_("A later change came first."), now=now)
        silence_again(session, now=now)
    elif verdict is Verdict.CONFIRMED:
        _verified(command, session, now=now)
    elif now - (command.sent_at or command.asked_at) > LOUD_UNKNOWN_FOR:
        if verdict is Verdict.CANNOT_TELL:
            # Should it be executed late, no reading would show it: only a line that is gone is surely silent.
            settle(command, State.EXPIRED, outcome=_("Telnyx did not answer in time."), now=now)
            reason = _("Telnyx did not answer, and does not show here who hears you, so your line was released.")
            let_go(session.ear, reason=reason, now=now)
            return
        settle(command, State.EXPIRED, outcome=_("Telnyx did not answer in time; you are back on monitor."), now=now)
        # The lost request may still be executed late; an explicit monitor comes after it.
        _monitor(session, now=now)


def _read_back(command: Command, *, now: datetime) -> None:
    session = command.session
    if session is None or command.ear is None:
        settle(command, State.UNCONFIRMED, now=now)
        return
    if _since_answer(command, now) < READ_AFTER[min(command.reads, len(READ_AFTER) - 1)]:
        return
    if is_replaced(command):
        settle(command, State.UNCONFIRMED, outcome=_("Replaced before it could be checked."), now=now)
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
        settle(command, State.UNCONFIRMED, now=now)


def _verified(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    settle(command, State.VERIFIED, now=now)
    if command.kind == Kind.LEAVE:
        after_leave(session, command, now=now)
    else:
        SupervisorSession.objects.filter(pk=session.pk).update(
            role=command.role, targets=command.targets, verified_at=now
        )


def _contradicted(command: Command, session: SupervisorSession, *, now: datetime) -> None:
    """Telnyx shows something else than it accepted: say so, and move towards silence."""
    settle(command, State.CONTRADICTED, outcome=_("Telnyx accepted this but does not show it."), now=now)
    if command.kind == Kind.LEAVE:
        hang_up(session.ear, reason=_("Telnyx kept your line inside, so it was hung up."), now=now)
    elif session.ended_at is not None:
        return
    elif command.kind == Kind.JOIN:
        leave_session(session, reason=_("Telnyx did not bring your line in as a silent monitor."), now=now)
    elif command.role == Role.MONITOR:
        leave_session(session, reason=_("Telnyx kept your line audible, so it was taken out."), now=now)
    else:
        _monitor(session, now=now)
        _notice(session, _("Telnyx did not do what it accepted, so you are back on monitor."), now=now)


def check_inside(session: SupervisorSession, *, now: datetime) -> None:
    """Keep the verified time fresh from the regular readings, notice a drop, and watch who joins a whisper."""
    mine = Participant.objects.filter(
        conference=session.conference_id, leg__call_control_id=session.ear.call_control_id
    ).first()
    if mine is None or session.inside_at is None:
        return
    if not mine.present:
        gone = mine.left_at or mine.gone_at
        if gone is not None and gone > session.inside_at:
            finish(session, reason=_("Telnyx says that your line is no longer in the conference."), now=now)
        return
    if Command.objects.filter(session=session, state__in=[State.ASKED, State.ACCEPTED, State.UNKNOWN]).exists():
        return
    if session.role == Role.WHISPER and _audience_changed(session, now=now):
        return
    newer = mine.read_at is not None and (session.verified_at is None or mine.read_at > session.verified_at)
    if not newer or (settled := _settled_at(session)) is None or mine.read_at is None or mine.read_at < settled:
        return
    verdict = judge(
        role=session.role,
        listeners=target_call_control_ids(session.targets),
        muted=mine.muted,
        whispering_to=mine.whisper_call_control_ids,
        monitor_reads_muted=reads_muted(session),
    )
    if verdict is Verdict.CONFIRMED:
        with transaction.atomic():
            version = changes.advance(now=now)
            SupervisorSession.objects.filter(pk=session.pk).update(verified_at=mine.read_at)
            touch(conferences=[session.conference_id], version=version)
    elif verdict is Verdict.CONTRADICTED:
        _monitor(session, now=now)
        _notice(session, _("Telnyx showed something else than your role, so you are back on monitor."), now=now)


def _audience_changed(session: SupervisorSession, *, now: datetime) -> bool:
    """Keep a whisper safe when somebody joins or leaves; say whether something was done."""
    stays = Participant.objects.filter(conference=session.conference_id, present=True).select_related("leg__agent")
    present = {str(stay.leg_id): stay.leg for stay in stays}
    audience = {pk for pk, leg in present.items() if leg.party != Leg.Party.SUPERVISOR}
    seen = set(session.audience_seen)
    # A leg may turn out to be another's than it was taken for.
    targets = [pk for pk in session.targets if pk in present and present[pk].party == Leg.Party.AGENT]
    came = [stay.leg for stay in stays if _is_new(stay, seen) or _came_since(stay, session)]
    if audience == seen and targets == session.targets and not came:
        return False
    stays_private = session.ear.account.whisper_reaches == WhisperReach.LISTED_ONLY
    if not targets:
        silence = _("Nobody you whispered to is left, so you are back on monitor.")
    elif any(leg.party not in KNOWN for leg in came) and not stays_private:
        # Whether a later joiner hears a running whisper is not documented; the customer must not.
        silence = _("Someone who is no known agent joined, so your whisper was stopped.")
    elif _asserted_again(session, targets=targets, audience=sorted(audience), now=now):
        return True
    else:
        silence = _("Telnyx did not take your whisper again after somebody came or went, so you are back on monitor.")
    _monitor(session, now=now)
    _notice(session, silence, now=now)
    return True


def _asserted_again(session: SupervisorSession, *, targets: list[str], audience: list[str], now: datetime) -> bool:
    """Send the list again; say whether Telnyx may have taken it."""
    command = send_role_command(session, role=Role.WHISPER, listeners=targets, audience=audience, again=True, now=now)
    return command is None or command.state not in {State.REJECTED, State.EXPIRED}


def _is_new(stay: Participant, seen: set[str]) -> bool:
    return stay.leg.party != Leg.Party.SUPERVISOR and str(stay.leg_id) not in seen


def _came_since(stay: Participant, session: SupervisorSession) -> bool:
    """Say whether somebody whom no page's list would show as new came in after the whisper was asked for.

    Other supervisors stand on no list, and who left and came back between two looks stands on it as before.
    """
    whisper = Command.objects.filter(session=session, role=Role.WHISPER).order_by("-generation").first()
    joined = moment(stay.facts, "joined")
    if whisper is None or joined is None or stay.leg.call_control_id == session.ear.call_control_id:
        return False
    # To assert the list again for a supervisor does no harm; to stop for a customer who only seems to be back does.
    margin = timedelta(0) if stay.leg.party == Leg.Party.SUPERVISOR else CLOCKS_DIFFER
    return joined > whisper.asked_at + margin


def _monitor(session: SupervisorSession, *, now: datetime) -> None:
    send_role_command(session, role=Role.MONITOR, listeners=[], audience=session.audience_seen, now=now)


def _notice(session: SupervisorSession, notice: str, *, now: datetime) -> None:
    with transaction.atomic():
        version = changes.advance(now=now)
        SupervisorSession.objects.filter(pk=session.pk).update(notice=notice)
        touch(conferences=[session.conference_id], version=version)


def _settled_at(session: SupervisorSession) -> datetime | None:
    newest = Command.objects.filter(session=session, kind__in=[Kind.JOIN, Kind.UPDATE]).order_by("-generation").first()
    return (newest.settled_at or newest.answered_at) if newest is not None else None


def _since_answer(command: Command, now: datetime) -> timedelta:
    return now - (command.answered_at or command.asked_at)
