"""Decides to whom a leg belongs, only by evidence (never by a caller id).

The projection asks once for a whole batch: `marks_of` each leg, one `directory_for` them all, then `recognise` each.
"""

from __future__ import annotations

from .again import recognise_again
from .client_state import is_cut, is_readable, values_at
from .directory import Directory, note_connections
from .ears import own_ears
from .marks import LegMarks, marks_of, sip_address
from .rules import Recognition, recognise, supervisor_line
from .sessions import directory_for, far_ends
from .suggestion import AgentMark, agent_mark

__all__ = [
    "AgentMark",
    "Directory",
    "LegMarks",
    "Recognition",
    "agent_mark",
    "directory_for",
    "far_ends",
    "is_cut",
    "is_readable",
    "marks_of",
    "note_connections",
    "own_ears",
    "recognise",
    "recognise_again",
    "sip_address",
    "supervisor_line",
    "values_at",
]
