"""Reads participants back and judges whether a role is confirmed, contradicted, or not told by this account."""

from __future__ import annotations

import enum
import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db.models.functions import Coalesce

from conferences.clients import client_for
from conferences.models import Command, Ear, SupervisorSession
from conferences.models.commands import CommandQuerySet
from conferences.models.supervision import Role
from conferences.projection.listings import note_participants
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.reads import ParticipantRead

from .commands import clock
from .outbound import target_call_control_ids

State = Command.State
# A reading that hangs delays the ear's next step, and another reading follows soon.
READ_PATIENCE = 1.5
LEFT_PAUSES = (0.0, 0.2, 0.5)  # seconds
# What Telnyx may still execute: neither seen in force nor refused.
POSSIBLE_STATES = tuple(state for state in State if state not in {State.VERIFIED, State.REJECTED})
MAY_RUN_FOR = timedelta(seconds=120)


class Verdict(enum.Enum):
    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    CANNOT_TELL = "cannot tell"


def judge(
    *,
    role: str,
    listeners: Collection[str],
    muted: bool | None,
    whispering_to: Collection[str],
    monitor_reads_muted: bool,
) -> Verdict:
    """Compare the supervisor's own participant, as read, with the role it should have."""
    if role == Role.WHISPER:
        return Verdict.CONFIRMED if set(whispering_to) == set(listeners) else Verdict.CONTRADICTED
    if whispering_to:
        return Verdict.CONTRADICTED
    if role == Role.MONITOR:
        if muted:
            return Verdict.CONFIRMED
        return Verdict.CONTRADICTED if monitor_reads_muted else Verdict.CANNOT_TELL
    if muted:
        return Verdict.CONTRADICTED
    return Verdict.CONFIRMED if monitor_reads_muted else Verdict.CANNOT_TELL


def is_left(leaving: Command, session: SupervisorSession) -> bool:
    """Return whether the line is seen to be out after an accepted leave; Telnyx may list it for a moment longer."""
    for pause in LEFT_PAUSES:
        time.sleep(pause)
        if read(leaving, session) is Verdict.CONFIRMED:
            return True
    return False


def read(command: Command, session: SupervisorSession) -> Verdict | None:
    """Read the participants and compare the supervisor's own one with the command; None if the reading failed."""
    command.reads += 1
    Command.objects.filter(pk=command.pk).update(reads=command.reads)
    at = clock()
    try:
        reads = client_for(command.account).participants(session.conference.telnyx_id, patience=READ_PATIENCE)
    except (Rejected, Unanswered):
        return None
    note_participants(conference=session.conference, reads=reads, at=at)
    return judge_reads(command, session, reads)


def judge_reads(command: Command, session: SupervisorSession, reads: Sequence[ParticipantRead]) -> Verdict:
    """Compare the supervisor's own participant, as read, with a command."""
    mine = next((read for read in reads if read.call_control_id == session.ear.call_control_id), None)
    if command.kind == Command.Kind.LEAVE:
        return Verdict.CONFIRMED if mine is None else Verdict.CONTRADICTED
    if mine is None:
        return Verdict.CONTRADICTED
    if mine.muted and command.role == Role.MONITOR and not session.monitor_reads_muted:
        session.monitor_reads_muted = True
        SupervisorSession.objects.filter(pk=session.pk).update(monitor_reads_muted=True)
    return judge(
        role=command.role,
        listeners=target_call_control_ids(command.targets),
        muted=mine.muted,
        whispering_to=mine.whisper_call_control_ids,
        monitor_reads_muted=reads_muted(session),
    )


def reads_muted(session: SupervisorSession) -> bool:
    """Return whether unmuted means audible: proved for the account, else seen on this very leg."""
    proved = session.ear.account.monitor_reads_muted
    return session.monitor_reads_muted if proved is None else proved


def is_alive(command: Command, ear: Ear) -> bool:
    """Return whether a supervisor's own call is still up; where Telnyx does not say, it counts as up."""
    command.reads += 1
    Command.objects.filter(pk=command.pk).update(reads=command.reads)
    try:
        return client_for(command.account).call(ear.call_control_id, patience=READ_PATIENCE).is_alive
    except Rejected as error:
        return not error.means_gone
    except Unanswered:
        return True


def may_still_run(session: SupervisorSession, *, now: datetime) -> tuple[Command, ...]:
    """Return the louder commands of a session that may come into force beside what is shown, for 120 s each.

    With or without an answer: Telnyx' 200 says "accepted", and it has executed requests ten seconds later. What a
    reading has shown in force, and what asks for the very role that the session has, leaves no doubt.
    """
    commands = still_executable(Command.objects.audible().filter(session=session), now=now)
    shown = (session.role, session.targets)
    return tuple(command for command in commands if (command.role, command.targets) != shown)


def still_executable(commands: CommandQuerySet, *, now: datetime) -> CommandQuerySet:
    """Return those of these commands that Telnyx may still execute, or may have executed without a reading of it."""
    # Neither refused nor never sent; one that is just being sent has no time of sending yet.
    possible = commands.filter(state__in=POSSIBLE_STATES).exclude(state=State.EXPIRED, sent_at=None)
    return possible.annotate(began=Coalesce("sent_at", "asked_at")).filter(began__gte=now - MAY_RUN_FOR)


def is_in_doubt(command: Command, session: SupervisorSession) -> bool:
    """Return whether an accepted monitor may still be heard by everyone, where no reading would show it."""
    if command.kind != Command.Kind.UPDATE or command.role != Role.MONITOR or session.inside_at is None:
        return False
    spoke = Command.objects.filter(session=session, role__in=Role.audible_to_all(), asked_at__gte=session.inside_at)
    return not session.ear.dialled_by_us or spoke.exclude(state=Command.State.REJECTED).exists()
