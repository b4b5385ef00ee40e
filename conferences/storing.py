"""One batch of verified webhooks → one transaction: the rows as they came, and what they change on the board."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import InterfaceError, OperationalError, connection, transaction

from . import changes
from .models import Account, WebhookEvent
from .observations import Observation, ids, observe
from .projection import project
from .rows import Adapter, load_rows, load_values, writer_of_times
from .telnyx.inbound import Event, parse

WRITER_WAIT_MS = 1500  # for a lock; Telnyx waits two seconds for its answer

logger = logging.getLogger(__name__)

Put = Callable[[Account, list["Reading"], changes.Turn], None]


@dataclass(frozen=True, slots=True)
class Received:
    """A verified webhook on its way to the database."""

    account_id: int
    body: bytes
    received_at: datetime


@dataclass(slots=True)
class Reading:
    """A webhook as read, before any lock is taken; `problem` says why it cannot be put on the board."""

    received: Received
    event: Event
    observation: Observation
    problem: str = ""

    @property
    def state(self) -> WebhookEvent.State:
        if self.event.problem:
            return WebhookEvent.State.UNREADABLE
        if self.problem:
            return WebhookEvent.State.FAILED
        return WebhookEvent.State.PROJECTED if self.observation.understood else WebhookEvent.State.UNKNOWN


def read(received: Received) -> Reading:
    """Read a webhook; whatever it holds, this does not fail."""
    event = parse(body=received.body, received_at=received.received_at)
    try:
        return Reading(received, event, observe(event))
    except Exception as error:
        # One event that nobody foresaw must not keep its whole batch from being stored and acknowledged.
        logger.exception("a webhook of type %s could not be understood", event.type)
        return Reading(received, event, Observation(), problem=type(error).__name__)


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
    by_account: dict[int, list[Reading]] = {}
    for received in batch:
        by_account.setdefault(received.account_id, []).append(read(received))
    try:
        _write(by_account, put=_project, delivered=delivered)
    except (OperationalError, InterfaceError):
        raise  # the database itself: nothing of this batch is durable
    except Exception:
        # Somewhere in it is one that nobody foresaw. A savepoint each finds it; every other batch does without.
        logger.exception("a batch of %d webhooks could not be put on the board; trying them singly", len(batch))
        _write(by_account, put=_project_singly, delivered=delivered)


def _write(by_account: Mapping[int, list[Reading]], *, put: Put, delivered: bool) -> None:
    with changes.turn(now=datetime.now(UTC), ingested=delivered) as turn:
        # load_rows leaves the API key alone: taking webhooks in must not depend on FIELD_KEYS.
        accounts = {account.pk: account for account in load_rows(Account, id=list(by_account))}
        for account_id, readings in by_account.items():
            new = keep(account_id, readings)
            put(accounts[account_id], new, turn)


def keep(account_id: int, readings: Iterable[Reading]) -> list[Reading]:
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


def _row(reading: Reading, written: Adapter) -> tuple[str | int | bytes | datetime, ...]:
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


def _project(account: Account, readings: Iterable[Reading], turn: changes.Turn) -> None:
    observations = (reading.observation for reading in readings)
    turn.changed |= project(account=account, observations=observations, version=turn.version)


def _project_singly(account: Account, readings: Iterable[Reading], turn: changes.Turn) -> None:
    """Put a batch on the board one by one, and write down what was wrong with the poisonous ones."""
    for reading in readings:
        try:
            with transaction.atomic():
                _project(account, [reading], turn)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            reading.problem = type(error).__name__
            logger.error("a webhook of type %s could not be put on the board: %s", reading.event.type, reading.problem)
            WebhookEvent.objects.filter(account=account, event_id=reading.event.id).update(
                state=reading.state, problem=reading.problem
            )
