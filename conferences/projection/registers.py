"""Merges registers of a conference, a leg or a participant, so that order and repetition do not matter.

A register holds one value and the stamp of the event it came from. Merging keeps, per register, the maximum (for
tombstones and first sights: the minimum) of a total order, so it is commutative, associative and idempotent: the same
events in any order, any number of times, give the same registers. Everything shown is derived from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

# {"from": ["2026-08-21T14:00:00.038431 1 <event id>", "+1312…"], …}: plain JSON, stored as it is.
Facts = dict[str, list[object]]

READING = "reading"  # stands in a stamp where an event's id would

# The speaking turns: not one value but the newest of a set, {leg: [milliseconds of the turns' beginnings, …]}.
TURNS = "turns"
# In the same form, when a phone pressed hold and ended it: {"held": [milliseconds, …], "resumed": […]}.
HOLDS = "holds"
SETS = frozenset({TURNS, HOLDS})
MOMENTS_KEPT = 64

# The first word stands: an end cannot be taken back, the first sight only moves to an earlier one, and what a leg is
# does not change in its life. So an event that tells nothing new changes no register, and costs no write.
EARLIEST = frozenset(
    {
        "seen", "listed", "created", "ended", "initiated", "answered", "bridged", "hungup",
        "call_leg_id", "call_session_id", "connection_id", "direction", "from", "to", "caller_name",
        "from_sip_uri", "to_sip_uri", "calling_party_type", "headers",
    }
)  # fmt: skip


def stamp(*, occurred_at: datetime, event_id: str, rank: int = 0) -> str:
    """Return a stamp that sorts by time (UTC, microseconds), then rank, then event id."""
    moment = occurred_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{moment} {rank} {event_id}"


def stamped_at(register: list[object]) -> datetime:
    """Return the time in a register's stamp."""
    return datetime.fromisoformat(str(register[0]).split(" ", 1)[0]).replace(tzinfo=UTC)


def merge(facts: Facts, new: Mapping[str, list[object]]) -> bool:
    """Merge new registers into `facts` in place; return whether anything changed."""
    changed = False
    for key, register in new.items():
        known = facts.get(key)
        if known is None:
            kept = register
        elif key in SETS:
            kept = _united(known, register)
        else:
            wins = _before(register, known) if key in EARLIEST else _before(known, register)
            kept = register if wins else known
        if kept != known:
            facts[key] = kept
            changed = True
    return changed


def speaking_turns(facts: Mapping[str, list[object]]) -> list[tuple[int, str]]:
    """Return the beginnings of the newest turns as (milliseconds since the epoch, leg), in order."""
    return _moments_in(facts[TURNS]) if TURNS in facts else []


def holds(facts: Mapping[str, list[object]]) -> list[tuple[int, bool]]:
    """Return when a phone pressed hold (True) or ended it, as milliseconds since the epoch, in order."""
    return [(at, word == "held") for at, word in _moments_in(facts[HOLDS])] if HOLDS in facts else []


def _moments_in(register: list[object]) -> list[tuple[int, str]]:
    by_word = register[1] if isinstance(register[1], dict) else {}
    return sorted((int(at), str(word)) for word, moments in by_word.items() for at in moments)


def _united(one: list[object], other: list[object]) -> list[object]:
    """Unite two sets and keep the newest: truncating a union is as indifferent to order as the union is."""
    by_word: dict[str, list[int]] = {}
    for at, word in sorted({*_moments_in(one), *_moments_in(other)})[-MOMENTS_KEPT:]:
        by_word.setdefault(word, []).append(at)
    return [max(str(one[0]), str(other[0])), by_word]


def _before(known: list[object], register: list[object]) -> bool:
    if known[0] != register[0]:
        return str(known[0]) < str(register[0])
    return json.dumps(known[1], sort_keys=True) < json.dumps(register[1], sort_keys=True)


def value(facts: Mapping[str, list[object]], key: str) -> object:
    """Return a register's value, None where nothing is known."""
    register = facts.get(key)
    return register[1] if register else None


def text(facts: Mapping[str, list[object]], key: str) -> str:
    """Return a register's value where it is a string, else ""."""
    known = value(facts, key)
    return known if isinstance(known, str) else ""


def moment(facts: Mapping[str, list[object]], key: str) -> datetime | None:
    """Return when a register's event happened, None where there was none."""
    register = facts.get(key)
    return stamped_at(register) if register else None
