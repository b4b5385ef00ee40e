"""What a reading says about a role: confirmed, contradicted, or this account does not tell.

Telnyx shows no role for a participant, only whether it is muted and whom it whispers to. Whether a monitoring leg
reads back as muted is not documented, so it counts only once this very leg has been seen muted while it monitored.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

from conferences.models.supervision import Role


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
