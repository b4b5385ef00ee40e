"""Registers: what is known of a conference, a leg or a stay, merged so that order and repetition do not matter.

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

# The first word stands: an end cannot be taken back, and the first sight only moves to an earlier one.
EARLIEST = frozenset({"seen", "listed", "created", "ended", "initiated", "answered", "bridged", "hungup"})


def stamp(*, occurred_at: datetime, event_id: str, rank: int = 0) -> str:
    """Return a stamp that sorts by time (UTC, microseconds), then rank, then event id."""
    moment = occurred_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{moment} {rank} {event_id}"


def stamped_at(register: list[object]) -> datetime:
    """Return the time in a register's stamp."""
    return datetime.fromisoformat(str(register[0]).split(" ", 1)[0]).replace(tzinfo=UTC)


def merge(facts: Facts, new: Mapping[str, list[object]]) -> bool:
    """Merge new registers into `facts` in place; say whether anything changed."""
    changed = False
    for key, register in new.items():
        known = facts.get(key)
        if known is None or (_before(register, known) if key in EARLIEST else _before(known, register)):
            facts[key] = register
            changed = True
    return changed


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
