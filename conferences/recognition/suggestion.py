"""Suggests the entry for an agent that makes an unmatched leg theirs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from conferences.models import Leg

from .client_state import values_at
from .directory import Directory
from .marks import LegMarks, header_value
from .rules import recognise

NOBODY_YET = -1


@dataclass(frozen=True, slots=True)
class AgentMark:
    """A field of Agent, and the value by which the leg is recognised."""

    field: Literal["sip_username", "number", "reference"]
    value: str


def agent_mark(marks: LegMarks, directory: Directory) -> AgentMark | None:
    """Return the strongest mark that would make this leg an agent's; None where nothing on it is evidence."""
    return next((mark for mark in _candidates(marks, directory) if _would_do(mark, marks, directory)), None)


def _candidates(marks: LegMarks, directory: Directory) -> list[AgentMark]:
    candidates: list[AgentMark] = []
    for address in (marks.from_sip, marks.to_sip, marks.caller_sip):
        if address is not None and not (address.number and address.international):
            whole = f"{address.user}@{address.host}"
            candidates += [AgentMark("sip_username", address.user), AgentMark("sip_username", whole)]
    if directory.agent_path:
        values = values_at(marks.client_state, directory.agent_path)
        candidates += [AgentMark("reference", value) for value in values]
    if marks.dialled_number.startswith("+"):
        candidates.append(AgentMark("number", marks.dialled_number))
    if directory.agent_header:
        candidates.append(AgentMark("reference", header_value(marks.headers, directory.agent_header)))
    return [mark for mark in candidates if mark.value]


def _would_do(mark: AgentMark, marks: LegMarks, directory: Directory) -> bool:
    """Return whether the rules would accept the suggestion; asked of the rules themselves, so that they agree."""
    only = {mark.value: NOBODY_YET}
    alone = replace(
        directory,
        by_sip=only if mark.field == "sip_username" else {},
        by_sip_in_any_case={},
        by_number=only if mark.field == "number" else {},
        by_reference=only if mark.field == "reference" else {},
    )
    return recognise(marks, alone).party == Leg.Party.AGENT
