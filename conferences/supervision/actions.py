"""Carries out what a supervisor asks for: each function authorises, stores, sends, or raises Refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences import audit
from conferences.audit import Action
from conferences.changes import board_change
from conferences.models import Agent, Cause, Command, Conference, Ear, Line, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book
from conferences.protections import why_agent_protected

from .accounts import account_of
from .choice import Choice, choose, enter
from .commands import store
from .errors import Refused, not_allowed_anywhere
from .line import dial, let_go, live_ear, new_ear
from .presses import Press, Way, press_of_follow, refuse_stale
from .roles import fall_back
from .sessions import leave_session, open_session
from .stops import PressedStop, keep_stop_alone, loses_to, refuse_void, store_stop

Stage = SupervisorSession.Stage


def choose_role(
    *,
    user: User,
    conference: Conference,
    role: Role,
    targets: Sequence[UUID] = (),
    audience: Sequence[UUID] = (),
    press: Press | None = None,
    now: datetime,
) -> SupervisorSession:
    """Bring the supervisor's line into a conference and give it a role.

    `targets` and `audience` are ids of legs: whom a whisper should reach, and who was shown as present. A line that is
    not inside yet comes in as monitor; a whisper then follows by itself, a barge has to be asked for again.
    `press` says when this was pressed; without one it counts as pressed `now`. Raises Refused; then no louder role was
    sent, but the line may have left another call, or have been rung.
    """
    listeners = list(dict.fromkeys(targets)) if role == Role.WHISPER else []
    choice = Choice(
        user=user,
        conference=conference,
        role=role,
        listeners=listeners,
        audience=[str(pk) for pk in audience],
        press=press or Press(at=now),
    )
    try:
        return choose(choice, now=now)
    except Refused as refused:
        # Recorded here: the transaction in which it was refused has been rolled back.
        audit.record(
            Action.REFUSED,
            at=now,
            actor=user,
            conference=conference,
            role=role,
            targets=targets,
            detail=refused.sentence,
        )
        raise


def quieter(*, user: User, press: Press | None = None, reason: str = "", now: datetime) -> None:
    """Fall back to monitor; where the line is still on its way in, drop the pending role.

    `reason` is told on the page, where it was not pressed there.
    """
    press = press or Press(at=now)
    session = open_session(user)
    if session is None:
        keep_stop_alone(user, Way.QUIETER, press, now=now)
    else:
        _silence(session, press, reason=reason, now=now)
    # The line may have moved to the next conference meanwhile. The stop is stored, so nothing louder can be stored for
    # it.
    following = open_session(user)
    if following is not None and (session is None or following.pk != session.pk):
        _silence(following, replace(press, id=uuid4()), reason=reason, now=now)


def leave(*, user: User, press: Press | None = None, now: datetime, reason: str = "") -> None:
    """Leave the conference and stop following; the line stays connected, parked, ready for the next conference."""
    press, reason = press or Press(at=now), reason or _("You left.")
    session = open_session(user)
    if session is None:
        keep_stop_alone(user, Way.LEAVE, press, now=now)
    else:
        leave_session(session, reason=reason, stop=PressedStop(Way.LEAVE, press), now=now)
    following = open_session(user)
    if following is not None and (session is None or following.pk != session.pk):
        leave_session(following, reason=reason, cause=press.cause, now=now)


def connect(*, user: User, line: Line | None = None, press: Press | None = None, now: datetime) -> Ear:
    """Ring the supervisor's line and park it, so that the next conference is one key away.

    Raises Refused, also where they may listen nowhere: a ringing phone costs money and one of the few lines.
    """
    if not rights_book(user).may_listen:
        audit.record(Action.REFUSED, at=now, actor=user, detail=f"connect: {not_allowed_anywhere()}")
        raise Refused(not_allowed_anywhere())
    account = account_of(user)
    if account is None:
        raise Refused(_("No Telnyx account is set up yet. Ask an admin."))
    press = press or Press(at=now)
    with board_change(now=now) as change:
        ear = live_ear(user)
        if ear is not None:
            return ear
        refuse_stale(press)
        refuse_void(user, press, entering=True)
        ear = new_ear(user, account, line=line, now=now)
        dialling = store(kind=Command.Kind.DIAL, ear=ear, version=change.version, cause=Cause.PRESSED, now=now)
    dial(dialling, ear, now=now)
    return ear


def follow(*, user: User, agent: Agent | None, once: bool = False, press: Press | None = None, now: datetime) -> None:
    """Enter an agent's calls as monitor whenever one begins, or only the next one; None stops following.

    Raises Refused where there is no line yet, or no right to monitor the agent's team.
    """
    ear, press = live_ear(user), press or Press(at=now)
    if agent is not None:
        if ear is None:
            raise Refused(_("Connect your phone first, then follow an agent."))
        refusal = why_agent_protected(agent.pk)
        if not rights_book(user).scope.may_monitor(frozenset({agent.team_id})):
            refusal = _("You are not allowed to listen to this agent. Ask an admin if you need to.")
        if refusal:
            audit.record(Action.REFUSED, at=now, actor=user, detail=f"follow {agent}: {refusal}")
            raise Refused(refusal)
    if ear is not None:
        with board_change(now=now) as change:
            if agent is not None:
                refuse_stale(press)
                refuse_void(user, press, entering=True)
            change.update(
                Ear.objects.filter(pk=ear.pk),
                follows=agent,
                follows_once=once and agent is not None,
                follow_pressed_at=press.at,
                follow_page=press.page,
                follow_number=press.number,
            )
            audit.record(Action.FOLLOWED, at=now, actor=user, detail=str(agent) if agent else "nobody")


def hop_after(ear: Ear, conference: Conference, *, now: datetime) -> SupervisorSession:
    """Bring a parked line into the call of the agent that it follows; raise Refused, as for any choice.

    Following was pressed once, perhaps an hour ago: it is not too old, but whoever left since follows nobody.
    """
    press = press_of_follow(ear) or Press(at=ear.created_at)
    choice = Choice(
        user=ear.user,
        conference=conference,
        role=Role.MONITOR,
        listeners=[],
        audience=[],
        press=press,
        cause=Cause.FOLLOWING,
    )
    session, _begun = enter(choice, stored=True, now=now)
    return session


def disconnect(*, user: User, press: Press | None = None, now: datetime, reason: str = "") -> None:
    """Hang up the supervisor's own line, wherever it is; one that the center's call flow brought only leaves."""
    press, reason = press or Press(at=now), reason or _("You hung up your phone.")
    ear = live_ear(user)
    if ear is None:
        keep_stop_alone(user, Way.DISCONNECT, press, now=now)
        ear = live_ear(user)
        if ear is not None:
            let_go(ear, reason=reason, cause=press.cause, now=now)
    else:
        let_go(ear, reason=reason, stop=PressedStop(Way.DISCONNECT, press), now=now)


def _silence(session: SupervisorSession, press: Press, *, reason: str, now: datetime) -> None:
    if session.stage != Stage.INSIDE and _forget_pending_role(session, press, now=now):
        return
    fall_back(session, notice=reason, press=press, now=now)


def _forget_pending_role(session: SupervisorSession, press: Press, *, now: datetime) -> bool:
    """Drop the pending role of a line on its way in; return whether it was still on its way."""
    with board_change(now=now) as change:
        # Under the version's lock: a role that is just being applied is either forgotten or answered by a monitor.
        store_stop(session.user, Way.QUIETER, press)
        waiting = SupervisorSession.objects.filter(pk=session.pk).exclude(stage=Stage.INSIDE)
        current = waiting.first()
        if current is None or loses_to(press, current):
            return current is not None
        change.update(waiting, wanted_role=Role.MONITOR, wanted_targets=[])
        audit.record(
            Action.PENDING_ROLE_DROPPED,
            at=now,
            actor=session.user,
            conference=session.conference,
            session=session,
            role=Role.MONITOR,
        )
        change.touch(session.conference_id)
        return True
