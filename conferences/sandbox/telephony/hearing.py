"""Computes who hears whom in a conference, under either possible semantics of a whisper."""

from __future__ import annotations

from conferences.sandbox.telephony.state import SandboxConference, SandboxParticipant, Semantics


def hears(*, listener: SandboxParticipant, speaker: SandboxParticipant, semantics: Semantics) -> bool:
    """Return whether what `speaker` says reaches `listener`."""
    if listener is speaker or _held(listener) or _held(speaker) or speaker.muted or is_monitor(speaker):
        return False
    if speaker.role == "whisper":
        if semantics.whisper == "deny-list":
            # Whoever leaves and rejoins is another participant, and not on the frozen list.
            return listener.id not in speaker.denied
        return listener.leg.call_control_id in speaker.whisper_call_control_ids
    # Barge is the same as none: audible to all.
    return not (speaker.conference.harmed and speaker.role == listener.role == "none")


def is_monitor(participant: SandboxParticipant) -> bool:
    """Return whether a participant monitors; a whisper without targets becomes that (docs of conference `update`)."""
    return participant.role == "monitor" or (participant.role == "whisper" and not participant.whisper_call_control_ids)


def reads_muted(participant: SandboxParticipant, *, semantics: Semantics) -> bool:
    """Return whether the participants listing shows `muted`."""
    return participant.muted or (semantics.monitor_reads_muted and is_monitor(participant))


def matrix(conference: SandboxConference, *, semantics: Semantics) -> dict[str, list[str]]:
    """Return for each participant's call_control_id the ids of those it hears."""
    present = list(conference.participants.values())
    return {
        listener.leg.call_control_id: [
            speaker.leg.call_control_id
            for speaker in present
            if hears(listener=listener, speaker=speaker, semantics=semantics)
        ]
        for listener in present
    }


def _held(participant: SandboxParticipant) -> bool:
    return participant.on_hold or participant.leg.sip_held
