"""Collects the findings of a probe, and derives the capability profile from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from conferences import audit
from conferences.models import Account
from conferences.models.account import WhisperReach


@dataclass(frozen=True, slots=True)
class ParticipantReading:
    """The supervisor's participant as Telnyx listed it after a step; absent where it listed none."""

    listed: bool
    muted: bool = False
    whispers_to: tuple[str, ...] = ()
    status: str = ""


@dataclass(slots=True)
class Findings:
    """By step: what Telnyx answered, what it listed, and by question what the operator heard (None: not known)."""

    answers: dict[str, str] = field(default_factory=dict)
    readings: dict[str, ParticipantReading] = field(default_factory=dict)
    heard: dict[str, bool | None] = field(default_factory=dict)
    other_application: bool = False
    """Whether agent and customer were dialled on another application than the supervisor."""
    webhooks: int = 0
    """The number of webhooks of the test calls that reached this installation."""

    def hears(self, step: str, listener: str, speaker: str) -> bool | None:
        return self.heard.get(f"{step}: {listener} hears {speaker}")


@dataclass(frozen=True, slots=True)
class Profile:
    """The values that are stored on the account; None where the probe could not tell."""

    whisper_reaches: WhisperReach
    monitor_reads_muted: bool | None
    monitor_harms_call: bool | None


def profile_of(findings: Findings) -> Profile:
    """Derive the profile; what was not heard clearly stays unproven."""
    return Profile(
        whisper_reaches=_whisper_reaches(findings),
        monitor_reads_muted=_monitor_reads_muted(findings),
        monitor_harms_call=_monitor_harms(findings),
    )


def store_profile(account: Account, profile: Profile, *, now: datetime) -> None:
    """Write the profile on the account, with an audit entry."""
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(
            whisper_reaches=profile.whisper_reaches,
            monitor_reads_muted=profile.monitor_reads_muted,
            monitor_harms_call=profile.monitor_harms_call,
            probed_at=now,
        )
        audit.record(audit.Action.PROBED, at=now, actor=None, detail=f"{account}: {profile}")


def _whisper_reaches(findings: Findings) -> WhisperReach:
    # Both times the whisper must have been heard where it belongs: silence everywhere proves nothing.
    reached = [findings.hears(step, "agent", "supervisor") for step in ("whisper", "later joiner")]
    others = [
        findings.hears("whisper", "customer", "supervisor"),
        findings.hears("later joiner", "customer", "supervisor"),
        findings.hears("target left", "customer", "supervisor"),
    ]
    if any(others):
        return WhisperReach.LATER_JOINERS_TOO
    if all(reached) and others == [False, False, False]:
        return WhisperReach.LISTED_ONLY
    return WhisperReach.UNPROVEN


def _monitor_reads_muted(findings: Findings) -> bool | None:
    # The other way round too: only if a voice reads unmuted does "unmuted" mean anything.
    quiet = [findings.readings.get(step) for step in ("monitor", "monitor again")]
    loud = [findings.readings.get(step) for step in ("barge", "none")]
    if not all(reading and reading.listed for reading in (*quiet, *loud)):
        return None
    if all(reading and reading.muted for reading in quiet) and not any(reading and reading.muted for reading in loud):
        return True
    return False if not any(reading and reading.muted for reading in quiet) else None


def _monitor_harms(findings: Findings) -> bool | None:
    pairs = (("agent", "customer"), ("customer", "agent"))
    before = [findings.hears("call", *pair) for pair in pairs]
    after = [findings.hears("monitor", *pair) for pair in pairs]
    if not all(before) or None in after:
        return None
    return not all(after)
