"""Stores the sandbox's legs, participants, conferences, and the semantics in force."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict

Role = Literal["monitor", "whisper", "barge", "none"]
Kind = Literal["customer", "agent", "supervisor", "unknown"]
LegState = Literal["ringing", "answered", "ended"]
WhisperSemantics = Literal["allow-list", "deny-list"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Header(TypedDict):
    name: str
    value: str


@dataclass(slots=True)
class Semantics:
    """This Telnyx' answers to what the real one leaves undocumented."""

    whisper: WhisperSemantics = "allow-list"
    monitor_reads_muted: bool = True
    monitor_harms_call: bool = False
    """One live report: from the first monitor on, customer and agent do not hear each other any more."""
    left_stay_listed: bool = True
    """Whether a listing of participants names those who left, with status `left`."""


@dataclass(slots=True, eq=False)
class Gather:
    """Digits being collected on a leg; `serial` distinguishes a running gather from one that it replaced."""

    serial: int
    minimum_digits: int
    maximum_digits: int
    terminating_digit: str
    valid_digits: str
    inter_digit_s: float
    tries_left: int
    digits: str = ""


@dataclass(slots=True, eq=False)
class SandboxLeg:
    serial: int
    call_control_id: str
    call_leg_id: str
    call_session_id: str
    connection_id: str
    from_: str
    to: str
    direction: Literal["incoming", "outgoing"]
    kind: Kind
    label: str
    started_at: float
    caller_id_name: str
    parked: bool
    """A new leg that waits for the center's decision, as opposed to one being dialled."""
    calling_party_type: Literal["pstn", "sip"] | None
    """Telnyx sends it only for legs that somebody else began."""
    client_state: str | None = None
    custom_headers: tuple[Header, ...] = ()
    webhook_url: str | None = None
    timeout_s: float = 30.0
    time_limit_s: float = 14400.0
    state: LegState = "ringing"
    answered_at: float | None = None
    ended_at: float | None = None
    hangup_cause: str = "normal_clearing"
    hangup_source: str = "unknown"
    sip_hangup_cause: str = "200"
    sip_held: bool = False
    """Held by its own phone; conferences know nothing of it."""
    queue: str | None = None
    enqueued_at: float = 0.0
    gather: Gather | None = None
    participant: SandboxParticipant | None = None

    @property
    def alive(self) -> bool:
        return self.state != "ended"


@dataclass(slots=True, eq=False)
class SandboxParticipant:
    id: str
    leg: SandboxLeg
    conference: SandboxConference
    created_at: float
    updated_at: float
    role: Role = "none"
    whisper_call_control_ids: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()
    """Participant ids of those present and not listed when the role was commanded: the deny-list, frozen."""
    muted: bool = False
    on_hold: bool = False
    end_conference_on_exit: bool = False
    soft_end_conference_on_exit: bool = False
    status: Literal["joined", "left"] = "joined"


@dataclass(slots=True, eq=False)
class SandboxConference:
    id: str
    name: str
    owner: SandboxLeg
    client_state: str | None
    """The owner's, frozen at creation: Telnyx stamps it on every webhook of the conference."""
    created_at: float
    updated_at: float
    participants: dict[str, SandboxParticipant] = field(default_factory=dict)
    """By call_control_id, present ones only."""
    left: list[SandboxParticipant] = field(default_factory=list)
    ended_at: float | None = None
    end_reason: str | None = None
    ended_by: SandboxLeg | None = None
    harmed: bool = False
    """A monitor has cut the audio between the others; no later change of role brings it back."""

    @property
    def alive(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class WebhookSent:
    """One webhook; its id stays the same however often it is delivered."""

    id: str
    type: str
    occurred_at: str
    payload: dict[str, Any]
    url: str


def iso(at: float) -> str:
    """Format unix seconds as Telnyx does, in microseconds and UTC."""
    moment = _EPOCH + timedelta(microseconds=round(at * 1_000_000))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
