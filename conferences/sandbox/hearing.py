"""Who hears whom in a conference, under either possible semantics of a whisper."""

from __future__ import annotations

from conferences.sandbox.state import Conference, Participant, Semantics


def hears(*, listener: Participant, speaker: Participant, semantics: Semantics) -> bool:
    """Tell whether what `speaker` says reaches `listener`."""
    if listener is speaker or _held(listener) or _held(speaker) or speaker.muted or is_monitor(speaker):
        return False
    if speaker.role == "whisper":
        listener_id = listener.leg.call_control_id
        if semantics.whisper == "deny-list":
            return listener_id not in speaker.denied
        return listener_id in speaker.whisper_call_control_ids
    # Barge is the same as none: audible to all.
    return not (speaker.conference.harmed and speaker.role == listener.role == "none")


def is_monitor(participant: Participant) -> bool:
    """A whisper without targets silently becomes monitoring (docs of the conference `update` command)."""
    return participant.role == "monitor" or (participant.role == "whisper" and not participant.whisper_call_control_ids)


def reads_muted(participant: Participant, *, semantics: Semantics) -> bool:
    """Tell what the participants listing shows as `muted`."""
    return participant.muted or (semantics.monitor_reads_muted and is_monitor(participant))


def matrix(conference: Conference, *, semantics: Semantics) -> dict[str, list[str]]:
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


def _held(participant: Participant) -> bool:
    return participant.on_hold or participant.leg.sip_held
