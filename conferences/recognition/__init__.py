"""Decides whose leg a leg is, only by evidence (never by a caller id).

The projection asks once for a whole batch: `marks_of` each leg, one `directory_for` them all, then `recognise` each.
"""

from __future__ import annotations

from .again import recognise_again
from .directory import Directory, directory_for, note_connections
from .marks import LegMarks, SipAddress, marks_of, sip_address
from .rules import Recognition, recognise, supervisor_line
from .suggestion import AgentMark, agent_mark

__all__ = [
    "AgentMark",
    "Directory",
    "LegMarks",
    "Recognition",
    "SipAddress",
    "agent_mark",
    "directory_for",
    "marks_of",
    "note_connections",
    "recognise",
    "recognise_again",
    "sip_address",
    "supervisor_line",
]
