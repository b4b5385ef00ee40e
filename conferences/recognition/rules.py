"""The rules, strongest evidence first; the first that speaks decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conferences.models import Connection, Leg

from .directory import Directory
from .marks import LegMarks, SipAddress, header_value, value_in_client_state

EVIDENCE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Recognition:
    """Whose leg it is, and by what; the evidence is a short phrase without a phone number."""

    party: Leg.Party
    agent_id: int | None = None
    evidence: str = ""


def recognise(marks: LegMarks, directory: Directory) -> Recognition:
    """Decide a leg's party and agent."""
    role = directory.role_of(marks.connection_id)
    supervisor = _supervisor(marks, directory, role)
    if supervisor is not None:
        return supervisor
    for agent_id, evidence in _agents_by_evidence(marks, directory, role):
        if agent_id is not None:
            return Recognition(Leg.Party.AGENT, agent_id, evidence[:EVIDENCE_LENGTH])
    if role == Connection.Role.CALLS and marks.incoming:
        return Recognition(Leg.Party.CUSTOMER, None, f"called in on {directory.name_of(marks.connection_id)}")
    return Recognition(Leg.Party.UNKNOWN)


def _supervisor(marks: LegMarks, directory: Directory, role: str) -> Recognition | None:
    # Before all else: a supervisor may be an agent too, and their ear must never become a whisper target.
    if marks.call_control_id in directory.ear_legs:
        return Recognition(Leg.Party.SUPERVISOR, None, "a supervisor's ear")
    # Nobody is meant to call in on the ear application; who does is nobody we know.
    if role == Connection.Role.EAR:
        if marks.incoming:
            return Recognition(Leg.Party.UNKNOWN, None, "called in on the ear application")
        return Recognition(Leg.Party.SUPERVISOR, None, "dialled on the ear application")
    return None


def _agents_by_evidence(marks: LegMarks, directory: Directory, role: str) -> Iterator[tuple[int | None, str]]:
    """Yield what each kind of evidence says, strongest first."""
    from_agents_phone = role == Connection.Role.AGENTS
    # A call from an agent's own phone is "outgoing" as well; who is dialled then is the other side.
    dialled = marks.outgoing and not from_agents_phone

    # A PSTN caller's address is only their caller id.
    if marks.calling_party_type != "pstn":
        yield _by_sip(marks.from_sip, directory)
    if dialled:
        yield _by_sip(marks.to_sip, directory)
    if directory.agent_path:
        reference = value_in_client_state(marks.client_state, directory.agent_path)
        yield directory.by_reference.get(reference), f"client_state {directory.agent_path}"
    if from_agents_phone and marks.calling_party_type != "pstn":
        # Nobody calls from a credential connection without a credential, so here the caller's own word is enough.
        for address in filter(None, (marks.from_sip, marks.caller_sip)):
            yield directory.by_sip.get(address.user), f"connection {directory.name_of(marks.connection_id)}"
    if dialled:
        yield directory.by_number.get(marks.dialled_number), "dialled number"
    if marks.outgoing and directory.agent_header:
        value = header_value(marks.headers, directory.agent_header)
        agent_id = directory.by_reference.get(value) or directory.by_sip.get(value)
        yield agent_id, f"header {directory.agent_header}"


def _by_sip(address: SipAddress | None, directory: Directory) -> tuple[int | None, str]:
    """Match the user part at Telnyx, or the whole user@host of a phone registered elsewhere."""
    if address is None:
        return None, ""
    whole = f"{address.user}@{address.host}"
    agent_id = directory.by_sip.get(whole)
    if agent_id is None and address.at_telnyx:
        agent_id = directory.by_sip.get(address.user)
    return agent_id, f"SIP credential {address.user}"
