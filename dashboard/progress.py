"""How far a wish has come, in words: asked, accepted, verified, doubted or refused. Only ever from the stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from conferences.models import Command, Ear, SupervisorSession
from conferences.models.supervision import Role

LOUD = frozenset({Role.BARGE, Role.NONE})
UNSETTLED = frozenset({Command.State.ASKED, Command.State.ACCEPTED, Command.State.UNKNOWN})


class Tone(StrEnum):
    """The shape a progress takes beside its words; each has an icon of its own."""

    WAIT = "wait"
    SURE = "sure"
    DOUBT = "doubt"
    REFUSED = "refused"


class Heard(StrEnum):
    """Whether somebody hears me."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Progress:
    """One sentence about the newest wish, and the time that belongs to it."""

    tone: Tone
    text: str
    at: datetime | None = None


def progress_of(session: SupervisorSession, ear: Ear, command: Command | None) -> Progress:
    """Return what is happening to a supervisor's ear in a conference."""
    if session.stage == SupervisorSession.Stage.CONNECTING:
        coming = _connecting(ear)
        if session.wanted_role != Role.WHISPER:
            return coming
        return replace(coming, text=coming.text + " " + _("The whisper follows by itself."))
    if ear.state == Ear.State.ENDING:
        return hanging_up(command)
    if session.stage == SupervisorSession.Stage.LEAVING:
        return _going(command, going=_("Leaving"), since=session.wanted_at)
    if command is None:
        return _standing(session)
    role = capfirst(str(command.get_role_display() if command.role else command.get_kind_display()))
    states: dict[str, Progress] = {
        Command.State.ASKED: Progress(Tone.WAIT, _("%(role)s: asking…") % {"role": role}, command.asked_at),
        Command.State.ACCEPTED: Progress(
            Tone.WAIT, _("%(role)s: accepted, checking…") % {"role": role}, command.answered_at
        ),
        Command.State.UNCONFIRMED: Progress(
            Tone.DOUBT, _("accepted, cannot be confirmed on this account"), command.answered_at
        ),
        Command.State.UNKNOWN: Progress(
            Tone.DOUBT, _("%(role)s: no answer from Telnyx yet, checking") % {"role": role}, command.sent_at
        ),
        Command.State.CONTRADICTED: Progress(
            Tone.DOUBT,
            command.outcome or _("Telnyx accepted it, but reading back shows otherwise."),
            command.settled_at,
        ),
        Command.State.REJECTED: Progress(Tone.REFUSED, _refusal(command), command.answered_at),
        Command.State.EXPIRED: Progress(
            Tone.REFUSED, command.outcome or _("Given up: it took too long. Press again."), command.settled_at
        ),
    }
    return states.get(command.state) or _standing(session, command)


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
            Tone.DOUBT, _("%(going)s: Telnyx did not confirm yet, trying again") % {"going": going}, command.sent_at
        )
    return Progress(Tone.WAIT, _("%(going)s, checking…") % {"going": going}, command.asked_at)


def others_hear(
    session: SupervisorSession, command: Command | None, *, doubts: Sequence[Command] = ()
) -> dict[str, Heard]:
    """Return who hears the supervisor: "targets" (of a whisper) and "everyone", each no, maybe or yes.

    Doubt is told as doubt: until a louder wish is settled, it may already have been carried out. One of the `doubts`,
    to which Telnyx never answered, may yet be carried out, after a monitor that Telnyx has accepted since.
    """
    everyone = Heard.YES if session.role in LOUD else Heard.NO
    targets = Heard.YES if session.role == Role.WHISPER else Heard.NO
    louder = {Command.Kind.JOIN, Command.Kind.UPDATE}
    if command and command.state == Command.State.CONTRADICTED and command.kind in louder:
        return {
            "everyone": max(everyone, Heard.MAYBE, key=_loudness),
            "targets": max(targets, Heard.MAYBE, key=_loudness),
        }
    pending = [command] if command and command.state in UNSETTLED and command.kind in louder else []
    wishes = {wish.role for wish in (*pending, *doubts)}
    if wishes & LOUD:
        everyone = max(everyone, Heard.MAYBE, key=_loudness)
    if Role.WHISPER in wishes:
        targets = max(targets, Heard.MAYBE, key=_loudness)
    return {"everyone": everyone, "targets": targets}


def _loudness(heard: Heard) -> int:
    return list(Heard).index(heard)


def _connecting(ear: Ear) -> Progress:
    line = ear.line.label if ear.line else _("your line")
    if ear.state == Ear.State.CONFIRMING:
        return Progress(Tone.WAIT, _("Press 1 on %(line)s to listen.") % {"line": line}, ear.confirming_since)
    if ear.state == Ear.State.CONNECTED:
        return Progress(Tone.WAIT, _("Your line is connected, going in silently…"), ear.connected_at)
    return Progress(Tone.WAIT, _("Ringing %(line)s…") % {"line": line}, ear.created_at)


def _standing(session: SupervisorSession, command: Command | None = None) -> Progress:
    if session.stage == SupervisorSession.Stage.JOINING:
        return Progress(Tone.WAIT, _("Joining silently…"), session.started_at)
    verified_at = session.verified_at or (command.settled_at if command else None)
    if verified_at:
        return Progress(Tone.SURE, _("verified by Telnyx"), verified_at)
    return Progress(Tone.WAIT, _("inside, checking…"), session.inside_at)


def _refusal(command: Command) -> str:
    return command.outcome or _("Telnyx refused it. Nothing changed.")
