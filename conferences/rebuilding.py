"""Makes the board again from the stored webhooks, and says whether it was right.

Registers that came from events are made afresh; those that came from readings stay, as no event holds them. Rows older
than the retention of events are left alone: part of what made them is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from . import changes
from .models import Account, Conference, Leg, Participant, WebhookEvent
from .observations import PRESENCE, observe
from .projection import (
    CONFERENCE_SHOWN,
    LEG_SHOWN,
    PARTICIPANT_SHOWN,
    conferences_of,
    derive_conference,
    derive_leg,
    derive_participant,
    project,
    touch,
)
from .registers import READING, Facts, merge
from .rows import save_rows
from .telnyx.inbound import parse

BATCH = 200  # rows per transaction: the intake waits for a moment, not for the whole rebuild
FAILED = (WebhookEvent.State.FAILED, WebhookEvent.State.UNKNOWN)


@dataclass
class Report:
    """What a rebuild looked at, and what it had to mend."""

    events: int = 0
    rows: int = 0
    mended: list[str] = field(default_factory=list)


def rebuild(*, account: Account, since: datetime, now: datetime) -> Report:
    """Make every row that began since then again from the account's stored webhooks."""
    report = Report()
    events = WebhookEvent.objects.filter(account=account).order_by("pk")
    for batch in _batches(events.filter(state__in=FAILED)):
        _project_again(account, batch, report, now=now)
    for batch in _batches(_without_rows(events.filter(received_at__gte=since))):
        _make_rows(account, batch, report, now=now)
    for model, again in ((Leg, _leg), (Conference, _conference), (Participant, _participant)):
        began = Q(joined_at__gte=since) if model is Participant else Q(started_at__gte=since)
        related = ("conference", "leg") if model is Participant else ()
        for rows in _batches(model._default_manager.filter(began, account=account).order_by("pk"), related):
            _again(rows, again, report, now=now)
    return report


def _again(rows: Sequence[Any], again: Callable[[Any, Facts], object], report: Report, *, now: datetime) -> None:
    """Remake one batch under the board's lock; what was right is not written."""
    model, shown = type(rows[0]), SHOWN[type(rows[0])]
    with changes.turn(now=now) as turn:
        for row in rows:
            row.refresh_from_db()
        wrong, seen_wrong = [], []
        for row in rows:
            before, shown_before = row.facts, shown(row)
            facts, events = _facts(row)
            report.events += events
            report.rows += 1
            again(row, facts)
            if (facts, shown(row)) != (before, shown_before):
                wrong.append(row)
            if shown(row) != shown_before:
                seen_wrong.append(row)
        save_rows(model, wrong)
        concerned = _conferences(seen_wrong)
        if concerned:
            touch(conferences=concerned, version=turn.version)
            turn.changed = True
    report.mended += [f"{model._meta.verbose_name} {_name(row)}" for row in wrong]


def _facts(row: Conference | Leg | Participant) -> tuple[Facts, int]:
    """Merge what the stored events say about a row into what readings said about it."""
    facts: Facts = {key: register for key, register in row.facts.items() if str(register[0]).endswith(f" {READING}")}
    events = 0
    for stored in _events_of(row).iterator(chunk_size=500):
        observation = observe(parse(body=bytes(stored.body), received_at=stored.received_at))
        events += 1
        if isinstance(row, Conference):
            merge(facts, observation.conference)
        elif isinstance(row, Leg):
            merge(facts, observation.leg)
        else:
            merge(facts, observation.presence)
    return facts, events


def _events_of(row: Conference | Leg | Participant) -> Any:
    events = WebhookEvent.objects.filter(account=row.account_id)
    if isinstance(row, Conference):
        return events.filter(conference_telnyx_id=row.telnyx_id)
    if isinstance(row, Leg):
        return events.filter(call_control_id=row.call_control_id)
    return events.filter(conference_telnyx_id=row.conference.telnyx_id, call_control_id=row.leg.call_control_id)


def _conference(row: Conference, facts: Facts) -> None:
    row.facts = facts
    derive_conference(row, teams={row.connection_id: row.team_id})


def _leg(row: Leg, facts: Facts) -> None:
    row.facts = facts
    derive_leg(row)


def _participant(row: Participant, facts: Facts) -> None:
    row.facts = facts
    derive_participant(row, conference=row.conference, leg=row.leg)


def _project_again(account: Account, batch: Sequence[WebhookEvent], report: Report, *, now: datetime) -> None:
    """Put on the board what could not be put there, or was not understood, when it came."""
    observed = [(row, observe(parse(body=bytes(row.body), received_at=row.received_at))) for row in batch]
    understood = [(row, observation) for row, observation in observed if observation.understood]
    report.events += len(batch)
    with changes.turn(now=now) as turn:
        observations = [observation for _, observation in understood]
        turn.changed |= project(account=account, observations=observations, version=turn.version)
        pks = [row.pk for row, _ in understood]
        WebhookEvent.objects.filter(pk__in=pks).update(state=WebhookEvent.State.PROJECTED, problem="")
    report.mended += [f"webhook event {row.event_id}" for row, _ in understood]


def _without_rows(events: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
    """Events of which a conference, a leg or a stay is gone that they made: remaking rows alone would not notice."""
    account, conference, leg = OuterRef("account"), OuterRef("conference_telnyx_id"), OuterRef("call_control_id")
    conferences = Conference.objects.filter(account=account, telnyx_id=conference)
    legs = Leg.objects.filter(account=account, call_control_id=leg)
    stays = Participant.objects.filter(
        conference__account=account, conference__telnyx_id=conference, leg__call_control_id=leg
    )
    return events.filter(
        Q(~Exists(conferences), conference_telnyx_id__gt="")
        | Q(~Exists(legs), call_control_id__gt="")
        | Q(~Exists(stays), event_type__in=list(PRESENCE)),
        state=WebhookEvent.State.PROJECTED,
    )


def _make_rows(account: Account, batch: Sequence[WebhookEvent], report: Report, *, now: datetime) -> None:
    """Put events on the board anew whose rows have gone."""
    observations = [observe(parse(body=bytes(row.body), received_at=row.received_at)) for row in batch]
    report.events += len(batch)
    with changes.turn(now=now) as turn:
        turn.changed |= project(account=account, observations=observations, version=turn.version)
        if turn.changed:
            report.mended.append(f"{len(batch)} webhook events whose conference, leg or participant was gone")


def _batches(found: Any, related: Iterable[str] = ()) -> Iterator[Sequence[Any]]:
    """Yield rows in batches by key, so that nothing is held open between two of them."""
    last = None
    while True:
        page = found.filter(pk__gt=last) if last is not None else found
        rows = list(page.select_related(*related)[:BATCH] if related else page[:BATCH])
        if not rows:
            return
        yield rows
        last = rows[-1].pk


def _conferences(rows: Sequence[Any]) -> set[Any]:
    if rows and isinstance(rows[0], Leg):
        return conferences_of(rows)
    return {row.conference_id if isinstance(row, Participant) else row.pk for row in rows}


def _name(row: Conference | Leg | Participant) -> str:
    """Name a row without a phone number or a call_control_id."""
    return f"{row.conference_id}/{row.leg_id}" if isinstance(row, Participant) else str(row.pk)


SHOWN: dict[type[Any], Callable[[Any], object]] = {
    Conference: CONFERENCE_SHOWN,
    Leg: LEG_SHOWN,
    Participant: PARTICIPANT_SHOWN,
}
