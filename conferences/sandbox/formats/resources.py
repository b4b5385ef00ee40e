"""Builds the REST representations of calls, conferences and participants, and their pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from conferences.sandbox.formats import params
from conferences.sandbox.telephony import hearing
from conferences.sandbox.telephony.state import SandboxConference, SandboxLeg, SandboxParticipant, Semantics, iso
from conferences.sandbox.telephony.world import CONFERENCE_LIFE_S

Json = dict[str, Any]

REGION = "sv1"
MAX_PAGE = 250


def _moment(at: float) -> str:
    return iso(at)[:-4] + "Z"  # milliseconds


def call(leg: SandboxLeg, *, now: float) -> Json:
    ended = leg.ended_at
    seconds = int((ended or now) - leg.answered_at) if leg.answered_at is not None else 0
    resource: Json = {
        "record_type": "call",
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.call_leg_id,
        "call_session_id": leg.call_session_id,
        "client_state": leg.client_state,
        "is_alive": leg.alive,
        "call_duration": seconds,
        "start_time": iso(leg.started_at),
    }
    if ended is not None:
        resource["end_time"] = iso(ended)
    return resource


def dialled(leg: SandboxLeg) -> Json:
    """The answer to dial: never alive yet, because dialling is asynchronous."""
    return call(leg, now=leg.started_at) | {"is_alive": False}


def active_call(leg: SandboxLeg, *, now: float) -> Json:
    resource = call(leg, now=now)
    wanted = ("record_type", "call_control_id", "call_leg_id", "call_session_id", "client_state", "call_duration")
    return {name: resource[name] for name in wanted}


def conference(item: SandboxConference) -> Json:
    by = item.ended_by
    return {
        "record_type": "conference",
        "id": item.id,
        "name": item.name,
        "created_at": _moment(item.created_at),
        "expires_at": _moment(item.created_at + CONFERENCE_LIFE_S),
        "updated_at": _moment(item.updated_at),
        "region": REGION,
        "status": "in_progress" if item.alive else "completed",
        "end_reason": item.end_reason,
        "ended_by": {
            "call_control_id": by.call_control_id if by else None,
            "call_session_id": by.call_session_id if by else None,
        },
        "connection_id": item.owner.connection_id,
    }


def participant(item: SandboxParticipant, *, semantics: Semantics) -> Json:
    return {
        "record_type": "participant",
        "id": item.id,
        "call_control_id": item.leg.call_control_id,
        "call_leg_id": item.leg.call_leg_id,
        "conference": {"id": item.conference.id, "name": item.conference.name},
        "status": item.status,
        "muted": hearing.reads_muted(item, semantics=semantics),
        "on_hold": item.on_hold,
        "whisper_call_control_ids": list(item.whisper_call_control_ids),
        "end_conference_on_exit": item.end_conference_on_exit,
        "soft_end_conference_on_exit": item.soft_end_conference_on_exit,
        "created_at": _moment(item.created_at),
        "updated_at": _moment(item.updated_at),
    }


def page(items: Iterable[Any], *, total: int, query: Mapping[str, str]) -> tuple[list[Any], Json]:
    """Cut the asked page out of `items` and describe it; items beyond the page are not touched."""
    number = params.page(query, "page[number]", high=1_000_000, default=1)
    size = params.page(query, "page[size]", high=MAX_PAGE, default=20)
    start = (number - 1) * size
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": max(1, -(-total // size)),
        "total_results": total,
    }
    return list(itertools.islice(items, start, start + size)), meta
