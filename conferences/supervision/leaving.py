"""Getting a supervisor's line out: leave, and where that fails, hang up our own leg."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.db import transaction

from conferences import audit, changes
from conferences.clients import client_for
from conferences.models import Command, Ear, SupervisorSession
from conferences.projection import touch

from .commands import my_leg, send_hangup, send_leave, store, transmit
from .hedging import sent_in_time
from .pressing import new_command_id
from .words import CALL_ENDED, CONFERENCE_ENDED, UNKNOWN_CALL

Stage = SupervisorSession.Stage


def leave_session(session: SupervisorSession, *, reason: str, now: datetime) -> Command | None:
    """Leave a conference: never `none`, which would stay audible. Where no line is inside yet, nothing is sent."""
    command_id, client = new_command_id(Command.Kind.LEAVE), client_for(session.ear.account)

    def leave() -> None:
        if session.ear.call_control_id:
            client.leave(command_id=command_id, conference_id=session.conference.telnyx_id, my_leg=my_leg(session.ear))

    with sent_in_time(leave), transaction.atomic():
        version = changes.advance(now=now)
        current = SupervisorSession.objects.select_for_update().get(pk=session.pk)
        if current.ended_at is not None or current.stage == Stage.LEAVING:
            return None
        touch(conferences=[session.conference_id], version=version)
        if current.stage == Stage.CONNECTING:
            finish(session, reason=reason, now=now)
            return None
        SupervisorSession.objects.filter(pk=session.pk).update(stage=Stage.LEAVING, end_reason=reason)
        command = store(
            kind=Command.Kind.LEAVE, ear=session.ear, session=session, version=version, id=command_id, now=now
        )
    session.stage, session.end_reason = Stage.LEAVING, reason
    transmit(command, send_leave)
    after_leave(session, command, now=now)
    return command


def after_leave(session: SupervisorSession, command: Command, *, now: datetime) -> None:
    """End the session once a reading has shown that the line is out, or Telnyx says that conference or call has ended.

    An accepted leave alone ends nothing: until it is verified the screen says "leaving", not "nobody hears you". Nor
    does a 404: it may only be the wrong region.
    """
    ended = command.telnyx_code in {CONFERENCE_ENDED, CALL_ENDED}
    if command.state == Command.State.VERIFIED or ended:
        finish(session, reason=session.end_reason, now=now)


def finish(session: SupervisorSession, *, reason: str, now: datetime) -> None:
    """Close a session; its ear stays, idle, unless it has ended."""
    with transaction.atomic():
        version = changes.advance(now=now)
        closed = SupervisorSession.objects.filter(pk=session.pk, ended_at=None).update(
            stage=Stage.ENDED, ended_at=now, end_reason=reason[:200]
        )
        if not closed:
            return
        Ear.objects.filter(pk=session.ear_id, ended_at=None).update(idle_since=now)
        # A leg that the center's call flow brought is its own again; see adopting.
        Ear.objects.filter(pk=session.ear_id, ended_at=None, dialled_by_us=False).update(
            state=Ear.State.ENDED, ended_at=now, end_reason=reason[:200]
        )
        audit.record("ended", at=now, actor=session.user, conference=session.conference, session=session, detail=reason)
        touch(conferences=[session.conference_id], version=version)
    session.stage, session.ended_at, session.end_reason = Stage.ENDED, now, reason


def let_go(ear: Ear, *, reason: str, now: datetime) -> None:
    """Give up an ear that nobody needs: hang up what Floorline dialled, leave with what the center's call flow did."""
    if ear.dialled_by_us:
        hang_up(ear, reason=reason, now=now)
        return
    sessions = SupervisorSession.objects.select_related("ear__account", "ear__user", "conference__account", "user")
    session = sessions.filter(ear=ear, ended_at=None).first()
    if session is None:
        end_ear(ear, reason=reason, now=now)
    else:
        leave_session(session, reason=reason, now=now)


def hang_up(ear: Ear, *, reason: str, now: datetime) -> None:
    """Hang up the supervisor's own leg and close what it was in; tried again until Telnyx says that it is gone."""
    command_id, client = new_command_id(Command.Kind.HANGUP), client_for(ear.account)

    def hang_up_now() -> None:
        if ear.call_control_id:
            client.hangup(command_id=command_id, my_leg=my_leg(ear))

    with sent_in_time(hang_up_now), transaction.atomic():
        version = changes.advance(now=now)
        Ear.objects.filter(pk=ear.pk, ended_at=None).update(state=Ear.State.ENDING, end_reason=reason[:200])
        sessions = SupervisorSession.objects.filter(ear=ear, ended_at=None)
        touch(conferences=list(sessions.values_list("conference", flat=True)), version=version)
        sessions.update(stage=Stage.LEAVING, end_reason=reason[:200])
        hangup = partial(store, kind=Command.Kind.HANGUP, ear=ear, version=version, id=command_id, now=now)
        command = hangup() if ear.call_control_id else None
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


def leave_again(session: SupervisorSession, *, now: datetime) -> None:
    """Send another leave after one that Telnyx refused."""
    with transaction.atomic():
        version = changes.advance(now=now)
        command = store(kind=Command.Kind.LEAVE, ear=session.ear, session=session, version=version, now=now)
    transmit(command, send_leave)
    after_leave(session, command, now=now)


def end_ear(ear: Ear, *, reason: str, now: datetime) -> None:
    """Close an ear whose leg is gone, and the session it carried."""
    with transaction.atomic():
        changes.advance(now=now)
        Ear.objects.filter(pk=ear.pk, ended_at=None).update(
            state=Ear.State.ENDED, ended_at=now, end_reason=reason[:200]
        )
        session = SupervisorSession.objects.filter(ear=ear, ended_at=None).first()
        if session is not None:
            finish(session, reason=reason, now=now)
