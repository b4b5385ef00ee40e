"""Rebuilds the board from the stored webhooks, and reports whether it was right.

Registers that came from events are made afresh; those that came from readings stay, as no event holds them. Rows older
than the retention of events are left alone: part of what made them is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from conferences.changes import BoardChange, board_hold
from conferences.fast_sql import save_rows
from conferences.models import Account, Conference, Leg, Participant, WebhookEvent
from conferences.team_rules import settle
from conferences.telnyx.inbound import parse

from .columns import (
    CONFERENCE_SHOWN,
    LEG_SHOWN,
    PARTICIPANT_SHOWN,
    derive_conference,
    derive_leg,
    derive_participant,
)
from .observations import PRESENCE, Observation, observe
from .projector import conferences_of, project
from .registers import READING, Facts, merge

logger = logging.getLogger(__name__)

BATCH = 200  # rows per transaction: the intake waits for a moment, not for the whole rebuild
FAILED = (WebhookEvent.State.FAILED, WebhookEvent.State.UNKNOWN)


@dataclass
class Report:
    """Counts of the rows that a rebuild looked at and mended."""

    events: int = 0
    rows: int = 0
    mended: list[str] = field(default_factory=list)


def rebuild(*, account: Account, since: datetime, now: datetime) -> Report:
    """Make every row that began since then again from the account's stored webhooks."""
    report = Report()
    events = WebhookEvent.objects.filter(account=account).order_by("pk")
    for batch, on_board in try_again(account=account, events=events.filter(state__in=FAILED), now=now):
        report.events += len(batch)
        report.mended += [f"webhook event {event.event_id}" for event in on_board]
    for batch in _batches(_without_rows(events.filter(received_at__gte=since))):
        _make_rows(account, batch, report, now=now)
    for model, again in ((Leg, _leg), (Conference, _conference), (Participant, _participant)):
        began = Q(joined_at__gte=since) if model is Participant else Q(started_at__gte=since)
        related = ("conference__account", "leg") if model is Participant else ()
        for rows in _batches(model._default_manager.filter(began, account=account).order_by("pk"), related):
            _again(rows, again, report, now=now)
    return report


def _again(rows: Sequence[Any], again: Callable[[Any, Facts], object], report: Report, *, now: datetime) -> None:
    """Remake one batch under the board's lock; what was right is not written."""
    model, shown = type(rows[0]), SHOWN[type(rows[0])]
    with board_hold(now=now) as change:
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
        change.touch(*_conferences(seen_wrong))
        change.changed |= bool(wrong) and settle(_whole(wrong), legs_moved=_conferences(wrong), version=change.version)
    report.mended += [f"{model._meta.verbose_name} {_name(row)}" for row in wrong]


def _facts(row: Conference | Leg | Participant) -> tuple[Facts, int]:
    """Merge what the stored events say about a row into what readings said about it."""
    facts: Facts = {key: register for key, register in row.facts.items() if str(register[0]).endswith(f" {READING}")}
    events = 0
    for stored in _events_of(row).iterator(chunk_size=500):
        observation = _observe(stored)
        events += 1
        if isinstance(row, Conference):
            merge(facts, observation.conference)
        elif isinstance(row, Leg):
            merge(facts, observation.leg)
        else:
            merge(facts, observation.presence)
    return facts, events


def _observe(stored: WebhookEvent) -> Observation:
    return observe(parse(body=bytes(stored.body), received_at=stored.received_at, event_id=stored.event_id))


def _events_of(row: Conference | Leg | Participant) -> Any:
    # An event that failed once more a moment ago is not on the board, and would fail here too.
    events = WebhookEvent.objects.filter(account=row.account_id).exclude(state=WebhookEvent.State.FAILED)
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
    derive_participant(row, conference=row.conference, leg=row.leg, account=row.conference.account)


def try_again(
    *, account: Account, events: QuerySet[WebhookEvent], now: datetime
) -> Iterator[tuple[Sequence[WebhookEvent], Sequence[WebhookEvent]]]:
    """Put events on the board that failed or were not understood when they came, in batches by key.

    Yields each batch, and those of it that are on the board now. Each event has a savepoint of its own: one that fails
    once more keeps no other from it.
    """
    for batch in _batches(events):
        with board_hold(now=now) as change:
            on_board = [event for event in batch if _is_projected(account, event, change)]
        yield batch, on_board


def _is_projected(account: Account, event: WebhookEvent, change: BoardChange) -> bool:
    State = WebhookEvent.State  # noqa: N806 - a class
    try:
        observation = _observe(event)
        if not observation.understood and event.state == State.UNKNOWN:
            return False  # as before: nothing was tried
        with transaction.atomic():
            change.changed |= project(account=account, observations=[observation], version=change.version)
    except (OperationalError, InterfaceError):
        raise  # the database itself, not the event
    except Exception as error:
        event.state, event.problem = State.FAILED, type(error).__name__
        logger.exception("a webhook of type %s could not be put on the board again", event.event_type)
    else:
        event.state, event.problem = State.PROJECTED if observation.understood else State.UNKNOWN, ""
    WebhookEvent.objects.filter(pk=event.pk).update(
        state=event.state, problem=event.problem, attempts=F("attempts") + 1
    )
    return event.state == State.PROJECTED


def _without_rows(events: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
    """Yield events whose conference, leg or participant row is missing, which remaking rows would not notice."""
    account, conference, leg = OuterRef("account"), OuterRef("conference_telnyx_id"), OuterRef("call_control_id")
    conferences = Conference.objects.filter(account=account, telnyx_id=conference)
    legs = Leg.objects.filter(account=account, call_control_id=leg)
    participants = Participant.objects.filter(
        conference__account=account, conference__telnyx_id=conference, leg__call_control_id=leg
    )
    return events.filter(
        Q(~Exists(conferences), conference_telnyx_id__gt="")
        | Q(~Exists(legs), call_control_id__gt="")
        | Q(~Exists(participants), event_type__in=list(PRESENCE)),
        state=WebhookEvent.State.PROJECTED,
    )


def _make_rows(account: Account, batch: Sequence[WebhookEvent], report: Report, *, now: datetime) -> None:
    """Put events on the board anew whose rows have gone."""
    observations = [_observe(row) for row in batch]
    report.events += len(batch)
    with board_hold(now=now) as change:
        change.changed |= project(account=account, observations=observations, version=change.version)
        if change.changed:
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


def _whole(rows: Sequence[Any]) -> list[Conference]:
    return [row for row in rows if isinstance(row, Conference)]


def _name(row: Conference | Leg | Participant) -> str:
    """Name a row without a phone number or a call_control_id."""
    return f"{row.conference_id}/{row.leg_id}" if isinstance(row, Participant) else str(row.pk)


SHOWN: dict[type[Any], Callable[[Any], object]] = {
    Conference: CONFERENCE_SHOWN,
    Leg: LEG_SHOWN,
    Participant: PARTICIPANT_SHOWN,
}
