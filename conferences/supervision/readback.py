"""What a reading says about a role: confirmed, contradicted, or this account does not tell.

Telnyx shows no role for a participant, only whether it is muted and whom it whispers to. Whether a monitoring leg
reads back as muted is not documented, so it counts only once this very leg has been seen muted while it monitored.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Collection

from conferences.clients import client_for
from conferences.listings import note_participants
from conferences.models import Command, Ear, SupervisorSession
from conferences.models.supervision import Role
from conferences.telnyx.client import Rejected, Unanswered

from .commands import clock, target_call_control_ids

# A reading that hangs holds up whatever the ear needs next; the following one is never far.
READ_PATIENCE = 1.5
LEFT_PAUSES = (0.0, 0.2, 0.5)  # seconds


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
    """Hold what was read of the supervisor's own participant against the role it should have."""
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
    """Say whether the line is seen to be out after an accepted leave; Telnyx may list it for a moment longer."""
    for pause in LEFT_PAUSES:
        time.sleep(pause)
        if read(leaving, session) is Verdict.CONFIRMED:
            return True
    return False


def read(command: Command, session: SupervisorSession) -> Verdict | None:
    """Read the participants and hold the supervisor's own one against the command; None where reading failed."""
    command.reads += 1
    Command.objects.filter(pk=command.pk).update(reads=command.reads)
    at = clock()
    try:
        reads = client_for(command.account).participants(session.conference.telnyx_id, patience=READ_PATIENCE)
    except (Rejected, Unanswered):
        return None
    note_participants(conference=session.conference, reads=reads, at=at)
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
    """Say whether unmuted means audible: proved for the account, else seen on this very leg."""
    proved = session.ear.account.monitor_reads_muted
    return session.monitor_reads_muted if proved is None else proved


def is_alive(command: Command, ear: Ear) -> bool:
    """Read whether a supervisor's own call is still up; where Telnyx does not say, it counts as up."""
    command.reads += 1
    Command.objects.filter(pk=command.pk).update(reads=command.reads)
    try:
        return client_for(command.account).call(ear.call_control_id, patience=READ_PATIENCE).is_alive
    except Rejected as error:
        return error.status not in {404, 422}
    except Unanswered:
        return True
