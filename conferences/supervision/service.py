"""What a supervisor can ask for. Every function authorises, stores, sends, and says plainly when it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from conferences import audit, changes
from conferences.models import Account, Agent, Command, Conference, Ear, Leg, Line, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import rights_book
from conferences.projection import touch
from conferences.rows import load_rows

from .afresh import needs_reading, read_afresh
from .audience import Stay, audience_among, stays_in
from .changing import send_role_command
from .commands import LOUD, settle, store
from .entering import dial, join, new_ear
from .leaving import after_leave, leave_session, let_go
from .readback import is_left
from .words import Refused

Stage = SupervisorSession.Stage


def live_ear(user: User) -> Ear | None:
    """Return the supervisor's live leg, if there is one."""
    return Ear.objects.select_related("account", "line", "user").filter(user=user, ended_at=None).first()


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


def choose_role(
    *,
    user: User,
    conference: Conference,
    role: Role,
    targets: Sequence[UUID] = (),
    audience: Sequence[UUID] = (),
    now: datetime,
) -> SupervisorSession:
    """Bring the supervisor's line into a conference and give it a role.

    `targets` and `audience` are ids of legs: whom a whisper should reach, and who was shown as present. A line that is
    not inside yet comes in as monitor; a whisper then follows by itself, a barge has to be asked for again.
    Raises Refused, and then nothing has changed.
    """
    listeners = list(dict.fromkeys(targets)) if role == Role.WHISPER else []
    check = partial(authorise, user=user, conference=conference, role=role, listeners=listeners)
    try:
        if needs_reading(conference, role=role, now=now):
            check()  # first: nothing is asked of Telnyx for those who may not
            read_afresh(conference, listeners=listeners)
        session = open_session(user, conference)
        if session is not None and session.conference_id != conference.pk:
            check()
            _leave_for_another(session, now=now)
            session = None
        if session is not None:
            return _change(session, role=role, listeners=listeners, audience=audience, check=check, now=now)
        return _enter(
            user=user, conference=conference, role=role, listeners=listeners, audience=audience, check=check, now=now
        )
    except Refused as refused:
        # Here, outside the transaction that it has ended.
        audit.record(
            "refused", at=now, actor=user, conference=conference, role=role, targets=targets, detail=refused.sentence
        )
        raise


def quieter(*, user: User, now: datetime) -> None:
    """Fall back to monitor; where the line is still on its way in, forget that it wanted to speak."""
    session = open_session(user)
    if session is None:
        return
    if session.stage != Stage.INSIDE:
        with transaction.atomic():
            version = changes.advance(now=now)
            # Under the version's lock: a wish that is just being followed is either forgotten or answered by a monitor.
            waiting = SupervisorSession.objects.filter(pk=session.pk).exclude(stage=Stage.INSIDE)
            if waiting.update(wanted_role=Role.MONITOR, wanted_targets=[]):
                audit.record(
                    "forgot wish", at=now, actor=user, conference=session.conference, session=session, role=Role.MONITOR
                )
                touch(conferences=[session.conference_id], version=version)
                return
    send_role_command(session, role=Role.MONITOR, listeners=[], audience=session.audience_seen, now=now)


def leave(*, user: User, now: datetime, reason: str = "") -> None:
    """Leave the conference; the line stays connected, parked, ready for the next one."""
    session = open_session(user)
    if session is not None:
        leave_session(session, reason=reason or _("You left."), now=now)


def connect(*, user: User, line: Line | None = None, now: datetime) -> Ear:
    """Ring the supervisor's line and park it, so that the next conference is one key away. Raises Refused."""
    account = Account.objects.order_by("id").first()
    if account is None:
        raise Refused(_("No Telnyx account is set up yet. Ask an administrator."))
    with transaction.atomic():
        version = changes.advance(now=now)
        ear = live_ear(user)
        if ear is not None:
            return ear
        ear = new_ear(user, account, line=line, now=now)
        dialling = store(kind=Command.Kind.DIAL, ear=ear, version=version, now=now)
    dial(dialling, ear, now=now)
    return ear


def follow(*, user: User, agent: Agent | None, once: bool = False, now: datetime) -> None:
    """Hop silently into an agent's next call whenever one begins, or only the next one; None follows nobody.

    Raises Refused where there is no line yet, or no right to monitor the agent's team.
    """
    ear = live_ear(user)
    if agent is not None:
        if ear is None:
            raise Refused(_("Connect your line first; then it can follow an agent."))
        if not rights_book(user).in_teams(frozenset({agent.team_id})).monitor:
            refusal = _("You may not listen to this agent. Ask an administrator for the right.")
            audit.record("refused", at=now, actor=user, detail=f"follow {agent}: {refusal}")
            raise Refused(refusal)
    if ear is not None:
        with transaction.atomic():
            changes.advance(now=now)
            Ear.objects.filter(pk=ear.pk).update(follows=agent, follows_once=once and agent is not None)
            audit.record("follow", at=now, actor=user, detail=str(agent) if agent else "nobody")


def disconnect(*, user: User, now: datetime) -> None:
    """Hang up the supervisor's own line, wherever it is; one that the center's call flow brought only leaves."""
    ear = live_ear(user)
    if ear is not None:
        let_go(ear, reason=_("You disconnected your line."), now=now)


# --- authorising ------------------------------------------------------------------------------------------------------


Check = Callable[[], list[Stay]]


def authorise(*, user: User, conference: Conference, role: Role, listeners: Sequence[UUID]) -> list[Stay]:
    """Return who was and is in the conference; raise Refused for what this person may not do.

    Called in the transaction that stores the intention.
    """
    if conference.ended_at is not None:
        raise Refused(_("This conference has ended."))
    if conference.account.monitor_harms_call:
        raise Refused(
            _("On this account a silent line cuts the audio between customer and agent, so Floorline stays out.")
        )
    book, stays = rights_book(user), stays_in(conference)
    teams = frozenset(team for team in (conference.team_id, *(stay.team_id for stay in stays)) if team is not None)
    if not book.may_see(teams) or not book.in_teams(teams).allow(role):
        raise Refused(_("You may not do this in this team's conferences. Ask an administrator for the right."))
    if role == Role.WHISPER:
        _check_listeners(stays, listeners)
    return stays


def _check_listeners(stays: Iterable[Stay], listeners: Sequence[UUID]) -> None:
    if not listeners:
        raise Refused(_("Choose who should hear you."))
    parties = {stay.leg_id: stay.party for stay in stays if stay.present}
    for listener in listeners:
        if listener not in parties:
            raise Refused(_("Someone you chose is no longer in this conference. Look again and choose anew."))
        if parties[listener] != Leg.Party.AGENT:
            raise Refused(_("Only agents can be whispered to; a customer or an unknown leg never hears a whisper."))


# --- entering ---------------------------------------------------------------------------------------------------------


def _enter(
    *,
    user: User,
    conference: Conference,
    role: Role,
    listeners: list[UUID],
    audience: Sequence[UUID],
    check: Check,
    now: datetime,
) -> SupervisorSession:
    with transaction.atomic():
        version = changes.advance(now=now)
        check()
        # Under the version's lock: of two clicks at once, the second finds what the first has begun.
        session = open_session(user)
        if session is not None:
            return session
        ear = live_ear(user)
        dialling = None
        if ear is None:
            ear = new_ear(user, conference.account, now=now)
            dialling = store(kind=Command.Kind.DIAL, ear=ear, version=version, now=now)
        elif ear.state == Ear.State.ENDING:
            raise Refused(_("Your line is just being hung up. Try again in a moment."))
        session = SupervisorSession.objects.create(
            user=user,
            ear=ear,
            conference=conference,
            wanted_role=role,
            wanted_targets=[str(pk) for pk in listeners],
            wanted_at=now,
            audience_seen=[str(pk) for pk in audience],
            started_at=now,
        )
        if dialling is not None:
            dialling.session, dialling.conference = session, conference
            dialling.save(update_fields=["session", "conference"])
        audit.record("entering", at=now, actor=user, conference=conference, session=session, role=role)
        touch(conferences=[conference.pk], version=version)
    if dialling is not None:
        dial(dialling, ear, now=now)
    elif ear.state == Ear.State.CONNECTED:
        join(session, now=now)
    return session


# --- changing ---------------------------------------------------------------------------------------------------------


def _change(
    session: SupervisorSession,
    *,
    role: Role,
    listeners: list[UUID],
    audience: Sequence[UUID],
    check: Check,
    now: datetime,
) -> SupervisorSession:
    if session.stage == Stage.LEAVING:
        check()
        raise Refused(_("Your line is just leaving. Try again in a moment."))
    seen = [str(pk) for pk in audience]

    def check_all() -> list[Stay]:
        stays = check()
        if role in LOUD and set(seen) != audience_among(stays):
            raise Refused(
                _("Somebody joined or left since your page showed who hears you. Look again, then press again.")
            )
        return stays

    if session.stage != Stage.INSIDE:
        with transaction.atomic():
            check_all()
            SupervisorSession.objects.filter(pk=session.pk).update(
                wanted_role=role, wanted_targets=[str(pk) for pk in listeners], wanted_at=now, audience_seen=seen
            )
        return session
    command = send_role_command(session, role=role, listeners=listeners, audience=seen, check=check_all, now=now)
    if command is not None and command.state == Command.State.REJECTED:
        raise Refused(command.outcome)
    return session


def _leave_for_another(session: SupervisorSession, *, now: datetime) -> None:
    command = leave_session(session, reason=_("You went to another conference."), now=now)
    # A second conference is entered only after a reading has shown that the first one is left.
    answered = command is not None and command.state in {Command.State.ACCEPTED, Command.State.REJECTED}
    if command is not None and answered and is_left(command, session):
        settle(command, Command.State.VERIFIED, now=now)
        after_leave(session, command, now=now)
    session.refresh_from_db()
    if session.ended_at is None:
        raise Refused(
            _("Your line could not leave %(name)s, so it stays there. Try again in a moment.")
            % {"name": session.conference}
        )
