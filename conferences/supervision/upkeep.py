"""Maintains open lines between clicks: phone keys, an absent page, idleness, Telnyx' four hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from conferences import audit
from conferences.audit import Action
from conferences.changes import board_change
from conferences.fast_sql import has_rows, load_rows, load_values
from conferences.models import Cause, Command, Ear, Leg, Participant, Presence, Stop, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import visible_to
from conferences.projection.registers import moment, text

from .actions import hop_after, leave, quieter
from .commands import store
from .errors import Refused
from .line import dial, let_go, new_ear
from .presses import press_of_phone
from .roles import fall_back
from .sessions import session_of
from .stops import keep_stop_alone, stop_following

# Telnyx ends a leg after four hours. An idle one is renewed before; one inside a call ends with an explanation.
RENEW_AFTER = timedelta(hours=3, minutes=45)
RENEW_WITHIN = timedelta(seconds=30)
STAR_WITHIN = timedelta(seconds=5)


def keep_safe(ear: Ear, leg: Leg | None, *, now: datetime) -> None:
    """Look after one connected ear."""
    session = session_of(ear)
    if leg is not None and _obey_phone(ear, leg, session, now=now):
        return
    if session is not None and session.stage == SupervisorSession.Stage.INSIDE and session.is_audible:
        _quieten_absent(ear, session, now=now)
    elif session is None and not _follow(ear, now=now):
        _release_or_renew(ear, now=now)


def _obey_phone(ear: Ear, leg: Leg, session: SupervisorSession | None, *, now: datetime) -> bool:
    """Obey *0 (quieter), *9 (leave) and hold; return whether the phone asked for something."""
    # The keys first: a phone may be on hold for long, and they work there, too.
    if _obey_key(ear, leg, now=now):
        return True
    return leg.phone_held_since is not None and _obey_hold(ear, session, held_since=leg.phone_held_since, now=now)


def _obey_key(ear: Ear, leg: Leg, *, now: datetime) -> bool:
    """Obey a key that was not obeyed yet; return whether there was one."""
    pressed, star = moment(leg.facts, "digit"), moment(leg.facts, "star")
    digit = text(leg.facts, "digit")
    if pressed is None or star is None or not timedelta(0) <= pressed - star <= STAR_WITHIN or digit not in {"0", "9"}:
        return False
    if ear.key_heard_at is not None and pressed <= ear.key_heard_at:
        return False
    # The keys do what the buttons do, with the time that Telnyx gives them: also on the way to another conference.
    press = press_of_phone(ear, at=pressed, now=now)
    if digit == "0":
        quieter(
            user=ear.user, press=press, reason=_("You pressed *0 on your phone, so you are back on Monitor."), now=now
        )
    else:
        leave(user=ear.user, press=press, reason=_("You pressed *9 on your phone."), now=now)
    # Only now: a key that was not obeyed because the database was locked is obeyed in the next step.
    Ear.objects.filter(pk=ear.pk).update(key_heard_at=pressed)
    return True


def _obey_hold(ear: Ear, session: SupervisorSession | None, *, held_since: datetime, now: datetime) -> bool:
    """Store hold as a stop, also of pending commands; return whether the role or pending role was audible."""
    reason = _("You pressed hold on your phone, so you are back on Monitor.")
    louder = session is not None and (session.is_audible or session.wanted_role != Role.MONITOR)
    if ear.hold_heard_at is None or held_since > ear.hold_heard_at:
        press = press_of_phone(ear, at=held_since, now=now)
        if louder:
            quieter(user=ear.user, press=press, reason=reason, now=now)
        else:
            keep_stop_alone(ear.user, Stop.Way.QUIETER, press, now=now)
        Ear.objects.filter(pk=ear.pk).update(hold_heard_at=held_since)
    elif session is not None and session.is_audible:
        fall_back(session, notice=reason, now=now)
    return louder


def _quieten_absent(ear: Ear, session: SupervisorSession, *, now: datetime) -> None:
    """Fall back to monitor from a whisper or barge when no page of the supervisor is open."""
    since = max([session.wanted_at, *load_values(Presence, "seen_at", user_id=ear.user_id)])
    account = ear.account
    limit = account.whisper_alone_seconds if session.role == Role.WHISPER else account.barge_alone_seconds
    if now - since > timedelta(seconds=limit):
        fall_back(session, notice=_("Your page was closed, so you are back on Monitor."), now=now)


def _follow(ear: Ear, *, now: datetime) -> bool:
    """Enter the followed agent's call as monitor; return whether there was one."""
    if ear.follows_id is None:
        return False
    participant = (
        Participant.objects.filter(
            leg__agent=ear.follows_id,
            present=True,
            conference__ended_at=None,
            conference__account=ear.account,
            conference__in=visible_to(ear.user),
        )
        # The supervisor has just left this call on purpose.
        .exclude(conference__supervisor_sessions__user=ear.user)
        .order_by("-joined_at")
        .first()
    )
    if participant is not None:
        try:
            hop_after(ear, participant.conference, now=now)
        except Refused as refused:
            _stop_following(ear, because=refused.sentence, now=now)
        else:
            if ear.follows_once:
                _stop_following(ear, because=_("the agent's next call began"), now=now)
    return participant is not None


def _stop_following(ear: Ear, *, because: str, now: datetime) -> None:
    with board_change(now=now) as change:
        stop_following(ear.user, because=because, change=change, now=now)


def _release_or_renew(ear: Ear, *, now: datetime) -> None:
    present = any(page.is_alive(now=now) for page in load_rows(Presence, user_id=ear.user_id))
    idle_for = now - ear.idle_since if ear.idle_since is not None else timedelta(0)
    # A line that waits for an agent's next call is not idle while a page is open.
    waits = ear.follows_id is not None and present
    if idle_for > timedelta(minutes=ear.account.ear_idle_minutes) and not waits:
        let_go(ear, reason=_released(), cause=Cause.IDLE, now=now)
    elif ear.connected_at is not None and now - ear.connected_at > RENEW_AFTER:
        with board_change(now=now) as change:
            change.update(Ear.objects.filter(pk=ear.pk), renews=present)
        renewed = _("Floorline hung up and rings you again: Telnyx allows four hours at most.")
        cause = Cause.RENEWAL if present else Cause.IDLE
        let_go(ear, reason=renewed if present else _released(), cause=cause, now=now)


def _released() -> str:
    return _("Your phone was not used for some time, so it was hung up.")


def renew_lines(*, now: datetime) -> None:
    """Ring the lines again that were hung up to be renewed, once they are really down; each is rung once."""
    if not has_rows(Ear, renews=True, dialled_by_us=True):
        return
    down = Ear.objects.filter(renews=True, ended_at__gt=now - RENEW_WITHIN, dialled_by_us=True)
    if not down.exists():
        return
    newer = Ear.objects.filter(user=OuterRef("user"), created_at__gt=OuterRef("created_at"))
    for ear in down.exclude(line=None).exclude(Exists(newer)).select_related("user", "account", "line"):
        if not Stop.objects.filter(user=ear.user, way=Stop.Way.DISCONNECT, pressed_at__gte=now - RENEW_WITHIN).exists():
            _dial_again(ear, now=now)


def _dial_again(ear: Ear, *, now: datetime) -> None:
    try:
        with board_change(now=now) as change:
            fresh = new_ear(ear.user, ear.account, line=ear.line, now=now)
            change.update(
                Ear.objects.filter(pk=fresh.pk),
                follows=ear.follows_id,
                follows_once=ear.follows_once,
                follow_pressed_at=ear.follow_pressed_at,
                follow_page=ear.follow_page,
                follow_number=ear.follow_number,
            )
            command = store(kind=Command.Kind.DIAL, ear=fresh, version=change.version, cause=Cause.RENEWAL, now=now)
        dial(command, fresh, now=now)
    except Refused as refused:
        # Not tried again: the supervisor can connect the line with one press.
        with board_change(now=now) as change:
            change.update(Ear.objects.filter(pk=ear.pk), renews=False, end_reason=_released())
        audit.record(Action.NOT_RENEWED, at=now, actor=ear.user, detail=refused.sentence)
