"""Recognises live legs afresh after an admin changed who is who."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Subquery

from conferences.changes import BoardChange, board_change
from conferences.models import Account, Conference, Connection, Leg

from .marks import marks_of
from .rules import recognise
from .sessions import directory_for

BATCH = 200  # legs per transaction: ingest waits for a few milliseconds, not for the whole floor


def recognise_again(*, account: Account, leg_ids: Iterable[UUID] | None = None, now: datetime) -> int:
    """Recognise legs that have not hung up, all of them or those given; return how many changed.

    Without `leg_ids` every live conference takes its connection's team again and is pushed to the screens, because a
    new name or team may show on any card.
    """
    legs = Leg.objects.filter(account=account, hung_up_at=None)
    if leg_ids is not None:
        legs = legs.filter(pk__in=list(leg_ids))
    ids = list(legs.order_by("pk").values_list("pk", flat=True))
    changed = 0
    for start in range(0, len(ids), BATCH):
        # The version's lock first: the projection, which recognises the same rows, takes it first as well.
        with board_change(now=now) as change:
            changed += _recognise_batch(account, ids[start : start + BATCH], change)
    if leg_ids is None:
        _push_every_live_conference(account, now=now)
    return changed


def _recognise_batch(account: Account, ids: list[UUID], change: BoardChange) -> int:
    legs = list(Leg.objects.filter(pk__in=ids).order_by("pk"))
    marks = [marks_of(leg.call_control_id, leg.facts) for leg in legs]
    directory = directory_for(account, marks)
    changed = []
    for leg, mark in zip(legs, marks, strict=True):
        found = recognise(mark, directory)
        if (leg.party, leg.agent_id, leg.evidence) != (found.party, found.agent_id, found.evidence):
            leg.party, leg.agent_id, leg.evidence = found.party, found.agent_id, found.evidence
            changed.append(leg)
    if changed:
        Leg.objects.bulk_update(changed, ["party", "agent", "evidence"])
        shown = Conference.objects.filter(participants__leg__in=changed).order_by().values("pk")
        Conference.objects.filter(pk__in=shown).update(version=change.version)
    return len(changed)


def _push_every_live_conference(account: Account, *, now: datetime) -> None:
    connection = Connection.objects.filter(account=account, connection_id=OuterRef("connection_id"))
    with board_change(now=now) as change:
        live = Conference.objects.filter(account=account, ended_at=None)
        live.update(team=Subquery(connection.values("team")[:1]), version=change.version)
