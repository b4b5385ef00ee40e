"""Stores one batch of verified webhooks and projects it, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction

from conferences.changes import BoardChange, board_hold
from conferences.digits import without_digits
from conferences.fast_sql import Adapter, load_rows, load_values, set_columns, writer_of_times
from conferences.models import Account, WebhookEvent
from conferences.projection.observations import Observation, ids, observe
from conferences.projection.projector import project
from conferences.recognition import marks_of, own_ears
from conferences.telnyx.inbound import Event, parse

HEARD_EVERY = timedelta(seconds=1)
WRITER_WAIT_MS = 1500  # for a lock; Telnyx waits two seconds for its answer

logger = logging.getLogger(__name__)

Put = Callable[[Account, list["ParsedWebhook"], BoardChange], None]


@dataclass(frozen=True, slots=True)
class Received:
    """A verified webhook on its way to the database."""

    account_id: int
    body: bytes
    received_at: datetime
    ahead: float | None = None
    """Seconds that our clock is ahead of Telnyx', where enough webhooks have told."""


@dataclass(slots=True)
class ParsedWebhook:
    """A webhook as read, before any lock is taken; `problem` says why it cannot be put on the board."""

    received: Received
    event: Event
    observation: Observation
    problem: str = ""
    whole: Received | None = None
    """The webhook with the digits that were taken out of `received`, which only our own ears may keep."""

    @property
    def state(self) -> WebhookEvent.State:
        if self.event.problem:
            return WebhookEvent.State.UNREADABLE
        if self.problem:
            return WebhookEvent.State.FAILED
        return WebhookEvent.State.PROJECTED if self.observation.understood else WebhookEvent.State.UNKNOWN


def read(received: Received) -> ParsedWebhook:
    """Read a webhook; never fails, whatever the body contains."""
    event = parse(body=received.body, received_at=received.received_at)
    body = without_digits(received.body, event)
    if body is received.body:
        return _observed(received, event)
    # Before anything is made of it or said about it: neither a register nor a traceback may hold what was typed.
    blanked = replace(received, body=body)
    if not event.problem:
        event = parse(body=body, received_at=received.received_at, event_id=event.id)
    return replace(_observed(blanked, event), whole=received)


def _observed(received: Received, event: Event) -> ParsedWebhook:
    try:
        return ParsedWebhook(received, event, observe(event))
    except Exception as error:
        # One unexpected event must not prevent its whole batch from being stored and acknowledged.
        logger.exception("a webhook of type %s could not be understood", event.type)
        return ParsedWebhook(received, event, Observation(), problem=type(error).__name__)


def open_connection() -> None:
    """Open this thread's connection, and let it wait for a lock no longer than Telnyx waits for an answer."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA busy_timeout = {WRITER_WAIT_MS}")
        else:
            cursor.execute(f"SET lock_timeout = {WRITER_WAIT_MS}; SET statement_timeout = {2 * WRITER_WAIT_MS}")


def store(batch: Sequence[Received], *, delivered: bool = True) -> None:
    """Write a batch in one transaction. Raises DatabaseError when nothing could be written.

    What was fetched instead of being `delivered` is no sign that webhooks arrive.
    """
    by_account: dict[int, list[ParsedWebhook]] = {}
    for received in batch:
        by_account.setdefault(received.account_id, []).append(read(received))
    try:
        _write(by_account, put=_project, delivered=delivered)
    except (OperationalError, InterfaceError):
        raise  # the database itself: nothing of this batch is durable
    except Exception:
        # One event of the batch cannot be projected. A savepoint for each event finds it; other batches need none.
        logger.exception("a batch of %d webhooks could not be put on the board; trying them singly", len(batch))
        _write(by_account, put=_project_singly, delivered=delivered)


def _write(by_account: Mapping[int, list[ParsedWebhook]], *, put: Put, delivered: bool) -> None:
    with board_hold(now=datetime.now(UTC), ingested=delivered) as change:
        # load_rows leaves the API key alone: taking webhooks in must not depend on FIELD_KEYS.
        accounts = {account.pk: account for account in load_rows(Account, id=list(by_account))}
        for account_id, readings in by_account.items():
            new = keep(account_id, _with_own_digits(accounts[account_id], readings))
            put(accounts[account_id], new, change)
            if delivered:
                _note_heard(accounts[account_id], readings[-1].received)


def _note_heard(account: Account, newest: Received) -> None:
    """Note that webhooks come, and by what clock, once a second at most."""
    at = newest.received_at
    if account.heard_at is None or abs(at - account.heard_at) >= HEARD_EVERY:
        clock = {} if newest.ahead is None else {"clock_ahead": newest.ahead}
        set_columns(Account, {"heard_at": at, **clock}, id=account.pk)


def _with_own_digits(account: Account, readings: list[ParsedWebhook]) -> list[ParsedWebhook]:
    """Give the webhooks of our own ears their digits back: the 1 that no mailbox presses, *0 and *9."""
    blanked = [reading for reading in readings if reading.whole is not None and not reading.event.problem]
    if not blanked:
        return readings
    own = own_ears(account, [marks_of(ids(reading.event)[1], reading.observation.leg) for reading in blanked])
    return [_with_digits(reading) if ids(reading.event)[1] in own else reading for reading in readings]


def _with_digits(reading: ParsedWebhook) -> ParsedWebhook:
    if (whole := reading.whole) is None or reading.event.problem:
        return reading
    return _observed(whole, parse(body=whole.body, received_at=whole.received_at, event_id=reading.event.id))


def keep(account_id: int, readings: Iterable[ParsedWebhook]) -> list[ParsedWebhook]:
    """Insert an account's webhooks as they came, and return those that were not there yet, each once.

    Nobody inserts between the question and the answer: whoever stores webhooks holds the board's lock.
    """
    by_id = {reading.event.id: reading for reading in readings}
    for known in load_values(WebhookEvent, "event_id", account_id=account_id, event_id=list(by_id)):
        del by_id[known]
    if by_id:
        written = writer_of_times()
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, [_row(reading, written) for reading in by_id.values()])
    return list(by_id.values())


COLUMNS = (
    "account_id", "event_id", "event_type", "occurred_at", "received_at",
    "conference_telnyx_id", "call_control_id", "state", "problem", "body",
)  # fmt: skip
INSERT = (
    f"INSERT INTO {WebhookEvent._meta.db_table} ({', '.join(COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join(['%s'] * len(COLUMNS))})"
)


def _row(reading: ParsedWebhook, written: Adapter) -> tuple[str | int | bytes | datetime, ...]:
    received, event = reading.received, reading.event
    conference_id, call_control_id = ids(event)
    return (
        received.account_id,
        event.id,
        event.type,
        written(event.occurred_at),
        written(received.received_at),
        conference_id,
        call_control_id,
        reading.state.value,
        reading.problem or event.problem,
        received.body,
    )


def _project(account: Account, readings: Iterable[ParsedWebhook], change: BoardChange) -> None:
    observations = (reading.observation for reading in readings)
    change.changed |= project(account=account, observations=observations, version=change.version)


def _project_singly(account: Account, readings: Iterable[ParsedWebhook], change: BoardChange) -> None:
    """Put a batch on the board one by one, and write down what was wrong with the poisonous ones."""
    for reading in readings:
        try:
            with transaction.atomic():
                _project(account, [reading], change)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            reading.problem = type(error).__name__
            logger.error("a webhook of type %s could not be put on the board: %s", reading.event.type, reading.problem)
            WebhookEvent.objects.filter(account=account, event_id=reading.event.id).update(
                state=reading.state, problem=reading.problem
            )
