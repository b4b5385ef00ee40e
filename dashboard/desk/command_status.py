"""Describes the state of a command from stored rows: asked, accepted, verified, doubted or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from conferences import names
from conferences.models import Command, Ear, SupervisorSession
from conferences.models.supervision import Role

from .claim import Claim, Heard, State, Step

TOLD_FOR = timedelta(seconds=20)
"""The time for which a refusal is shown; static/js/told.js uses the same for answers to a press."""


class Tone(StrEnum):
    """The kind of a progress; each has its own icon."""

    WAIT = "wait"
    SURE = "sure"
    DOUBT = "doubt"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Progress:
    """One line about what was asked last, and the time that belongs to it."""

    tone: Tone
    text: str
    at: datetime | None = None


def role_label(role: str) -> str:
    """Return a role's name."""
    return str(Role(role).label) if role else ""


def headline(claim: Claim, *, targets: Sequence[str] = ()) -> str:
    """Return what a supervisor is doing in a call and how sure that is, as short as the top bar and a row need it."""
    if claim.step is Step.LEAVING:
        return _("Leaving…")
    if claim.step in {Step.COMING, Step.JOINING}:
        return _("Joining…")
    role = role_label(claim.role)
    if targets:
        role = f"{role} → {names.listed(list(targets))}"
    marks = {
        State.ASKED: _("%(role)s…"),
        State.ACCEPTED: _("%(role)s…"),
        State.VERIFIED: _("%(role)s ✓"),
        State.UNCONFIRMED: _("Not confirmed: %(role)s"),
        State.CONTRADICTED: _("Telnyx does not show %(role)s"),
        State.UNKNOWN: _("Not confirmed yet: %(role)s"),
    }
    return marks[claim.state] % {"role": role}


def progress_of(
    claim: Claim, *, session: SupervisorSession, ear: Ear, commands: Sequence[Command], now: datetime
) -> Progress:
    """Return what is happening to a supervisor's line in a call; `commands` are the newest ones, the newest first.

    A refusal ("wait a few seconds") is shown only for a while, because it is not true for longer. After that the
    present state is shown again.
    """
    command = commands[0] if commands else None
    if claim.step is Step.COMING:
        coming = _connecting(ear)
        if session.wanted_role != Role.WHISPER:
            return coming
        return replace(coming, text=coming.text + " " + _("Your whisper starts after that."))
    if ear.state == Ear.State.ENDING:
        return hanging_up(command)
    if claim.step is Step.LEAVING:
        return _going(command, going=_("Leaving"), since=session.wanted_at)
    if command is not None and has_no_effect(command) and is_still_told(command, now=now):
        return _refused(command)
    return _inside(claim, session, next((one for one in commands if not has_no_effect(one)), None))


def has_no_effect(command: Command) -> bool:
    """Return whether a command was refused or given up."""
    return command.state in {Command.State.REJECTED, Command.State.EXPIRED}


def is_still_told(command: Command, *, now: datetime) -> bool:
    """Return whether a refusal is young enough to be what the screen says."""
    return now - (command.settled_at or command.answered_at or command.asked_at) < TOLD_FOR


def _refused(command: Command) -> Progress:
    if command.state == Command.State.REJECTED:
        refused = command.outcome or _("Telnyx refused. Nothing changed.")
        return Progress(Tone.REFUSED, refused, command.answered_at)
    given_up = command.outcome or _("It took too long and was not done. Press again.")
    return Progress(Tone.REFUSED, given_up, command.settled_at)


def _inside(claim: Claim, session: SupervisorSession, command: Command | None) -> Progress:
    if claim.state is State.VERIFIED:
        return Progress(Tone.SURE, _("Confirmed by Telnyx"), claim.at)
    if command is None or command.state == Command.State.VERIFIED:
        late = command is not None and claim.heard is Heard.MAYBE
        doubt = _("An earlier press may still take effect.") if late else _("Telnyx does not show who hears you.")
        return Progress(Tone.DOUBT, doubt, session.verified_at)
    role = capfirst(str(command.get_role_display() if command.role else command.get_kind_display()))
    if claim.state is State.ASKED:
        return Progress(Tone.WAIT, _("%(role)s: sending…") % {"role": role}, command.asked_at)
    if claim.state is State.ACCEPTED:
        return Progress(Tone.WAIT, _("Switching to %(role)s…") % {"role": role}, command.answered_at)
    if claim.state is State.UNCONFIRMED:
        return Progress(
            Tone.DOUBT, _("Sent, but Telnyx can't confirm it. Treat it as audible, or leave."), command.answered_at
        )
    if claim.state is State.CONTRADICTED:
        shows = command.outcome or _("Telnyx accepted it but shows something else.")
        return Progress(Tone.DOUBT, shows, command.settled_at)
    return Progress(Tone.DOUBT, _("%(role)s: Telnyx has not answered yet") % {"role": role}, command.sent_at)


def hanging_up(command: Command | None) -> Progress:
    """Return how far the hanging up of a line has come; done only when a reading shows it."""
    return _going(command, going=_("Hanging up"), since=None)


def _going(command: Command | None, *, going: str, since: datetime | None) -> Progress:
    if command is None or command.kind not in {Command.Kind.LEAVE, Command.Kind.HANGUP}:
        return Progress(Tone.WAIT, _("%(going)s…") % {"going": going}, since)
    if command.state in {Command.State.REJECTED, Command.State.EXPIRED}:
        return Progress(Tone.DOUBT, _("%(going)s: not confirmed, trying again") % {"going": going}, command.answered_at)
    if command.state in {Command.State.UNKNOWN, Command.State.CONTRADICTED}:
        return Progress(
            Tone.DOUBT,
            _("%(going)s: Telnyx has not confirmed it yet. Trying again.") % {"going": going},
            command.sent_at,
        )
    return Progress(Tone.WAIT, _("%(going)s, checking…") % {"going": going}, command.asked_at)


def _connecting(ear: Ear) -> Progress:
    line = names.plain(ear.line.label) if ear.line else _("your phone")
    if ear.state == Ear.State.CONFIRMING:
        return Progress(Tone.WAIT, _("Press 1 on %(line)s to listen.") % {"line": line}, ear.confirming_since)
    if ear.state == Ear.State.CONNECTED:
        return Progress(Tone.WAIT, _("Your phone is connected. Joining…"), ear.connected_at)
    return Progress(Tone.WAIT, _("Ringing %(line)s…") % {"line": line}, ear.created_at)
