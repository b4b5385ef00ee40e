"""What keeps a live ear safe while nobody clicks: its own phone, an absent page, idleness, Telnyx' four hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences import audit, changes
from conferences.models import Command, Ear, Leg, Participant, Presence, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import visible_to
from conferences.projection import touch
from conferences.registers import moment, text

from .changing import send_role_command
from .commands import LOUD, store
from .entering import dial, new_ear
from .leaving import leave_session, let_go
from .service import choose_role
from .words import Refused

# Telnyx ends a leg after four hours; an idle one is renewed before, a listening one is told so by its end.
RENEW_AFTER = timedelta(hours=3, minutes=45)
RENEW_WITHIN = timedelta(seconds=30)
RENEWED = gettext_lazy("Your line was renewed before Telnyx' limit of four hours.")
RELEASED = gettext_lazy("Your line was idle and has been released.")
STAR_WITHIN = timedelta(seconds=5)
PAGE_ALIVE_FOR = timedelta(seconds=15)


def keep_safe(ear: Ear, leg: Leg | None, *, now: datetime) -> None:
    """Look after one connected ear."""
    session = (
        SupervisorSession.objects.select_related("ear__account", "ear__user", "conference__account", "user")
        .filter(ear=ear, ended_at=None)
        .first()
    )
    if leg is not None and _obey_phone(ear, leg, session, now=now):
        return
    if session is not None and session.stage == SupervisorSession.Stage.INSIDE and session.role in LOUD:
        _quieten_absent(ear, session, now=now)
    elif session is None and not _follow(ear, now=now):
        _release_or_renew(ear, now=now)


def _obey_phone(ear: Ear, leg: Leg, session: SupervisorSession | None, *, now: datetime) -> bool:
    """Hold and *0 quieten, *9 leaves; say whether the phone asked for something."""
    if session is None:
        return False
    if leg.phone_held_since is not None and session.role in LOUD:
        fall_back(session, notice=_("You pressed hold on your phone, so you are back on monitor."), now=now)
        return True
    pressed, star = moment(leg.facts, "digit"), moment(leg.facts, "star")
    digit = text(leg.facts, "digit")
    if pressed is None or star is None or not timedelta(0) <= pressed - star <= STAR_WITHIN or digit not in {"0", "9"}:
        return False
    if ear.key_heard_at is not None and pressed <= ear.key_heard_at:
        return False
    Ear.objects.filter(pk=ear.pk).update(key_heard_at=pressed)
    if digit == "0":
        fall_back(session, notice=_("You pressed *0 on your phone, so you are back on monitor."), now=now)
    else:
        leave_session(session, reason=_("You pressed *9 on your phone."), now=now)
    return True


def _quieten_absent(ear: Ear, session: SupervisorSession, *, now: datetime) -> None:
    """The dead man's handle: without an open page a whisper or barge does not go on."""
    seen = Presence.objects.filter(user=ear.user).values_list("seen_at", flat=True).first()
    since = max(seen, session.wanted_at) if seen else session.wanted_at
    account = ear.account
    limit = account.whisper_alone_seconds if session.role == Role.WHISPER else account.barge_alone_seconds
    if now - since > timedelta(seconds=limit):
        fall_back(session, notice=_("Your page was closed, so you are back on monitor."), now=now)


def fall_back(session: SupervisorSession, *, notice: str, now: datetime) -> None:
    """Go back to monitor and say why."""
    send_role_command(session, role=Role.MONITOR, listeners=[], audience=session.audience_seen, now=now)
    with transaction.atomic():
        version = changes.advance(now=now)
        SupervisorSession.objects.filter(pk=session.pk).update(notice=notice)
        touch(conferences=[session.conference_id], version=version)


def _follow(ear: Ear, *, now: datetime) -> bool:
    """Hop into the followed agent's call as monitor; say whether there was one."""
    if ear.follows_id is None:
        return False
    stay = (
        Participant.objects.filter(
            leg__agent=ear.follows_id,
            present=True,
            conference__ended_at=None,
            conference__account=ear.account,
            conference__in=visible_to(ear.user),
        )
        # Not back into the call that was just left on purpose.
        .exclude(conference__supervisor_sessions__user=ear.user)
        .order_by("-joined_at")
        .first()
    )
    if stay is not None:
        try:
            choose_role(user=ear.user, conference=stay.conference, role=Role.MONITOR, now=now)
        except Refused as refused:
            _stop_following(ear, because=refused.sentence, now=now)
        else:
            if ear.follows_once:
                _stop_following(ear, because=_("the agent's next call began"), now=now)
    return stay is not None


def _stop_following(ear: Ear, *, because: str, now: datetime) -> None:
    with transaction.atomic():
        changes.advance(now=now)
        Ear.objects.filter(pk=ear.pk).update(follows=None, follows_once=False)
        audit.record("follow ended", at=now, actor=ear.user, detail=because)


def _release_or_renew(ear: Ear, *, now: datetime) -> None:
    present = Presence.objects.filter(user=ear.user, seen_at__gte=now - PAGE_ALIVE_FOR).exists()
    idle_for = now - ear.idle_since if ear.idle_since is not None else timedelta(0)
    # Who waits for an agent's next call is not idle, as long as a page is open to see it.
    waits = ear.follows_id is not None and present
    if idle_for > timedelta(minutes=ear.account.ear_idle_minutes) and not waits:
        let_go(ear, reason=str(RELEASED), now=now)
    elif ear.connected_at is not None and now - ear.connected_at > RENEW_AFTER:
        let_go(ear, reason=str(RENEWED if present else RELEASED), now=now)


def renew_lines(*, now: datetime) -> None:
    """Ring the lines again that were hung up to be renewed, once they are really down; each is rung once."""
    down = Ear.objects.filter(end_reason=str(RENEWED), ended_at__gt=now - RENEW_WITHIN, dialled_by_us=True)
    newer = Ear.objects.filter(user=OuterRef("user"), created_at__gt=OuterRef("created_at"))
    for ear in down.exclude(line=None).exclude(Exists(newer)).select_related("user", "account", "line"):
        _dial_again(ear, now=now)


def _dial_again(ear: Ear, *, now: datetime) -> None:
    try:
        with transaction.atomic():
            version = changes.advance(now=now)
            fresh = new_ear(ear.user, ear.account, line=ear.line, now=now)
            Ear.objects.filter(pk=fresh.pk).update(follows=ear.follows_id, follows_once=ear.follows_once)
            command = store(kind=Command.Kind.DIAL, ear=fresh, version=version, now=now)
        dial(command, fresh, now=now)
    except Refused as refused:
        # Not once more in a moment: whoever wants the line back connects it.
        Ear.objects.filter(pk=ear.pk).update(end_reason=str(RELEASED))
        audit.record("not renewed", at=now, actor=ear.user, detail=refused.sentence)
