"""Translates one event into registers of a conference, a leg and a participant.

To teach the board a new event type, add it to LEG_NEWS or CONFERENCE_NEWS. Types in neither are kept and change
nothing. Field names and their pitfalls: https://developers.telnyx.com/docs/voice/programmable-voice/receiving-webhooks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from conferences.recognition.probes import is_of_a_probe
from conferences.telnyx.inbound import CLIENT_STATE_LIMIT, Event, clean_json, clean_text

from .registers import HOLDS, TURNS, Facts, stamp

News = Callable[[Mapping[str, object]], Mapping[str, object]]

# Registers that a leg's call.* events fill, by our names.
LEG_FIELDS = {
    "call_leg_id": ("call_leg_id", 64),
    "call_session_id": ("call_session_id", 64),
    "connection_id": ("connection_id", 64),
    "from": ("from", 200),
    "to": ("to", 200),
    "direction": ("direction", 16),
    "caller_id_name": ("caller_name", 200),
    "client_state": ("client_state", CLIENT_STATE_LIMIT),
    "from_sip_uri": ("from_sip_uri", 200),
    "to_sip_uri": ("to_sip_uri", 200),
    "calling_party_type": ("calling_party_type", 16),
}
# conference.* events carry the ids of the leg, but the client_state of the conference's owner (T30).
LEG_FIELDS_IN_CONFERENCE_EVENTS = ("call_leg_id", "call_session_id", "connection_id")


def _queue(*, inside: bool) -> News:
    return lambda payload: {"queue": {"name": clean_text(payload.get("queue"), limit=100), "inside": inside}}


def _digit(digit: str) -> dict[str, object]:
    if not digit:
        return {}  # taken out, because the leg is not ours (conferences.digits)
    # The star has a register of its own, so that “*0” can be told from “0” whatever order the two keys arrive in.
    return {"star": True} if digit == "*" else {"digit": digit}


LEG_NEWS: dict[str, News] = {
    "call.initiated": lambda payload: {"initiated": True},
    "call.answered": lambda payload: {"answered": True},
    "call.bridged": lambda payload: {"bridged": True},
    "call.hangup": lambda payload: {"hungup": clean_text(payload.get("hangup_cause"), limit=64)},
    "call.enqueued": _queue(inside=True),
    "call.dequeued": _queue(inside=False),
    "call.left.queue": _queue(inside=False),
    "call.hold": lambda payload: {"phone_held": True},
    "call.held": lambda payload: {"phone_held": True},
    "call.unhold": lambda payload: {"phone_held": False},
    "call.dtmf.received": lambda payload: _digit(clean_text(payload.get("digit"), limit=1)),
    "call.gather.ended": lambda payload: {
        "gathered": {
            "digits": clean_text(payload.get("digits"), limit=128),
            "status": clean_text(payload.get("status"), limit=20),
        }
    },
}

CONFERENCE_NEWS: dict[str, News] = {
    "conference.created": lambda payload: {
        "created": True,
        "connection_id": clean_text(payload.get("connection_id"), limit=64),
    },
    "conference.ended": lambda payload: {"ended": clean_text(payload.get("reason"), limit=32)},
    "conference.floor.changed": lambda payload: {"speaker": clean_text(payload.get("call_control_id"), limit=200)},
    "conference.participant.joined": lambda payload: {},
    "conference.participant.left": lambda payload: {},
    "conference.playback.started": lambda payload: {},
    "conference.playback.ended": lambda payload: {},
    "conference.speak.started": lambda payload: {},
    "conference.speak.ended": lambda payload: {},
    "conference.participant.playback.started": lambda payload: {},
    "conference.participant.playback.ended": lambda payload: {},
    "conference.participant.speak.started": lambda payload: {},
    "conference.participant.speak.ended": lambda payload: {},
    "conference.recording.saved": lambda payload: {},
}
# Leaving outranks joining at the same instant: doubt goes towards "not in there".
PRESENCE = {"conference.participant.joined": ("joined", 0), "conference.participant.left": ("left", 1)}

# Understood in the sense that they belong to a leg, though they tell the board nothing beyond its ids.
OTHER_LEG_EVENTS = (
    "call.machine.",
    "call.playback.",
    "call.recording.",
    "call.speak.",
    "call.refer.",
    "call.cost",
    "call.transcription",
    "streaming.",
)


@dataclass(slots=True)
class Observation:
    """One event's registers; ids are empty where the event names none."""

    conference_id: str = ""
    call_control_id: str = ""
    conference: Facts = field(default_factory=dict)
    leg: Facts = field(default_factory=dict)
    presence: Facts = field(default_factory=dict)

    @property
    def understood(self) -> bool:
        return bool(self.conference or self.leg)


def observe(event: Event) -> Observation:
    """Return what an event says; nothing for types the board does not know, and for the test calls of a probe."""
    # Those of a conference carry the state of its owner, which is a leg of the probe as well.
    if is_of_a_probe(event.payload.get("client_state")):
        return Observation()
    if event.type in CONFERENCE_NEWS:
        return _observe_conference(event)
    if event.type in LEG_NEWS or event.type.startswith(OTHER_LEG_EVENTS):
        return _observe_leg(event)
    return Observation()


def ids(event: Event) -> tuple[str, str]:
    """Return (conference id, call_control_id) as an event names them, "" where it does not."""
    conference = event.payload.get("conference_id")
    if not conference and event.type.startswith("conference."):
        conference = event.payload.get("id")
    return clean_text(conference, limit=128), clean_text(event.payload.get("call_control_id"), limit=200)


def _observe_conference(event: Event) -> Observation:
    conference_id, call_control_id = ids(event)
    mark = stamp(occurred_at=event.occurred_at, event_id=event.id)
    seen = Observation(conference_id=conference_id, call_control_id=call_control_id)
    if conference_id:
        news = {"seen": True, **CONFERENCE_NEWS[event.type](event.payload)}
        seen.conference = {
            key: [mark, known] for key, known in news.items() if known not in ("", None) or key == "ended"
        }
        if "speaker" in seen.conference and call_control_id:
            seen.conference[TURNS] = [mark, {call_control_id: [_milliseconds(event)]}]
    if conference_id and call_control_id and event.type in PRESENCE:
        seen.leg = _fields(event, mark, LEG_FIELDS_IN_CONFERENCE_EVENTS)
        word, rank = PRESENCE[event.type]
        ranked = stamp(occurred_at=event.occurred_at, event_id=event.id, rank=rank)
        seen.presence = {"presence": [ranked, word], **({"joined": [mark, True]} if word == "joined" else {})}
    return seen


def _observe_leg(event: Event) -> Observation:
    _, call_control_id = ids(event)
    seen = Observation(call_control_id=call_control_id)
    if call_control_id:
        mark = stamp(occurred_at=event.occurred_at, event_id=event.id)
        seen.leg = _fields(event, mark, tuple(LEG_FIELDS))
        headers = event.payload.get("custom_headers")
        if isinstance(headers, list):
            seen.leg["headers"] = [mark, clean_json(headers, limit=300)]
        if event.type in LEG_NEWS:
            seen.leg |= {key: [mark, known] for key, known in LEG_NEWS[event.type](event.payload).items()}
        if "phone_held" in seen.leg:
            word = "held" if seen.leg["phone_held"][1] else "resumed"
            seen.leg[HOLDS] = [mark, {word: [_milliseconds(event)]}]
    return seen


def _milliseconds(event: Event) -> int:
    return int(event.occurred_at.timestamp() * 1000)


def _fields(event: Event, mark: str, names: tuple[str, ...]) -> Facts:
    facts: Facts = {"seen": [mark, True]}
    for name in names:
        register, limit = LEG_FIELDS[name]
        known = clean_text(event.payload.get(name), limit=limit)
        if known:
            facts[register] = [mark, known]
    return facts
