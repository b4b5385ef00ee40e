"""Describes a board in Telnyx's ids alone, so that two of them can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from conferences.intake.store import Received, store
from conferences.models import Account, Agent, Conference, Leg, Participant, Team
from conferences.sandbox.center import directory

from .histories import START

RECEIVED_AT = START + timedelta(hours=1)

Board = dict[tuple[str, ...], dict[str, object]]

# Ours, or softer evidence that has its own proof; `facts` are compared where only events are told.
APART = {"id", "account", "version", "facts", "missing_since", "read_at", "participants_read_at"} | {
    # When and as what it came in, by arrival: only asked whether that was after a command.
    "came_in",
    "telnyx_id",
    "telnyx_created_at",
}


def people() -> Account:
    """Make the account, and the agents whom histories name."""
    account = Account.objects.create(name="default")
    team = Team.objects.create(name="Billing")
    for agent in directory.TEAMS[0].agents:
        Agent.objects.create(name=agent.name, team=team, sip_username=agent.sip_username)
    account.connections.create(connection_id=directory.CALLS_CONNECTION_ID, role="calls", team=team)
    account.connections.create(connection_id=directory.EAR_CONNECTION_ID, role="ear")
    return account


def take_in(account: Account, bodies: Sequence[bytes], *, at: datetime = RECEIVED_AT) -> None:
    """Store a batch, as the endpoint does once it has verified it."""
    store([Received(account.pk, body, at) for body in bodies])


def take_in_batches(account: Account, batches: Iterable[Sequence[bytes]]) -> None:
    """Store one batch after another."""
    for batch in batches:
        take_in(account, batch)


def board(*, facts: bool = True) -> Board:
    """Read every projected row."""
    rows: Board = {}
    for conference in Conference.objects.all():
        rows["conference", conference.telnyx_id] = _columns(conference, facts=facts)
    for leg in Leg.objects.all():
        rows["leg", leg.call_control_id] = _columns(leg, facts=facts)
    for participant in Participant.objects.select_related("conference", "leg"):
        key = ("participant", participant.conference.telnyx_id, participant.leg.call_control_id)
        rows[key] = _columns(participant, facts=facts) | {"conference": "", "leg": ""}
    return rows


def after(tell: Callable[[], Any], *, facts: bool = True) -> Board:
    """Return the board that follows, and take everything back."""
    with transaction.atomic():
        tell()
        seen = board(facts=facts)
        transaction.set_rollback(True)
    return seen


def differences(one: Board, other: Board) -> list[str]:
    """Name what differs."""
    found = []
    for key in sorted(one.keys() | other.keys()):
        left, right = one.get(key, {}), other.get(key, {})
        names = (name for name in sorted(left.keys() | right.keys()) if left.get(name) != right.get(name))
        found += [f"{key} {name}: {left.get(name)} / {right.get(name)}" for name in names]
    return found


def _columns(row: models.Model, *, facts: bool) -> dict[str, object]:
    apart = APART - {"facts"} if facts else APART
    return {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields if field.name not in apart}
