"""Opens, leaves and closes supervisor sessions: a line inside one conference."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib.auth.models import User

from conferences import audit
from conferences.audit import Action
from conferences.changes import BoardChange, board_change
from conferences.clients import client_for
from conferences.fast_sql import load_rows
from conferences.models import Cause, Command, Conference, Ear, SupervisorSession

from .commands import clock, store, transmit
from .emergency import sent_in_time
from .errors import CALL_ENDED, CONFERENCE_ENDED
from .outbound import my_leg, send_leave
from .stops import PressedStop, keep_stop

Stage = SupervisorSession.Stage


def open_session(user: User, conference: Conference | None = None) -> SupervisorSession | None:
    """Return the conference the supervisor is in, or on the way into; one already loaded is not read again."""
    for session in load_rows(SupervisorSession, user_id=user.pk, ended_at=None):
        [ear] = load_rows(Ear, id=session.ear_id)
        if conference is None or conference.pk != session.conference_id:
            conference = Conference.objects.select_related("account").get(pk=session.conference_id)
        session.ear, session.conference = ear, conference
        session.user = ear.user = user
        if ear.account_id == conference.account_id:
            ear.account = conference.account
        return session
    return None


def session_of(ear: Ear) -> SupervisorSession | None:
    """Return the open session of an ear with all rows that change read anew, also the ear's own.

    The worker asks for it several times a second for each ear.
    """
    for session in load_rows(SupervisorSession, ear_id=ear.pk, ended_at=None):
        [fresh] = load_rows(Ear, id=ear.pk)
        fresh.account, fresh.user, fresh.line = ear.account, ear.user, ear.line
        [conference] = load_rows(Conference, id=session.conference_id)
        if conference.account_id == ear.account_id:
            conference.account = ear.account
        session.ear, session.conference, session.user = fresh, conference, ear.user
        return session
    return None


def leave_session(
    session: SupervisorSession,
    *,
    reason: str,
    stop: PressedStop | None = None,
    cause: Cause = Cause.SAFETY,
    check: Callable[[], object] | None = None,
    now: datetime,
) -> Command | None:
    """Leave a conference, never with the role `none`, which is audible. If no line is inside yet, send nothing.

    `stop` is what the supervisor pressed, None for what follows by itself, by a `cause`. `check` may raise Refused: it
    is asked in the transaction that stores the leave.
    """
    command_id = command_id_of(stop, Command.Kind.LEAVE)
    with _leave_in_time(session, command_id), board_change(now=now) as change:
        if stop is not None:
            keep_stop(session.user, *stop, change=change, now=now)
        if check is not None:
            check()
        if not _begins_to_leave(session, reason=reason, change=change, now=now):
            return None
        command = store(
            kind=Command.Kind.LEAVE,
            ear=session.ear,
            session=session,
            version=change.version,
            id=command_id,
            pressed_at=stop.press.at if stop is not None else None,
            cause=stop.press.cause if stop is not None else cause,
            now=now,
        )
    session.stage, session.end_reason = Stage.LEAVING, reason
    transmit(command, send_leave)
    after_leave(session, command)
    return command


def _leave_in_time(session: SupervisorSession, command_id: UUID) -> AbstractContextManager[None]:
    """Return what sends the leave from beside where the database keeps it waiting."""
    client = client_for(session.ear.account)

    def leave() -> None:
        if session.ear.call_control_id:
            client.leave(command_id=command_id, conference_id=session.conference.telnyx_id, my_leg=my_leg(session.ear))

    return sent_in_time(leave)


def _begins_to_leave(session: SupervisorSession, *, reason: str, change: BoardChange, now: datetime) -> bool:
    """Return whether there is a line to take out, and mark the session as leaving; end it where none is inside yet."""
    current = SupervisorSession.objects.select_for_update().get(pk=session.pk)
    if current.ended_at is not None or current.stage == Stage.LEAVING:
        return False
    change.touch(session.conference_id)
    if current.stage == Stage.CONNECTING:
        finish(session, reason=reason, now=now)
        return False
    change.update(SupervisorSession.objects.filter(pk=session.pk), stage=Stage.LEAVING, end_reason=reason[:200])
    return True


def command_id_of(stop: PressedStop | None, kind: Command.Kind) -> UUID:
    """Return the id that a pressed stop gives to a command of this kind, and a new one where nobody pressed."""
    return stop.press.command_id(kind) if stop is not None else uuid4()


def after_leave(session: SupervisorSession, command: Command) -> None:
    """End the session once a reading has shown that the line is out, or Telnyx says that conference or call has ended.

    An accepted leave alone ends nothing: until it is verified the screen says "leaving", not "nobody hears you". Nor
    does a 404: it may only be the wrong region.

    It ends now, not when the request began: a reading that showed the line inside meanwhile is older than its end.
    """
    ended = command.telnyx_code in {CONFERENCE_ENDED, CALL_ENDED}
    if command.state == Command.State.VERIFIED or ended:
        finish(session, reason=session.end_reason, now=clock())


def finish(session: SupervisorSession, *, reason: str, now: datetime) -> None:
    """Close a session; its ear stays, idle, unless it has ended."""
    with board_change(session.conference_id, now=now) as change:
        still_open = SupervisorSession.objects.open().filter(pk=session.pk)
        if not change.update(still_open, stage=Stage.ENDED, ended_at=now, end_reason=reason[:200]):
            return
        ear = Ear.objects.live().filter(pk=session.ear_id)
        change.update(ear, idle_since=now)
        # A leg that the center's call flow brought belongs to it again; see adopted_legs.
        adopted = ear.filter(dialled_by_us=False)
        change.update(adopted, state=Ear.State.ENDED, ended_at=now, end_reason=reason[:200])
        audit.record(
            Action.ENDED,
            at=now,
            actor=session.user,
            conference=session.conference,
            session=session,
            detail=reason,
        )
    session.stage, session.ended_at, session.end_reason = Stage.ENDED, now, reason


def leave_again(session: SupervisorSession, *, now: datetime) -> None:
    """Send another leave after one that Telnyx refused."""
    with board_change(session.conference_id, now=now) as change:
        command = store(kind=Command.Kind.LEAVE, ear=session.ear, session=session, version=change.version, now=now)
    transmit(command, send_leave)
    after_leave(session, command)
