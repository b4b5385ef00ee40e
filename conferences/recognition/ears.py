"""Separates legs of our own ears from all others before anything of their events is stored."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from conferences.fast_sql import load_rows, load_values
from conferences.models import Account, Connection, Ear, Leg

from .client_state import values_at
from .marks import LegMarks
from .sessions import directory_for


def own_ears(account: Account, marks: Iterable[LegMarks]) -> frozenset[str]:
    """Return the call_control_ids of those legs that are our own ears; a leg of which nothing is known is not.

    An ear is pinned to a supervisor, carries our mark in `client_state`, or is on the ear application and did not call
    in there. The last two hold also where the answer to the dial got lost.
    """
    legs = [mark for mark in marks if mark.call_control_id]
    directory = directory_for(account, legs)
    marked = {mark.call_control_id: ear_id for mark in legs if (ear_id := _marked(mark.client_state))}
    dialled = set(load_values(Ear, "id", account_id=account.pk, id=set(marked.values()))) if marked else set()
    on_ear_application = {
        mark.call_control_id for mark in legs if directory.role_of(mark.connection_id) == Connection.Role.EAR
    }
    if on_ear_application:
        known = load_rows(Leg, account_id=account.pk, call_control_id=on_ear_application)
        on_ear_application -= {leg.call_control_id for leg in known if leg.direction == "incoming"}
    own = {leg for leg, ear_id in marked.items() if ear_id in dialled}
    return directory.ear_legs | own | on_ear_application


def _marked(client_state: str) -> UUID | None:
    """Return the ear that a client_state names as supervision.line writes it; None where it is not our mark."""
    for said in values_at(client_state, "floorline_ear"):
        with suppress(ValueError):
            return UUID(said)
    return None
