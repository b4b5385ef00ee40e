"""The webhook endpoint: verify → batch → one commit → acknowledge.

A raw ASGI callable, because this path takes a call center's whole event storm. Requests that wait at the same moment
share one transaction (group commit, no timer): when the writer is idle an event is written at once, under load the
batches grow by themselves. A 200 is sent after the commit and only then.

Answers are a contract with the sender: 401 for bytes that Telnyx did not sign, 413 and 405 for what no webhook is,
200 for everything signed and kept, 503 where nothing durable could be written in time, so that Telnyx sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from nacl.signing import VerifyKey

from .models import Account
from .storing import Received, open_connection, store
from .telnyx.inbound import MAX_BODY_BYTES, SignatureRefused, public_key, verify

__all__ = ["Intake", "Receive", "Received", "Scope", "Send", "intake", "store", "webhooks"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BATCH = 256
MAX_WAITING_BYTES = 64 * 1024 * 1024  # some forty thousand webhooks; what comes on top is asked to come again
ANSWER_SECONDS = 1.9  # Telnyx waits two
KEYS_SECONDS = 2.0
BODY_SECONDS = 10.0
REFUSALS_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Writer:
    """The one thread that writes, with a connection of its own: open from the start, opened again after a failure."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ingest")

    async def read_keys(self) -> dict[VerifyKey, int]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._connected, read_keys)

    async def store(self, batch: list[Received]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connected, store, batch)

    def warm(self) -> None:
        """Open the connection before the first webhook needs it."""
        self._thread.submit(self._connected, read_keys)

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._thread.submit(close_connection)
        self._thread.shutdown()

    @staticmethod
    def _connected(do: Callable[..., Any], *args: Any) -> Any:
        try:
            if connection.connection is None:
                open_connection()
            return do(*args)
        except Exception:
            # A connection that failed once may be broken for good; a new one costs little.
            connection.close()
            raise


def close_connection() -> None:
    """Close the calling thread's connection; `connection.close` itself would be looked up in another thread."""
    connection.close()


def read_keys() -> dict[VerifyKey, int]:
    """Read every account's public keys; one that cannot be used is named in the log and left out."""
    keys: dict[VerifyKey, int] = {}
    # Not the API key: a database whose FIELD_KEYS are lost must still take webhooks in.
    for account in Account.objects.defer("api_key").order_by("-id"):
        for text in account.public_keys_in_force():
            try:
                keys[public_key(text)] = account.pk
            except ValueError:
                logger.error("a public key of account %s is not 32 bytes in Base64", account.pk)
    return keys


class Keyring:
    """The public keys in force, read again every few seconds beside the traffic, so that rotation needs no restart."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._keys: Mapping[VerifyKey, int] | None = None
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def keys(self) -> Mapping[VerifyKey, int] | None:
        """Return each key with the account it belongs to; None where they could not be read even once."""
        if time.monotonic() - self._read_at > KEYS_SECONDS and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
        if self._keys is None and self._reading is not None:
            # Nobody is turned away only because we have just started: Telnyx does not repeat what got a 401.
            await asyncio.wait([self._reading], timeout=ANSWER_SECONDS)
        return self._keys

    async def _read(self) -> None:
        try:
            self._keys = await self._writer.read_keys()
        except Exception:
            # The keys known so far stay in force; without a database nothing is acknowledged anyway.
            logger.exception("the accounts' public keys cannot be read")
        if self._keys is not None:
            self._read_at = time.monotonic()


class Batcher:
    """Collects what arrives while the writer is busy, and has it written in one transaction."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: list[tuple[Received, asyncio.Future[bool]]] = []
        self._waiting_bytes = 0
        self._writing: asyncio.Task[None] | None = None

    async def store(self, received: Received) -> bool:
        """Return whether the event is durably stored; False as well when that takes longer than Telnyx waits."""
        if self._waiting_bytes + len(received.body) > MAX_WAITING_BYTES:
            return False
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((received, stored))
        self._waiting_bytes += len(received.body)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        giving_up = loop.call_later(ANSWER_SECONDS, _settle, stored, False)
        try:
            return await stored
        finally:
            giving_up.cancel()

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            self._waiting_bytes -= sum(len(received.body) for received, _ in batch)
            # Who was sent away meanwhile comes again.
            batch = [(received, stored) for received, stored in batch if not stored.done()]
            if not batch:
                continue
            try:
                await self._writer.store([received for received, _ in batch])
                kept = True
            except Exception:
                # Whatever it was, nothing of this batch is durable: 503, and Telnyx sends it again.
                logger.exception("a batch of %d webhooks could not be stored", len(batch))
                kept = False
            for _, stored in batch:
                _settle(stored, kept)


def _settle(stored: asyncio.Future[bool], kept: bool) -> None:  # noqa: FBT001 - the loop calls it by position
    if not stored.done():
        stored.set_result(kept)


class Intake:
    """The way in: the keys, the batch that forms, and the thread that writes it; one per process."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._keyring = Keyring(self.writer)
        self._batcher = Batcher(self.writer)
        self._refusals: Counter[str] = Counter()
        self._refusals_told_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _answer(send, 405, "Telnyx posts its webhooks here; there is nothing to see.", allow=b"POST")
            return
        headers = dict(scope["headers"])
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_body(headers, receive)
        except TimeoutError:
            await _answer(send, 408, "The body did not arrive.")
            return
        if body is None:
            await _answer(send, 413, "The body is larger than any webhook.")
            return
        status, text = await self._take(body, headers)
        await _answer(send, status, text)

    async def _take(self, body: bytes, headers: Mapping[bytes, bytes]) -> tuple[int, str]:
        keys = await self._keyring.keys()
        if keys is None:
            return 503, "The public keys cannot be read; send it again."
        now = datetime.now(UTC)
        try:
            key = verify(
                body=body,
                signature=_text(headers, b"telnyx-signature-ed25519"),
                timestamp=_text(headers, b"telnyx-timestamp"),
                keys=keys,
                now=now,
            )
        except SignatureRefused as refused:
            self._note_refusal(refused.reason)
            return 401, "This is not signed by Telnyx, or not fresh."
        if await self._batcher.store(Received(account_id=keys[key], body=body, received_at=now)):
            return 200, "ok"
        return 503, "The event could not be stored in time; send it again."

    def _note_refusal(self, reason: str) -> None:
        """Log one line a second, however many come: a flood must not fill the disk either."""
        self._refusals[reason] += 1
        if time.monotonic() - self._refusals_told_at >= REFUSALS_SECONDS:
            told = ", ".join(f"{count} × {name}" for name, count in self._refusals.items())
            logger.warning("webhooks were refused for their signature: %s", told)
            self._refusals.clear()
            self._refusals_told_at = time.monotonic()


async def _read_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes | None:
    """Return the body, None where it is too large."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 9 or int(length) > MAX_BODY_BYTES):
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):  # nor has http.disconnect: what came until then is signed by nobody
            return bytes(body)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


async def _answer(send: Send, status: int, text: str, *, allow: bytes | None = None) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if allow:
        headers.append((b"allow", allow))
    # Whoever hung up before the answer is told nothing; Telnyx then sends the event again, and it is known by its id.
    with contextlib.suppress(ConnectionError):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


intake = Intake()


async def webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer POST /webhooks/telnyx/ with this process's intake."""
    await intake(scope, receive, send)
