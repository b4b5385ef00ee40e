"""Carries out the choice of a role: enter, change, or go to another conference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from conferences import audit
from conferences.audit import Action
from conferences.changes import board_change
from conferences.fast_sql import load_rows
from conferences.models import Cause, Command, Conference, Ear, SupervisorSession
from conferences.models.supervision import Role

from .authorisation import PresentLeg, audience_among, authorise, needs_reading, read_afresh
from .commands import clock, settle, store
from .emergency import between_conferences
from .errors import Refused
from .line import dial, join, live_ear, new_ear
from .presses import CLOCKS_AGREE_WITHIN, Press, Way, columns_of, press_of_session, refuse_stale
from .readback import is_left
from .roles import send_role_command
from .sessions import after_leave, leave_session, open_session
from .stops import keep_stop_alone, loses_to, refuse_void, stops_after, store_stop

Stage = SupervisorSession.Stage
LOUDNESS = {Role.MONITOR: 0, Role.WHISPER: 1, Role.BARGE: 2, Role.NONE: 2}
OVERTAKEN = gettext_noop("You pressed something else after this, so it was not done. Press again.")
STAYS_ON_MONITOR = gettext_noop("Monitor was pressed on another page, so you stay on Monitor. Press again to be heard.")


@dataclass(frozen=True, slots=True)
class Choice:
    """A role and its targets as a supervisor chose them, and the audience that the page showed at that moment."""

    user: User
    conference: Conference
    role: Role
    listeners: list[UUID]
    audience: list[str]
    press: Press
    cause: Cause = Cause.PRESSED

    @property
    def targets(self) -> list[str]:
        return [str(pk) for pk in self.listeners]

    def authorise(self) -> list[PresentLeg]:
        """Return who was and is in the conference; raise Refused for what this person may not do."""
        return authorise(user=self.user, conference=self.conference, role=self.role, listeners=self.listeners)

    def check(self, *, entering: bool) -> list[PresentLeg]:
        """Check the choice against rights, its age, and the stops of the same person; raise Refused."""
        if entering or self.role in Role.audible_to_somebody():
            refuse_stale(self.press)
            refuse_void(self.user, self.press, entering=entering)
        return self.authorise()

    def check_inside(self, current: SupervisorSession) -> None:
        """Check a louder choice for the conference of the line: rights, age, newest press, current participants.

        Monitor is a stop there, so it needs no right; whoever may not listen any more is taken out by the worker.
        """
        if self.role not in Role.audible_to_somebody():
            return
        legs = self.check(entering=False)
        if self.is_overtaken(current):
            raise Refused(self.why_overtaken(current))
        if set(self.audience) != audience_among(legs):
            raise Refused(_("Somebody joined or left. Look who hears you, then press again."))

    def is_overtaken(self, current: SupervisorSession) -> bool:
        """Return whether the same person has asked for something else in this conference, and is to have that."""
        same = (current.wanted_role, current.wanted_targets) == (self.role, self.targets)
        return not same and self.gives_way(current)

    def gives_way(self, current: SupervisorSession) -> bool:
        """Return whether the newest press of a session wins: the later one, of two pages at once the quieter one."""
        newest = press_of_session(current)
        if newest is None:
            return False
        wanted = Role(current.wanted_role)
        if LOUDNESS[wanted] != LOUDNESS[self.role] and newest.is_at_once_with(self.press):
            return LOUDNESS[wanted] < LOUDNESS[self.role]
        return self.press.is_before(newest)

    def why_overtaken(self, current: SupervisorSession) -> str:
        """Return why a choice gives way: to a later press, or to Monitor on another page a moment before it."""
        newest = press_of_session(current)
        before = newest is not None and not self.press.is_before(newest)
        return _(STAYS_ON_MONITOR) if before and current.wanted_role == Role.MONITOR else _(OVERTAKEN)

    def check_leaving(self, session: SupervisorSession) -> None:
        """Check a choice for another conference against the newest press in the current one."""
        self.check(entering=True)
        [current] = load_rows(SupervisorSession, id=session.pk)
        if self.gives_way(current):
            raise Refused(self.why_overtaken(current))


def choose(choice: Choice, *, now: datetime) -> SupervisorSession:
    """Carry out a choice; raise Refused where it is not to be done."""
    conference = choice.conference
    if needs_reading(conference, role=choice.role, now=now):
        choice.authorise()  # first, so that nothing is sent to Telnyx for a person without the right
        read_afresh(conference, listeners=choice.listeners)
    session = open_session(choice.user, conference)
    if session is not None and session.conference_id == conference.pk:
        return _change(session, choice, now=now)
    if session is None:
        session, begun = enter(choice, stored=False, now=now)
    else:
        _refuse_other_account(session.ear, conference)
        with between_conferences(session.ear):
            left_at = _leave_for_another(session, choice, now=now)
            session, begun = enter(choice, stored=True, now=left_at)
    if begun:
        return session
    if session.conference_id != conference.pk:
        raise Refused(_("Your phone is already joining another call. Try again in a moment."))
    # The second of two clicks at the same time finds the session that the first has begun, and changes it.
    return _change(session, choice, now=now)


def enter(choice: Choice, *, stored: bool, now: datetime) -> tuple[SupervisorSession, bool]:
    """Begin a session and bring the line in; return the open session, and whether it is this one that was begun.

    `stored` is true where the press was stored with the leave of another conference: its age was judged there. Where
    the same person asked for silence meanwhile, the line comes in as monitor; where they left, not at all.
    """
    with board_change(now=now) as change:
        # Under the version's lock: of two clicks at once, the second finds what the first has begun.
        session = open_session(choice.user)
        if session is not None:
            return session, False
        is_silenced = _judge(choice, stored=stored)
        ear, dialling = live_ear(choice.user), None
        if ear is not None and ear.state == Ear.State.ENDING:
            raise Refused(_("Your phone is being hung up. Try again in a moment."))
        if ear is not None:
            _refuse_other_account(ear, choice.conference)
            session = _begin(choice, ear, is_silenced=is_silenced, now=now)
        else:
            ear = new_ear(choice.user, choice.conference.account, now=now)
            session = _begin(choice, ear, is_silenced=is_silenced, now=now)
            kind, version = Command.Kind.DIAL, change.version
            dialling = store(kind=kind, ear=ear, session=session, version=version, cause=choice.cause, now=now)
        change.touch(choice.conference.pk)
    if dialling is not None:
        dial(dialling, ear, now=now)
    elif ear.state == Ear.State.CONNECTED:
        join(session, cause=choice.cause, now=now)
    return session, True


def _refuse_other_account(ear: Ear, conference: Conference) -> None:
    """Raise Refused where a line is on another account than the conference: Telnyx joins no leg of another account."""
    if ear.account_id != conference.account_id:
        raise Refused(_("Your phone is connected through another Telnyx account. Hang it up, then press again."))


def _judge(choice: Choice, *, stored: bool) -> bool:
    """Raise Refused where the press may bring nobody in; return whether the person asked for silence after it."""
    if stored:
        refuse_void(choice.user, choice.press, entering=True)
        choice.authorise()
    else:
        choice.check(entering=True)
        _refuse_overtaken(choice)
    return bool(stops_after(choice.user, choice.press))


def _refuse_overtaken(choice: Choice) -> None:
    """Raise Refused where the same person has pressed for another call after this, even if that call is over for them.

    Of two pages at once it is not known which came first, so neither gives way.
    """
    since = choice.press.at - CLOCKS_AGREE_WITHIN  # a page's estimate of the time wavers, its numbers do not
    for session in SupervisorSession.objects.filter(user=choice.user, pressed_at__gte=since):
        newest = press_of_session(session)
        if newest is not None and choice.press.is_before(newest) and not choice.press.is_at_once_with(newest):
            raise Refused(_(OVERTAKEN))


def _begin(choice: Choice, ear: Ear, *, is_silenced: bool, now: datetime) -> SupervisorSession:
    """Store the session, with the role that follows once the line is inside, and record that it begins."""
    session = SupervisorSession.objects.create(
        user=choice.user,
        ear=ear,
        conference=choice.conference,
        wanted_role=Role.MONITOR if is_silenced else choice.role,
        wanted_targets=[] if is_silenced else choice.targets,
        wanted_at=now,
        audience_seen=choice.audience,
        started_at=now,
        **columns_of(choice.press),
    )
    audit.record(
        Action.ENTERING,
        at=now,
        actor=choice.user,
        conference=choice.conference,
        session=session,
        role=session.wanted_role,
    )
    return session


def _change(session: SupervisorSession, choice: Choice, *, now: datetime) -> SupervisorSession:
    if session.stage == Stage.LEAVING:
        if choice.role == Role.MONITOR:
            keep_stop_alone(choice.user, Way.QUIETER, choice.press, now=now)
        choice.authorise()
        raise Refused(_("Your phone is leaving a call. Try again in a moment."))
    if session.stage != Stage.INSIDE:
        return _change_pending_role(session, choice, now=now)
    command = send_role_command(
        session,
        role=choice.role,
        listeners=choice.listeners,
        audience=choice.audience,
        check=choice.check_inside,
        press=choice.press,
        now=now,
    )
    if command is not None and command.state == Command.State.REJECTED:
        raise Refused(command.outcome)
    return session


def _change_pending_role(session: SupervisorSession, choice: Choice, *, now: datetime) -> SupervisorSession:
    """Choose another role for a line that is still on its way in."""
    with board_change(session.conference_id, now=now) as change:
        [current] = load_rows(SupervisorSession, id=session.pk)
        choice.check_inside(current)
        if choice.role == Role.MONITOR:
            store_stop(choice.user, Way.QUIETER, choice.press)
            if loses_to(choice.press, current):
                return session
        change.update(
            SupervisorSession.objects.filter(pk=session.pk),
            wanted_role=choice.role,
            wanted_targets=choice.targets,
            wanted_at=now,
            audience_seen=choice.audience,
            **columns_of(choice.press),
        )
    return session


def _leave_for_another(session: SupervisorSession, choice: Choice, *, now: datetime) -> datetime:
    """Leave a conference for another one; return when the session ended.

    Raise Refused where the line is not seen to be out.
    """
    if session.stage == Stage.LEAVING and choice.role == Role.MONITOR:
        # A whisper may still be pending for the same call that was now chosen for Monitor.
        keep_stop_alone(choice.user, Way.QUIETER, choice.press, now=now)
    command = leave_session(
        session,
        reason=_("You moved to another call."),
        cause=choice.cause,
        check=partial(choice.check_leaving, session),
        now=now,
    )
    # A second conference is entered only after a reading has shown that the first one is left.
    answered = command is not None and command.state in {Command.State.ACCEPTED, Command.State.REJECTED}
    if command is not None and answered and is_left(command, session):
        settle(command, Command.State.VERIFIED, now=clock())
        after_leave(session, command)
    session.refresh_from_db()
    if session.ended_at is None:
        raise Refused(
            _("Your phone could not leave %(name)s and is still there. Try again in a moment.")
            % {"name": session.conference}
        )
    return session.ended_at
