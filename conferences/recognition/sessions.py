"""Reads what a batch of legs needs to be recognised, the other legs of their call sessions included.

A SIP caller's address is proven by the leg that the phone itself began, where that leg is on a connection of agents and
Telnyx counts both to one call session. An incoming leg gets its session from Telnyx when it arrives, so a stranger's is
never in an agent's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from conferences.fast_sql import load_rows
from conferences.models import Account, Connection, Leg

from .directory import Directory, read_directory
from .marks import LegMarks, marks_of
from .rules import recognise, supervisor_line


def directory_for(account: Account, marks: Iterable[LegMarks], *, connection_ids: Iterable[str] = ()) -> Directory:
    """Read what these legs (and these further connections) need: at most seven queries."""
    batch = list(marks)
    phones = _phones(account, batch)
    directory = read_directory(account, [*batch, *phones], connection_ids=connection_ids)
    return replace(directory, callers=_callers(phones, directory)) if phones else directory


def far_ends(account: Account, marks: Iterable[LegMarks]) -> list[Leg]:
    """Return the legs that came in as far ends of calls which phones of this batch began."""
    sessions = {mark.session for mark in marks if mark.begun_by_a_phone and mark.session}
    if not sessions:
        return []
    legs = load_rows(Leg, account_id=account.pk, call_session_id=sessions)
    return [leg for leg in legs if marks_of(leg.call_control_id, leg.facts).names_a_caller]


def _phones(account: Account, batch: Sequence[LegMarks]) -> list[LegMarks]:
    """Return the legs that phones began in the sessions of those who name a caller."""
    sessions = {mark.session for mark in batch if mark.names_a_caller and mark.session}
    if not sessions:
        return []
    stored = load_rows(Leg, account_id=account.pk, call_session_id=sessions)
    # The batch itself is newer than what is stored.
    legs = {leg.call_control_id: marks_of(leg.call_control_id, leg.facts) for leg in stored}
    legs |= {mark.call_control_id: mark for mark in batch}
    return [mark for mark in legs.values() if mark.session in sessions and mark.begun_by_a_phone]


def _callers(phones: Sequence[LegMarks], directory: Directory) -> dict[str, frozenset[int | UUID]]:
    callers: dict[str, frozenset[int | UUID]] = {}
    for phone in phones:
        if directory.role_of(phone.connection_id) == Connection.Role.AGENTS:
            known = (recognise(phone, directory).agent_id, supervisor_line(phone, directory))
            found = frozenset(caller for caller in known if caller is not None)
            callers[phone.session] = callers.get(phone.session, frozenset()) | found
    return callers
