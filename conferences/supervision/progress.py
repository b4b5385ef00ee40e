"""What happens by itself after a click: lines answer, conferences are joined, answers that never came are resolved.

The worker calls step_ear() for every open ear a few times a second; each call looks at the rows, does at most a few
things that are due, and leaves the rest to the next call.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from conferences import changes
from conferences.models import Command, Ear, Leg, Participant, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book, teams_of
from conferences.projection import touch
from conferences.registers import moment, value

from .adopting import follow_center
from .changing import send_role_command
from .checking import ESCALATE_AFTER, check_commands, check_inside
from .commands import settle, store, transmit
from .doubting import look_while_doubtful
from .entering import ear_mark, join, pin, send_dial, send_gather
from .keeping import keep_safe
from .leaving import after_leave, end_ear, finish, hang_up, leave_again, leave_session, let_go
from .readback import Verdict, read
from .signed_in import is_signed_in
from .straying import fetch_back
from .wishing import follow_wish
from .words import ALREADY_INSIDE, NOT_ANSWERED_YET, explain_hangup

Stage = SupervisorSession.Stage
State = Command.State

RING_FOR = timedelta(seconds=45)
CONFIRM_WITHIN = timedelta(seconds=30)
DIAL_AGAIN_AFTER = timedelta(seconds=2)
JOIN_AGAIN_AFTER = timedelta(milliseconds=500)
JOIN_TRIES = 8
TRY_AGAIN_AFTER = timedelta(seconds=1)
SETTLED_IN = timedelta(seconds=3)


def open_ears() -> list[UUID]:
    """Return the ears that have something to follow: live ones, and those with a command still open."""
    waiting = Command.objects.filter(state__in=[State.ASKED, State.ACCEPTED, State.UNKNOWN]).exclude(ear=None)
    return list(Ear.objects.filter(Q(ended_at=None) | Q(pk__in=waiting.values("ear"))).values_list("pk", flat=True))


def step_ear(*, ear_id: UUID, now: datetime) -> None:
    """Do what is due for one ear."""
    ear = Ear.objects.select_related("account", "line", "user").get(pk=ear_id)
    if follow_center(ear, now=now):
        return
    if ear.ended_at is None:
        _step_line(ear, now=now)
        look_while_doubtful(ear, now=now)
        fetch_back(ear, now=now)
    session = (
        SupervisorSession.objects.select_related("ear__account", "ear__user", "conference__account", "user")
        .filter(ear=ear, ended_at=None)
        .first()
    )
    if session is not None:
        _step_session(session, now=now)
    check_commands(ear, now=now)


# --- the line ---------------------------------------------------------------------------------------------------------


def _step_line(ear: Ear, *, now: datetime) -> None:
    if not ear.call_control_id:
        _find_lost_dial(ear, now=now)
        return
    leg = Leg.objects.filter(account=ear.account, call_control_id=ear.call_control_id).first()
    if leg is not None and leg.hung_up_at is not None:
        # Nobody would learn of it otherwise: a phone that rings out, or a line that drops in the middle of a call.
        dropped = explain_hangup(leg.hangup_cause, answered=leg.answered_at is not None)
        reason = ear.end_reason if ear.state == Ear.State.ENDING else dropped
        end_ear(ear, reason=reason, now=now)
    elif ear.state == Ear.State.DIALLING:
        _step_dialling(ear, leg, now=now)
    elif ear.state == Ear.State.CONFIRMING:
        _step_confirming(ear, leg, now=now)
    elif ear.state == Ear.State.ENDING:
        _step_ending(ear, now=now)
    elif not ear.user.is_active:
        let_go(ear, reason=_("The account was deactivated."), now=now)
    elif not is_signed_in(ear.user, now=now):
        let_go(ear, reason=_("You are no longer signed in, so your line was hung up."), now=now)
    else:
        keep_safe(ear, leg, now=now)


def _find_lost_dial(ear: Ear, *, now: datetime) -> None:
    """Find the leg of a dial whose answer never came, by the mark it carries; ask once more, then give up."""
    mark = ear_mark(ear)
    for leg in Leg.objects.filter(account=ear.account, started_at__gte=ear.created_at - RING_FOR, party="supervisor"):
        if value(leg.facts, "client_state") == mark:
            pin(ear, leg.call_control_id, now=now)
            return
    dial = Command.objects.filter(ear=ear, kind=Command.Kind.DIAL).select_related("account", "ear__line").first()
    wanted = ear.state == Ear.State.DIALLING and dial is not None and dial.state == State.UNKNOWN
    if wanted and dial is not None and dial.attempts < 2 and _age(dial, now) > DIAL_AGAIN_AFTER:
        answer = transmit(dial, send_dial)
        if answer is not None:
            pin(ear, answer, now=now)
    elif now - ear.created_at > RING_FOR:
        unanswered = _("Telnyx did not answer, so your line was not dialled. Try again.")
        end_ear(ear, reason=unanswered if ear.state == Ear.State.DIALLING else ear.end_reason, now=now)


def _step_dialling(ear: Ear, leg: Leg | None, *, now: datetime) -> None:
    if leg is not None and leg.answered_at is not None:
        if ear.kind == "phone":
            # A mailbox answers too; only a person presses 1.
            with transaction.atomic():
                version = changes.advance(now=now)
                asking = Ear.objects.filter(pk=ear.pk, state=Ear.State.DIALLING)
                if not asking.update(state=Ear.State.CONFIRMING, confirming_since=now):
                    return
                command = store(kind=Command.Kind.GATHER, ear=ear, version=version, now=now)
                _touch_session(ear)
            transmit(command, send_gather)
        else:
            _connected(ear, now=now)
    elif now - ear.created_at > RING_FOR:
        hang_up(ear, reason=_("Your line was not answered."), now=now)


def _step_confirming(ear: Ear, leg: Leg | None, *, now: datetime) -> None:
    since = ear.confirming_since or now
    facts = leg.facts if leg is not None else {}
    pressed_at, gathered = moment(facts, "digit"), value(facts, "gathered")
    answer = gathered.get("digits") if isinstance(gathered, dict) else None
    pressed = value(facts, "digit") == "1" and pressed_at is not None and pressed_at >= since - timedelta(seconds=2)
    if pressed or answer == "1":
        _connected(ear, now=now)
    elif answer is not None or now - since > CONFIRM_WITHIN:
        hang_up(ear, reason=_("Nobody pressed 1 on your phone, so the line was released."), now=now)


def _step_ending(ear: Ear, *, now: datetime) -> None:
    """Hang up again after a refusal or a silence that lasted; an open line is never given up."""
    command = Command.objects.filter(ear=ear, kind=Command.Kind.HANGUP).order_by("-generation").first()
    settled = command is None or command.state in {State.REJECTED, State.EXPIRED, State.CONTRADICTED}
    if settled and (command is None or _age(command, now) > TRY_AGAIN_AFTER):
        hang_up(ear, reason=ear.end_reason, now=now)


def _connected(ear: Ear, *, now: datetime) -> None:
    with transaction.atomic():
        changes.advance(now=now)
        Ear.objects.filter(pk=ear.pk, ended_at=None).update(state=Ear.State.CONNECTED, connected_at=now, idle_since=now)
        _touch_session(ear)
    ear.state = Ear.State.CONNECTED


def _touch_session(ear: Ear) -> None:
    conferences = SupervisorSession.objects.filter(ear=ear, ended_at=None).values_list("conference", flat=True)
    touch(conferences=list(conferences), version=changes.current().version)


# --- the session ------------------------------------------------------------------------------------------------------


def _step_session(session: SupervisorSession, *, now: datetime) -> None:
    if session.conference.ended_at is not None:
        finish(session, reason=_("The conference ended."), now=now)
    elif session.stage in {Stage.CONNECTING, Stage.JOINING, Stage.INSIDE} and not _may_still_listen(session):
        leave_session(session, reason=_("You may no longer listen here."), now=now)
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
    if newest is None or newest.state in {State.ASKED, State.ACCEPTED, State.UNKNOWN}:
        return
    # A verified one before belongs to a way back in, not to this way out.
    first = leaves.exclude(state=State.VERIFIED).first() or newest
    if newest.state == State.REJECTED and newest.reads == 0 and read(newest, session) is Verdict.CONFIRMED:
        settle(newest, State.VERIFIED, now=now)
    if newest.state == State.VERIFIED:
        after_leave(session, newest, now=now)
    elif now - first.asked_at > ESCALATE_AFTER:
        reason = _("Telnyx did not let your line leave, so it was hung up to be sure that nobody hears you.")
        hang_up(session.ear, reason=reason, now=now)
    elif _age(newest, now) > TRY_AGAIN_AFTER:
        leave_again(session, now=now)


def _may_still_listen(session: SupervisorSession) -> bool:
    rights = rights_book(session.user).in_teams(teams_of(session.conference))
    return session.user.is_active and rights.allow(Role.MONITOR) and rights.allow(session.role)


def _step_joining(session: SupervisorSession, *, now: datetime) -> None:
    command = _newest(session, Command.Kind.JOIN)
    if command is None:
        return
    if command.state in {State.ACCEPTED, State.VERIFIED, State.UNCONFIRMED} or command.telnyx_code == ALREADY_INSIDE:
        _inside(session, now=now)
        if command.telnyx_code == ALREADY_INSIDE:
            # In which role it is inside, nobody knows: this says it.
            send_role_command(session, role=Role.MONITOR, listeners=[], audience=session.audience_seen, now=now)
    elif command.state == State.REJECTED:
        tries = Command.objects.filter(session=session, kind=Command.Kind.JOIN).count()
        if command.telnyx_code == NOT_ANSWERED_YET and tries < JOIN_TRIES:
            if _age(command, now) > JOIN_AGAIN_AFTER:
                SupervisorSession.objects.filter(pk=session.pk, stage=Stage.JOINING).update(stage=Stage.CONNECTING)
                session.stage = Stage.CONNECTING
                join(session, now=now)
        else:
            finish(session, reason=command.outcome, now=now)
    elif command.state in {State.EXPIRED, State.CONTRADICTED}:
        leave_session(session, reason=_("Telnyx did not answer, so your line was not brought in."), now=now)


def _inside(session: SupervisorSession, *, now: datetime) -> None:
    with transaction.atomic():
        version = changes.advance(now=now)
        moved = SupervisorSession.objects.filter(pk=session.pk, stage=Stage.JOINING).update(
            stage=Stage.INSIDE, inside_at=now, role=Role.MONITOR, targets=[]
        )
        touch(conferences=[session.conference_id], version=version)
    if moved:
        session.stage, session.inside_at, session.role = Stage.INSIDE, now, Role.MONITOR


def _step_inside(session: SupervisorSession, *, now: datetime) -> None:
    if (
        session.ear.dialled_by_us
        and session.wanted_role != Role.MONITOR
        and _newest(session, Command.Kind.UPDATE) is None
    ):
        # The first role after joining waits until the joining itself has been read back.
        joined = _newest(session, Command.Kind.JOIN)
        if joined is not None and joined.state in {State.VERIFIED, State.UNCONFIRMED, State.REJECTED}:
            follow_wish(session, now=now)
        return
    if _only_supervisors_left(session, now=now):
        leave_session(session, reason=_("Everyone else has left."), now=now)
        return
    check_inside(session, now=now)


def _only_supervisors_left(session: SupervisorSession, *, now: datetime) -> bool:
    if session.inside_at is None or now - session.inside_at < SETTLED_IN:
        return False
    others = Participant.objects.filter(conference=session.conference_id).exclude(leg__party=Leg.Party.SUPERVISOR)
    return others.exists() and not others.filter(present=True).exists()


def _newest(session: SupervisorSession, kind: Command.Kind) -> Command | None:
    return Command.objects.filter(session=session, kind=kind).order_by("-generation").first()


def _age(command: Command, now: datetime) -> timedelta:
    return now - (command.answered_at or command.asked_at)
