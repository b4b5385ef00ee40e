"""The webhook endpoint: verify → batch → one commit → acknowledge.

A raw ASGI callable, because this path takes a call center's whole event storm. Requests that wait at the same moment
share one transaction (group commit, no timer): when the writer is idle an event is written at once, under load the
batches grow by themselves. A 200 is sent after the commit and only then.

Answers are a contract with the sender: 401 for bytes that Telnyx did not sign, 413 and 405 for what no webhook is,
200 for everything signed and kept, 503 where nothing durable could be written, so that Telnyx sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from nacl.signing import VerifyKey

from . import changes
from .models import Account, WebhookEvent
from .observations import Observation, ids, observe
from .projection import project
from .telnyx.inbound import MAX_BODY_BYTES, Event, SignatureRefused, parse, public_key, verify

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BATCH = 256
MAX_WAITING = 4096
KEYS_SECONDS = 5.0
BODY_SECONDS = 10.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """A verified webhook on its way to the database."""

    account_id: int
    body: bytes
    received_at: datetime


class Keyring:
    """The public keys in force, read again every few seconds so that a rotation needs no restart."""

    def __init__(self) -> None:
        self._keys: dict[VerifyKey, int] = {}
        self._read_at = float("-inf")

    async def keys(self, executor: ThreadPoolExecutor) -> dict[VerifyKey, int]:
        """Return each key with the account it belongs to."""
        if time.monotonic() - self._read_at > KEYS_SECONDS:
            self._read_at = time.monotonic()
            try:
                self._keys = await asyncio.get_running_loop().run_in_executor(executor, read_keys)
            except DatabaseError:
                # The keys known so far stay in force; without a database nothing is acknowledged anyway.
                logger.exception("the accounts' public keys cannot be read")
        return self._keys


def read_keys() -> dict[VerifyKey, int]:
    """Read every account's public keys; one that cannot be used is named in the log and left out."""
    keys: dict[VerifyKey, int] = {}
    try:
        for account in Account.objects.order_by("-id"):
            for text in account.credentials().public_keys:
                try:
                    keys[public_key(text)] = account.pk
                except ValueError:
                    logger.error("a public key of account %s is not 32 bytes in Base64", account.pk)
    except DatabaseError:
        connection.close()
        raise
    return keys


class Batcher:
    """Collects what arrives while the writer is busy, and lets one thread write it in one transaction."""

    def __init__(self) -> None:
        self.writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest")
        self._waiting: list[tuple[Received, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def store(self, received: Received) -> bool:
        """Return whether the event is durably stored."""
        if len(self._waiting) >= MAX_WAITING:
            return False
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((received, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await stored

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                await loop.run_in_executor(self.writer, store, [received for received, _ in batch])
                kept = True
            except Exception:
                # Whatever it was, nothing of this batch is durable: 503, and Telnyx sends it again.
                logger.exception("a batch of %d webhooks could not be stored", len(batch))
                kept = False
            for _, stored in batch:
                if not stored.done():
                    stored.set_result(kept)


def store(batch: list[Received]) -> None:
    """Write a batch in one transaction. Raises DatabaseError when nothing could be written."""
    try:
        with transaction.atomic():
            version = changes.advance(now=datetime.now(UTC), ingested=True)
            by_account: dict[int, dict[str, tuple[Event, Received]]] = {}
            for received in batch:
                event = parse(body=received.body, received_at=received.received_at)
                by_account.setdefault(received.account_id, {}).setdefault(event.id, (event, received))
            for account_id, events in by_account.items():
                _store_events(Account.objects.get(pk=account_id), events, version=version)
    except DatabaseError:
        connection.close()
        raise


def _store_events(account: Account, events: dict[str, tuple[Event, Received]], *, version: int) -> None:
    known = set(WebhookEvent.objects.filter(account=account, event_id__in=events).values_list("event_id", flat=True))
    new = {key: pair for key, pair in events.items() if key not in known}
    if not new:
        return
    observed = {key: observe(event) for key, (event, _) in new.items()}
    problems = _project(account, new, observed, version=version)
    WebhookEvent.objects.bulk_create(
        [
            _row(account, event, received, understood=observed[key].understood, problem=problems.get(key, ""))
            for key, (event, received) in new.items()
        ],
        ignore_conflicts=True,
    )


def _project(
    account: Account,
    events: dict[str, tuple[Event, Received]],
    observed: dict[str, Observation],
    *,
    version: int,
) -> dict[str, str]:
    """Project a batch; where it fails, find the poisonous events one by one and return what was wrong with each."""
    now = datetime.now(UTC)
    try:
        with transaction.atomic():
            project(account=account, observations=observed.values(), version=version, now=now)
        return {}
    except (DataError, IntegrityError, ArithmeticError, LookupError, TypeError, ValueError):
        logger.exception("a batch of %d webhooks could not be projected; trying them one by one", len(events))
    problems: dict[str, str] = {}
    for key, observation in observed.items():
        try:
            with transaction.atomic():
                project(account=account, observations=[observation], version=version, now=now)
        except (DataError, IntegrityError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            problems[key] = type(error).__name__
    return problems


def _row(account: Account, event: Event, received: Received, *, understood: bool, problem: str) -> WebhookEvent:
    state = WebhookEvent.State.PROJECTED if understood else WebhookEvent.State.UNKNOWN
    if problem:
        state = WebhookEvent.State.FAILED
    elif event.problem:
        state = WebhookEvent.State.UNREADABLE
    conference_id, call_control_id = ids(event)
    return WebhookEvent(
        account=account,
        event_id=event.id,
        event_type=event.type,
        occurred_at=event.occurred_at,
        received_at=received.received_at,
        conference_telnyx_id=conference_id,
        call_control_id=call_control_id,
        state=state,
        problem=problem or event.problem,
        body=received.body,
    )


keyring = Keyring()
batcher = Batcher()


async def webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer POST /webhooks/telnyx/."""
    if scope["method"] != "POST":
        await _answer(send, 405, "Telnyx posts its webhooks here; there is nothing to see.", allow=b"POST")
        return
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    length = headers.get(b"content-length", "")
    if length.isascii() and length.isdigit() and int(length) > MAX_BODY_BYTES:
        await _answer(send, 413, "The body is larger than any webhook.")
        return
    try:
        body = await asyncio.wait_for(_read_body(receive), BODY_SECONDS)
    except TimeoutError:
        await _answer(send, 408, "The body did not arrive.")
        return
    if body is None:
        await _answer(send, 413, "The body is larger than any webhook.")
        return
    now = datetime.now(UTC)
    keys = await keyring.keys(batcher.writer)
    try:
        key = verify(
            body=body,
            signature=headers.get(b"telnyx-signature-ed25519"),
            timestamp=headers.get(b"telnyx-timestamp"),
            keys=keys,
            now=now,
        )
    except SignatureRefused as refused:
        logger.warning("a webhook was refused: signature %s", refused.reason)
        await _answer(send, 401, "This is not signed by Telnyx, or not fresh.")
        return
    if await batcher.store(Received(account_id=keys[key], body=body, received_at=now)):
        await _answer(send, 200, "ok")
    else:
        await _answer(send, 503, "The event could not be stored; send it again.")


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, None where it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _answer(send: Send, status: int, text: str, *, allow: bytes | None = None) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if allow:
        headers.append((b"allow", allow))
    # Whoever hung up before the answer is told nothing; Telnyx then sends the event again, and it is known by its id.
    with contextlib.suppress(ConnectionError):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
