"""Builds the claim of who hears a supervisor, from which every place on the screen is drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from conferences.models import Command, Ear, Participant, SupervisorSession
from conferences.models.account import WhisperReach
from conferences.models.supervision import Role

Kind = Command.Kind
Stage = SupervisorSession.Stage

COMMANDS_READ = 40
"""The newest commands of a session that are read; an older one that was never confirmed counts as loud."""
ALREADY_INSIDE = "90044"


class Heard(StrEnum):
    """The people who hear the supervisor: the values of `data-heard`."""

    NOBODY = "nobody"
    CHOSEN = "chosen"
    EVERYONE = "everyone"
    MAYBE = "maybe"


class State(StrEnum):
    """The certainty of that: the values of `data-state`."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    UNCONFIRMED = "unconfirmed"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"


class Step(StrEnum):
    """The place of the supervisor's phone on its way through a call."""

    OUT = "out"
    COMING = "coming"
    JOINING = "joining"
    INSIDE = "inside"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of who hears the supervisor, in which call, and how sure that is."""

    heard: Heard = Heard.NOBODY
    state: State = State.VERIFIED
    step: Step = Step.OUT
    role: str = ""
    """The role that was asked for last; where nothing is asked, the one in force."""
    targets: tuple[str, ...] = ()
    """The legs that a whisper is for, by our ids."""
    may_hear: frozenset[str] = frozenset()
    """The legs in the call that hear me or may hear me, by our ids."""
    beyond: bool = False
    """Whether somebody who is no target of a whisper hears me or may hear me."""
    at: datetime | None = None
    """When a reading confirmed it last."""
    conference_id: UUID | None = None

    @property
    def is_certain(self) -> bool:
        return self.state is State.VERIFIED

    @property
    def target_ids(self) -> str:
        return " ".join(self.targets)


@dataclass(frozen=True, slots=True)
class _Loud:
    """A role in which somebody hears the line."""

    everyone: bool
    targets: frozenset[str] = frozenset()


EVERYONE = _Loud(everyone=True)
SILENT: frozenset[_Loud] = frozenset()


def claim_of(
    *,
    session: SupervisorSession | None,
    ear: Ear | None,
    commands: Sequence[Command],
    doubts: Collection[Command],
    present: Collection[str] = (),
    own_participant: Participant | None = None,
) -> Claim:
    """Return who hears a supervisor, out of the stored rows alone.

    `commands` are the session's, the newest first, and those that hang the line up; `doubts` are louder ones that may
    still be in force or be executed. `present` names the legs in the call, supervisors apart; `own_participant` is the
    supervisor's own leg there, as it was read last. The session's ear and account must be loaded.
    """
    if session is None or ear is None:
        ending = ear is not None and ear.state == Ear.State.ENDING
        return Claim(state=_state_of_hanging_up(commands)) if ending else Claim()
    effective = [command for command in commands if _has_effect(command)]
    step = _step(session, ear, effective)
    newest = next((command for command in effective if command.kind in {Kind.JOIN, Kind.UPDATE}), None)
    role, targets = (session.role, session.targets) if newest is None else (newest.role, newest.targets)
    state = _state(session, effective, step)
    shown = _possible(session, commands, own_participant)
    unsure = [*doubts, *_executed_late(session, effective)]
    possible = shown.union(*(_loud(command.role, command.targets) for command in unsure))
    newcomers = _newcomers(session, possible, present)
    certain = state is State.VERIFIED and possible == shown and not newcomers and step is not Step.LEAVING
    heard = _heard(possible, certain=certain)
    if heard is Heard.MAYBE and state is State.VERIFIED:
        state = State.UNKNOWN
    everyone = any(loud.everyone for loud in possible)
    named = {target for loud in possible for target in loud.targets}
    return Claim(
        heard=heard,
        state=state,
        step=step,
        role=role,
        targets=tuple(targets) if role == Role.WHISPER else (),
        may_hear=frozenset(present if everyone else (named | newcomers) & set(present)),
        beyond=everyone or bool(newcomers),
        at=_verified_at(session, effective) if state is State.VERIFIED else None,
        conference_id=session.conference_id,
    )


def _has_effect(command: Command) -> bool:
    return command.state not in {Command.State.REJECTED, Command.State.EXPIRED}


def _state_of_hanging_up(commands: Sequence[Command]) -> State:
    hangup = next((command for command in commands if command.kind == Kind.HANGUP and _has_effect(command)), None)
    return State(hangup.state) if hangup else State.UNKNOWN


def _step(session: SupervisorSession, ear: Ear, effective: Sequence[Command]) -> Step:
    if session.stage == Stage.LEAVING or ear.state == Ear.State.ENDING:
        return Step.LEAVING
    if session.stage == Stage.CONNECTING:
        return Step.COMING
    arriving = bool(effective) and effective[0].kind == Kind.JOIN and effective[0].role == Role.MONITOR
    unread = arriving and effective[0].state in {Command.State.ASKED, Command.State.ACCEPTED, Command.State.UNKNOWN}
    return Step.JOINING if session.stage == Stage.JOINING or unread else Step.INSIDE


def _state(session: SupervisorSession, effective: Sequence[Command], step: Step) -> State:
    newest = effective[0] if effective else None
    if step is Step.COMING or (step is Step.JOINING and newest is None):
        return State.ASKED
    if newest is None or (step is Step.LEAVING and newest.kind not in {Kind.LEAVE, Kind.HANGUP}):
        shown = session.verified_at is not None and step is not Step.LEAVING and _shows_its_role(session)
        return State.VERIFIED if shown else State.UNKNOWN
    if step is not Step.LEAVING and newest.kind == Kind.LEAVE and newest.state != Command.State.VERIFIED:
        return State.CONTRADICTED  # on the way out, to come back as what was asked for
    if step is not Step.LEAVING and _is_before_reading(newest, session):
        return State.VERIFIED
    return State(newest.state)


def _shows_its_role(session: SupervisorSession) -> bool:
    """Return whether a reading can have shown the role of a line that nobody has commanded yet.

    What cannot be read counts as audible to everyone; that is a precaution, not a reading.
    """
    if session.ear.dialled_by_us or session.role != Role.NONE:
        return True
    proved = session.ear.account.monitor_reads_muted
    return session.monitor_reads_muted if proved is None else proved


def _is_before_reading(command: Command, session: SupervisorSession) -> bool:
    """Return whether a reading has confirmed the role in force after this command was answered."""
    if session.verified_at is None or command.state in {Command.State.ASKED, Command.State.UNKNOWN}:
        return False
    return (command.answered_at or command.asked_at) < session.verified_at


def _possible(
    session: SupervisorSession, commands: Sequence[Command], own_participant: Participant | None
) -> frozenset[_Loud]:
    """Return the loud roles that may be in force: what was confirmed last, and everything that was sent since."""
    if not commands:
        possible = _loud(session.role, session.targets)
    elif len(commands) < COMMANDS_READ and session.ear.dialled_by_us:
        possible = SILENT
    else:
        possible = frozenset({EVERYONE})
    if session.verified_at is not None:
        possible = _loud(session.role, session.targets)
    for command in reversed(commands):
        if not _is_before_reading(command, session):
            possible = _after(command, possible)
    if commands and own_participant is not None and _shows_no_whisper(commands[0], own_participant):
        possible = frozenset(loud for loud in possible if loud.everyone)
    return possible


def _executed_late(session: SupervisorSession, effective: Sequence[Command]) -> list[Command]:
    """Return the roles that a reading has shown in force after everything that was asked later had been confirmed."""
    late, shown_at = [], session.verified_at
    for command in effective:
        if command.state != Command.State.VERIFIED or command.settled_at is None or command.kind == Kind.HANGUP:
            continue
        if shown_at is not None and command.settled_at > shown_at and command is not effective[0]:
            late.append(command)
        shown_at = max(filter(None, (shown_at, command.settled_at)))
    return late


def _after(command: Command, before: frozenset[_Loud]) -> frozenset[_Loud]:
    state, asked = command.state, _loud(command.role, command.targets)
    if command.kind in {Kind.LEAVE, Kind.HANGUP}:
        return SILENT if state == Command.State.VERIFIED else before
    if state == Command.State.VERIFIED:
        return asked
    if state == Command.State.CONTRADICTED or command.telnyx_code == ALREADY_INSIDE:
        return before | asked | {EVERYONE}  # it is inside in another role, which is unknown
    return before | asked if _has_effect(command) else before


def _loud(role: str, targets: Collection[str]) -> frozenset[_Loud]:
    if role == Role.WHISPER:
        return frozenset({_Loud(everyone=False, targets=frozenset(targets))})
    return frozenset({EVERYONE}) if role in {Role.BARGE, Role.NONE} else SILENT


def _shows_no_whisper(newest: Command, own_participant: Participant) -> bool:
    """Return whether a reading after an accepted monitor has shown that no whisper is in force.

    Every account shows a whisper's list, also those that never tell a silent line from an audible one.
    """
    settled = newest.kind == Kind.UPDATE and newest.role == Role.MONITOR and newest.state == newest.State.UNCONFIRMED
    if not settled or own_participant.read_at is None or own_participant.whisper_call_control_ids:
        return False
    return own_participant.read_at > (newest.answered_at or newest.asked_at)


def _newcomers(session: SupervisorSession, possible: Collection[_Loud], present: Collection[str]) -> frozenset[str]:
    """Return who came into the call after the whisper's audience was seen, where a running whisper may reach them."""
    whispers = any(not loud.everyone for loud in possible)
    if not whispers or session.ear.account.whisper_reaches == WhisperReach.LISTED_ONLY:
        return frozenset()
    return frozenset(present) - frozenset(session.audience_seen)


def _heard(possible: frozenset[_Loud], *, certain: bool) -> Heard:
    if not possible:
        return Heard.NOBODY
    if not certain or len(possible) > 1:
        return Heard.MAYBE
    [loud] = possible
    return Heard.EVERYONE if loud.everyone else Heard.CHOSEN


def _verified_at(session: SupervisorSession, effective: Sequence[Command]) -> datetime | None:
    settled = effective[0].settled_at if effective else None
    return max(filter(None, (session.verified_at, settled)), default=None)
