"""Applies the rules of recognition, strongest evidence first; the first that matches decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from uuid import UUID

from conferences.models import Connection, Leg
from conferences.telnyx.addresses import Address

from .client_state import values_at
from .directory import Directory
from .marks import LegMarks, header_value

EVIDENCE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Recognition:
    """The party and agent of a leg; the evidence is a short phrase without a phone number."""

    party: Leg.Party
    agent_id: int | None = None
    evidence: str = ""


def recognise(marks: LegMarks, directory: Directory) -> Recognition:
    """Decide a leg's party and agent."""
    role = directory.role_of(marks.connection_id)
    evidence = chain(
        _ears(marks, directory, role),
        _agents_by_credential(marks, directory, role),
        _lines(marks, directory, role),
        _customers_by_mark(marks, directory),
        _agents_by_other_marks(marks, directory, role),
        _callers(marks, directory, role),
    )
    found = next(evidence, Recognition(Leg.Party.UNKNOWN))
    return replace(found, evidence=found.evidence[:EVIDENCE_LENGTH])


def supervisor_line(marks: LegMarks, directory: Directory) -> UUID | None:
    """Return the supervisor's line that a leg is on: dialled, or calling with the line's own SIP credential.

    Who calls from it is believed where `_proven` says so. A phone number counts only when it was dialled; as a
    caller's number it proves nothing.
    """
    role = directory.role_of(marks.connection_id)
    line = directory.line_of(marks.from_sip)
    if line is not None and _proven(line, marks, directory, role):
        return line
    if role == Connection.Role.AGENTS:
        return directory.line_of(marks.caller_sip) if _names_itself(marks, role) else None
    # A leg that a SIP phone began is that phone's leg, whomever it dials.
    if not marks.outgoing or marks.calling_party_type == "sip":
        return None
    # As with credentials, a number that is an agent's too is dialled to reach the agent.
    by_number = None
    if directory.agent_with_number(marks.dialled_number) is None:
        by_number = directory.line_with_number(marks.dialled_number)
    return directory.line_of(marks.to_sip) or by_number


def _names_itself(marks: LegMarks, role: str) -> bool:
    """Return whether a caller's own word is enough: nobody calls from a connection of agents without a credential."""
    return role == Connection.Role.AGENTS and marks.calling_party_type != "pstn"


def _proven(caller: int | UUID, marks: LegMarks, directory: Directory, role: str) -> bool:
    """Return whether the agent or the line that a leg's From names really calls.

    A From header is what the caller writes. It is believed on a connection of agents, where Telnyx lets nobody call
    without the credential, and on a leg that came in as the far end of such a call, in the same call session. A leg
    that was dialled to somebody proves nothing about who calls: a stranger may call with Ana's name in From, and the
    call flow then rings Ana.
    """
    if marks.calling_party_type == "pstn":
        return False
    if role == Connection.Role.AGENTS:
        return True
    return marks.names_a_caller and caller in directory.callers.get(marks.session, ())


def _ears(marks: LegMarks, directory: Directory, role: str) -> Iterator[Recognition]:
    # Before all else: a supervisor may be an agent too, and their ear must never become a whisper target.
    if marks.call_control_id in directory.ear_legs:
        yield Recognition(Leg.Party.SUPERVISOR, None, "a supervisor's ear")
    # No one should call in on the ear application, so a caller there stays unknown.
    elif role == Connection.Role.EAR and marks.incoming:
        yield Recognition(Leg.Party.UNKNOWN, None, "called in on the ear application")
    elif role == Connection.Role.EAR:
        yield Recognition(Leg.Party.SUPERVISOR, None, "dialled on the ear application")


def _agents_by_credential(marks: LegMarks, directory: Directory, role: str) -> Iterator[Recognition]:
    """Yield who holds the SIP credential, calling or called.

    Before the lines: who is on a list of agents with the phone that is also their line takes calls on it. Their ears
    are dialled on the ear application and never come here.
    """
    for caller in _by_sip(marks.from_sip, directory):
        if caller.agent_id is not None and _proven(caller.agent_id, marks, directory, role):
            yield caller
    if _dialled(marks, role):
        yield from _by_sip(marks.to_sip, directory)


def _lines(marks: LegMarks, directory: Directory, role: str) -> Iterator[Recognition]:
    if supervisor_line(marks, directory) is not None:
        yield Recognition(Leg.Party.SUPERVISOR, None, "a supervisor's line")


def _customers_by_mark(marks: LegMarks, directory: Directory) -> Iterator[Recognition]:
    # Before a client_state that names an agent: that may be a note about whom the customer talks to.
    path, _sign, wanted = directory.customer_mark.partition("=")
    if path and wanted and wanted.strip() in values_at(marks.client_state, path.strip()):
        yield Recognition(Leg.Party.CUSTOMER, None, f"client_state {path.strip()}")


def _agents_by_other_marks(marks: LegMarks, directory: Directory, role: str) -> Iterator[Recognition]:
    """Yield what the other kinds of evidence say, strongest first."""
    for agent_id, evidence in _other_marks(marks, directory, role):
        if agent_id is not None:
            yield Recognition(Leg.Party.AGENT, agent_id, evidence)


def _other_marks(marks: LegMarks, directory: Directory, role: str) -> Iterator[tuple[int | None, str]]:
    if directory.agent_path:
        for reference in values_at(marks.client_state, directory.agent_path):
            yield directory.by_reference.get(reference), f"client_state {directory.agent_path}"
    if _names_itself(marks, role):
        for address in filter(None, (marks.from_sip, marks.caller_sip)):
            yield directory.agent_with_sip(address.user), f"connection {directory.name_of(marks.connection_id)}"
    if _dialled(marks, role):
        yield directory.agent_with_number(marks.dialled_number), "dialled number"
    if marks.outgoing and directory.agent_header:
        value = header_value(marks.headers, directory.agent_header)
        agent_id = directory.by_reference.get(value) or directory.agent_with_sip(value)
        yield agent_id, f"header {directory.agent_header}"


def _callers(marks: LegMarks, directory: Directory, role: str) -> Iterator[Recognition]:
    # From the telephone network nobody can call with an agent's credential, so no assignment has to be waited for.
    from_outside = role == Connection.Role.UNASSIGNED and marks.calling_party_type == "pstn"
    if marks.incoming and (role == Connection.Role.CALLS or from_outside):
        where = directory.name_of(marks.connection_id)
        yield Recognition(Leg.Party.CUSTOMER, None, f"called in on {where}" if where else "called in")


def _dialled(marks: LegMarks, role: str) -> bool:
    # A call from an agent's own phone is "outgoing" as well; who is dialled then is the other side.
    return marks.outgoing and role != Connection.Role.AGENTS


def _by_sip(address: Address | None, directory: Directory) -> Iterator[Recognition]:
    """Match the user part at Telnyx, or the whole user@host of a phone registered elsewhere."""
    if address is None:
        return
    agent_id = directory.agent_with_sip(f"{address.user}@{address.host}")
    if agent_id is None and address.at_telnyx:
        agent_id = directory.agent_with_sip(address.user)
    if agent_id is not None:
        yield Recognition(Leg.Party.AGENT, agent_id, f"SIP credential {address.user}")
