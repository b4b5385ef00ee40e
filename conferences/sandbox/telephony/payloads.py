"""Builds the payload of every webhook, field for field as Telnyx sends it (API version 2)."""

from __future__ import annotations

from typing import Any

from conferences.sandbox.telephony.state import SandboxConference, SandboxLeg, iso

Payload = dict[str, Any]


def ids(leg: SandboxLeg) -> Payload:
    return {
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.call_leg_id,
        "call_session_id": leg.call_session_id,
        "client_state": leg.client_state,
        "connection_id": leg.connection_id,
    }


def between(leg: SandboxLeg) -> Payload:
    return {**ids(leg), "from": leg.from_, "to": leg.to}


def initiated(leg: SandboxLeg) -> Payload:
    payload = {**between(leg), "caller_id_name": leg.caller_id_name}
    if leg.calling_party_type:
        payload["calling_party_type"] = leg.calling_party_type
    payload["connection_codecs"] = "G722,PCMU,PCMA" if leg.calling_party_type == "pstn" else "OPUS,G722,PCMU"
    if leg.custom_headers:
        payload["custom_headers"] = list(leg.custom_headers)
    payload["direction"] = leg.direction
    if leg.calling_party_type == "pstn":
        payload |= {
            "from_sip_uri": f"{leg.from_}@203.0.113.10:5060",
            "offered_codecs": "PCMU,G729",
            "shaken_stir_attestation": "A",
            "shaken_stir_validated": True,
        }
    else:
        payload["offered_codecs"] = "OPUS,PCMU,PCMA,G722" if leg.calling_party_type else "OPUS,G722,PCMU"
    payload |= {"start_time": iso(leg.started_at), "state": "parked" if leg.parked else "bridging"}
    if leg.calling_party_type == "pstn":
        payload["to_sip_uri"] = f"{leg.to}@us.icp.telnyx.com:5060"
    return payload


def answered(leg: SandboxLeg) -> Payload:
    payload = between(leg)
    if leg.custom_headers:
        payload["custom_headers"] = list(leg.custom_headers)
    return payload | {"start_time": iso(leg.started_at), "state": "answered"}


def hangup(leg: SandboxLeg, *, at: float) -> Payload:
    quality = None
    if leg.answered_at is not None:
        packets = int((at - leg.answered_at) * 50)
        quality = {
            "inbound": {
                "jitter_max_variance": "2.74",
                "jitter_packet_count": "0",
                "mos": "4.50",
                "packet_count": str(packets),
                "skip_packet_count": "9",
            },
            "outbound": {"packet_count": str(packets + 33), "skip_packet_count": "0"},
        }
    return between(leg) | {
        "call_quality_stats": quality,
        "end_time": iso(at),
        "hangup_cause": leg.hangup_cause,
        "hangup_source": leg.hangup_source,
        "sip_hangup_cause": leg.sip_hangup_cause,
        "start_time": iso(leg.started_at),
        "state": "hangup",
        "telnyx_error": None,
    }


def cost(leg: SandboxLeg, *, at: float) -> Payload:
    seconds = max(60, -(-int((leg.ended_at or at) - (leg.answered_at or at)) // 60) * 60)
    parts = [
        {
            "billed_duration_secs": seconds,
            "call_part": part,
            "cost": f"{seconds / 60 * rate:.4f}",
            "currency": "USD",
            "rate": f"{rate:.4f}",
        }
        for part, rate in (("sip-trunking", 0.0035), ("call-control", 0.0020))
    ]
    return ids(leg) | {
        "billed_duration_secs": seconds,
        "billing_group_id": None,
        "cost_parts": parts,
        "occurred_at": iso(at),
        "status": "success",
        "total_cost": f"{seconds / 60 * 0.0055:.4f}",
    }


def in_conference(leg: SandboxLeg, conference: SandboxConference) -> Payload:
    """A conference event names the participant's leg, but carries the state of the conference's owner."""
    return {
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.call_leg_id,
        "call_session_id": leg.call_session_id,
        "client_state": conference.client_state,
        "conference_id": conference.id,
        "connection_id": leg.connection_id,
    }
