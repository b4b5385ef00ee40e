"""Reads Telnyx' answers about conferences, participants and calls into dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .inbound import clean_text, read_time


@dataclass(frozen=True, slots=True)
class ConferenceRead:
    """A conference as Telnyx lists it."""

    id: str
    name: str
    status: str
    created_at: datetime | None
    ended: bool
    end_reason: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class ConferencePage:
    """One page of a listing."""

    conferences: list[ConferenceRead]
    last: bool


@dataclass(frozen=True, slots=True)
class ParticipantRead:
    """A participant as Telnyx lists it. There is no role in it; muted and the whisper list are all it tells."""

    call_control_id: str
    call_leg_id: str
    status: str
    muted: bool
    on_hold: bool
    whisper_call_control_ids: tuple[str, ...]
    id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page of Telnyx' log of deliveries: the events, as the webhooks would have brought them."""

    events: list[Mapping[str, Any]]
    last: bool


@dataclass(frozen=True, slots=True)
class CallRead:
    """A call as Telnyx knows it; readable for ten minutes after its end."""

    call_control_id: str
    is_alive: bool
    client_state: str = ""


def conference_read(item: Mapping[str, Any]) -> ConferenceRead:
    """Return a conference of an answer; what is missing or of another type stays empty."""
    status = clean_text(item.get("status"), limit=20)
    return ConferenceRead(
        id=clean_text(item.get("id"), limit=128),
        name=clean_text(item.get("name"), limit=200),
        status=status,
        created_at=read_time(item.get("created_at")),
        ended=status == "completed",
        end_reason=clean_text(item.get("end_reason"), limit=32),
        connection_id=clean_text(item.get("connection_id"), limit=64),
    )


def participant_read(item: Mapping[str, Any]) -> ParticipantRead:
    """Return a participant of an answer; what is missing or of another type stays empty."""
    whispering = item.get("whisper_call_control_ids")
    return ParticipantRead(
        call_control_id=clean_text(item.get("call_control_id"), limit=200),
        call_leg_id=clean_text(item.get("call_leg_id"), limit=64),
        status=clean_text(item.get("status"), limit=16),
        muted=item.get("muted") is True,
        on_hold=item.get("on_hold") is True,
        whisper_call_control_ids=tuple(
            clean_text(target, limit=200) for target in (whispering if isinstance(whispering, list) else [])
        ),
        id=clean_text(item.get("id"), limit=128),
        created_at=read_time(item.get("created_at")),
    )


def is_conference_id(text: str) -> bool:
    """Return whether an id is one that Telnyx gives to conferences; only about those can it be asked."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
