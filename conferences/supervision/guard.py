"""Watches what is inside a conference: dropped lines, changed audiences of a whisper, lines that nobody asked for."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from conferences import audit
from conferences.audit import Action
from conferences.changes import board_change
from conferences.fast_sql import has_rows, load_rows, load_values
from conferences.models import Cause, Command, Conference, Ear, Leg, Participant, SupervisorSession
from conferences.models.account import WhisperReach
from conferences.models.supervision import Role
from conferences.projection.registers import moment, text

from .commands import store, transmit
from .line import hang_up
from .outbound import send_leave, target_call_control_ids
from .presses import Way, press_of_session
from .readback import Verdict, judge, reads_muted
from .roles import fall_back, send_role_command
from .sessions import finish, leave_session
from .stops import stops_after

Kind = Command.Kind
KNOWN = {Leg.Party.AGENT, Leg.Party.SUPERVISOR}
State = Command.State


def obey_late_stop(session: SupervisorSession, *, now: datetime) -> bool:
    """Obey a stop that was stored after what it makes void had begun; return whether there was one.

    A stop by the page's note is stored when the database is back, and a hop may have gone on in the meantime.
    """
    press = press_of_session(session)
    ways = stops_after(session.user, press) if press is not None else set()
    if ways - {Way.QUIETER}:
        leave_session(session, reason=_("You left."), cause=Cause.PRESSED, now=now)
    elif ways and session.stage == SupervisorSession.Stage.INSIDE and session.is_audible:
        fall_back(session, notice=_("You asked for silence, so you are back on Monitor."), now=now)
    else:
        return False
    return True


def check_inside(session: SupervisorSession, *, now: datetime) -> None:
    """Keep the verified time fresh from the regular readings, notice a drop, and watch who joins a whisper."""
    ear = session.ear
    legs = load_values(Leg, "id", account_id=ear.account_id, call_control_id=ear.call_control_id)
    mine = next(iter(load_rows(Participant, conference_id=session.conference_id, leg_id=legs)), None)
    if mine is None or session.inside_at is None:
        return
    if not mine.present:
        gone = _left_at(mine, ear)
        if gone is not None and gone > session.inside_at:
            finish(session, reason=_("Telnyx says that your phone is no longer in the call."), now=now)
        return
    if has_rows(Command, session_id=session.pk, state=Command.OPEN_STATES):
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
        with board_change(session.conference_id, now=now) as change:
            change.update(SupervisorSession.objects.filter(pk=session.pk), verified_at=mine.read_at)
    elif verdict is Verdict.CONTRADICTED:
        notice = _("Telnyx showed another role than yours, so you are back on Monitor.")
        fall_back(session, notice=notice, now=now)


def _left_at(mine: Participant, ear: Ear) -> datetime | None:
    """Return when a line left, by our clock: a webhook tells it by Telnyx', a reading by ours."""
    left = moment(mine.facts, "presence") if text(mine.facts, "presence") == "left" else None
    if left is not None and left == mine.left_at:
        return ear.account.on_our_clock(left)
    return mine.left_at or mine.gone_at


def _audience_changed(session: SupervisorSession, *, now: datetime) -> bool:
    """Keep a whisper safe when somebody joins or leaves; return whether something was done."""
    participants = Participant.objects.filter(conference=session.conference_id, present=True).select_related(
        "leg__agent"
    )
    present = {str(participant.leg_id): participant.leg for participant in participants}
    audience = {pk for pk, leg in present.items() if leg.party != Leg.Party.SUPERVISOR}
    seen = set(session.audience_seen)
    # Recognition may have changed a leg's owner since the whisper began.
    targets = [pk for pk in session.targets if pk in present and present[pk].party == Leg.Party.AGENT]
    whisper = Command.objects.filter(session=session, role=Role.WHISPER).newest()
    came = [
        participant.leg
        for participant in participants
        if _is_new(participant, seen) or _came_since(participant, whisper, session.ear)
    ]
    if audience == seen and targets == session.targets and not came:
        return False
    stays_private = session.ear.account.whisper_reaches == WhisperReach.LISTED_ONLY
    if not targets:
        silence = _("Nobody you whispered to is on the call any more, so you are back on Monitor.")
    elif any(leg.party not in KNOWN for leg in came) and not stays_private:
        # Telnyx does not document whether a later joiner hears a running whisper (T05), and a customer must not.
        silence = _("Somebody who is not a known agent joined, so your whisper was stopped.")
    elif _asserted_again(session, targets=targets, audience=sorted(audience), now=now):
        return True
    else:
        silence = _("Telnyx did not renew your whisper after somebody joined or left, so you are back on Monitor.")
    fall_back(session, notice=silence, now=now)
    return True


def _asserted_again(session: SupervisorSession, *, targets: list[str], audience: list[str], now: datetime) -> bool:
    """Send the list again; return whether Telnyx may have taken it."""
    command = send_role_command(session, role=Role.WHISPER, listeners=targets, audience=audience, again=True, now=now)
    return command is None or command.state not in {State.REJECTED, State.EXPIRED}


def _is_new(participant: Participant, seen: set[str]) -> bool:
    return participant.leg.party != Leg.Party.SUPERVISOR and str(participant.leg_id) not in seen


def _came_since(participant: Participant, whisper: Command | None, ear: Ear) -> bool:
    """Return whether somebody whom no page's list would show as new came in after a whisper was asked for.

    Two kinds of people are not new on any list: other supervisors, and whoever left and came back between two looks.
    Their last coming in is compared by the board's version, because the two clocks may differ by more than the time
    they were away.
    """
    if participant.leg.call_control_id == ear.call_control_id:
        return False
    return whisper is not None and participant.came_in > whisper.generation


def _settled_at(session: SupervisorSession) -> datetime | None:
    newest = Command.objects.filter(session=session).newest(Kind.JOIN, Kind.UPDATE)
    return (newest.settled_at or newest.answered_at) if newest is not None else None


def remove_unexpected_leg(ear: Ear, *, now: datetime) -> None:
    """Take a line that Floorline dialled out of every conference that it has no open session in."""
    if not ear.dialled_by_us or not ear.call_control_id:
        return
    legs = load_values(Leg, "id", account_id=ear.account_id, call_control_id=ear.call_control_id)
    for participant in load_rows(Participant, leg_id=legs, present=True):
        # Read after the participants, because a session is stored before its line can be inside.
        if has_rows(SupervisorSession, ear_id=ear.pk, conference_id=participant.conference_id, ended_at=None):
            continue
        if not has_rows(Conference, id=participant.conference_id, ended_at=None):
            continue
        sessions = SupervisorSession.objects.filter(ear=ear, conference=participant.conference_id)
        last = sessions.select_related("ear__account", "ear__user", "conference", "user").order_by("-ended_at").first()
        if last is None:
            hang_up(ear, reason=_("Your phone was in a call that you did not choose, so it was hung up."), now=now)
        elif _came_back(participant, last):
            _take_out(last, now=now)


def _came_back(participant: Participant, last: SupervisorSession) -> bool:
    """Return whether the line was seen inside after everything that led out: older sights may just be late."""
    leaves = Command.objects.filter(session=last, kind=Command.Kind.LEAVE)
    if leaves.open().exists():
        return False
    newest = leaves.newest()
    answered = (newest.settled_at or newest.answered_at) if newest is not None else None
    left = [at for at in (last.ended_at, answered) if at is not None]
    told = moment(participant.facts, "presence") if text(participant.facts, "presence") == "joined" else None
    joined = last.ear.account.on_our_clock(told) if told is not None else None
    seen = [at for at in (participant.listed_at, joined) if at is not None]
    return bool(seen) and max(seen) > max(left)


def _take_out(session: SupervisorSession, *, now: datetime) -> None:
    with board_change(session.conference_id, now=now) as change:
        audit.record(
            Action.FOUND_INSIDE,
            at=now,
            actor=session.user,
            conference=session.conference,
            session=session,
            detail="Telnyx brought the line in after it had left",
        )
        command = store(kind=Command.Kind.LEAVE, ear=session.ear, session=session, version=change.version, now=now)
    transmit(command, send_leave)
