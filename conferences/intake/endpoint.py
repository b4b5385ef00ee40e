"""Receives webhooks: verify → batch → one commit → acknowledge.

A raw ASGI callable, because this path takes a call center's whole event storm. Requests that wait at the same moment
share one transaction (group commit, no timer): when the writer is idle an event is written at once, under load the
batches grow by themselves. A 200 is sent after the commit and only then.

Each account has an address of its own: only its keys count there, and what is posted there belongs to it. At the plain
address every account's key counts, and says to which account a webhook belongs: of several with that key, the first.

Answers are a contract with the sender: 401 for bytes that Telnyx did not sign, or not for this address, 413 and 405 for
what no webhook is, 200 for everything signed and kept, 503 where nothing durable could be written in time, so that
Telnyx sends it again.

What can be refused by its headers is refused before its body is read. Bodies that nobody has verified yet are bounded
together, so that senders without a key can neither fill the memory nor keep Telnyx' own webhooks out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connection

from conferences.asgi_types import Receive, Scope, Send
from conferences.bodies import SMALL, Bodies, BodyRefused, SenderGone, linger
from conferences.telnyx.inbound import (
    MAX_BODY_BYTES,
    TEXML,
    VERSION_1,
    SignatureRefused,
    refuse_headers,
    verify,
)

from .keys import KnownKeys, read_keys
from .skew import ClockMeter
from .store import Received, open_connection, store

__all__ = ["Intake", "Receive", "Received", "Scope", "Send", "intake", "store", "webhooks"]

MAX_BATCH = 256
MAX_UNVERIFIED_BYTES = 48 * 1024 * 1024
RESERVED_BYTES = 16 * 1024 * 1024  # kept free of them for bodies as small as nearly every webhook is
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

    async def read_keys(self) -> KnownKeys:
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


class Keyring:
    """The public keys in force, read again every few seconds beside the traffic, so that rotation needs no restart."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._keys: KnownKeys | None = None
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def keys(self) -> KnownKeys | None:
        """Return the keys of every address; None where they could not be read even once."""
        if time.monotonic() - self._read_at > KEYS_SECONDS and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
        if self._keys is None and self._reading is not None:
            # No webhook is refused only because we have just started: Telnyx does not repeat one that got a 401.
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
            # A sender that was refused meanwhile comes again.
            batch = [(received, stored) for received, stored in batch if not stored.done()]
            if not batch:
                continue
            try:
                await self._writer.store([received for received, _ in batch])
                kept = True
            except Exception:
                # Nothing of this batch is stored: the answer is 503, and Telnyx sends it again.
                logger.exception("a batch of %d webhooks could not be stored", len(batch))
                kept = False
            for _, stored in batch:
                _settle(stored, kept)


def _settle(stored: asyncio.Future[bool], kept: bool) -> None:  # noqa: FBT001 - the loop calls it by position
    if not stored.done():
        stored.set_result(kept)


class Refusals:
    """Counts by reason what was refused for its signature, and logs the sums: one line a second, however many come."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self.counts: Counter[str] = Counter()
        self.newest: dict[str, datetime] = {}
        self._untold: Counter[str] = Counter()
        self._told_at = float("-inf")
        self._is_telling = False

    def note(self, reason: str) -> None:
        """Count one; what comes within the second is told at its end."""
        self.newest[reason] = datetime.now(UTC)
        self.counts[reason] += 1
        self._untold[reason] += 1
        if not self._is_telling:
            self._is_telling = True
            wait = self._told_at + REFUSALS_SECONDS - time.monotonic()
            asyncio.get_running_loop().call_later(max(0, wait), self._tell)

    def _tell(self) -> None:
        told = ", ".join(f"{count} × {name}" for name, count in self._untold.items())
        logger.warning("webhooks were refused for their signature: %s", told)
        self._untold.clear()
        self._is_telling = False
        self._told_at = time.monotonic()


class Intake:
    """The way in: the keys, the batch that forms, and the thread that writes it; one per process."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._keyring = Keyring(self.writer)
        self._batcher = Batcher(self.writer)
        self._bodies = Bodies(
            limit=MAX_BODY_BYTES, seconds=BODY_SECONDS, total=MAX_UNVERIFIED_BYTES, reserve=RESERVED_BYTES
        )
        # A large body takes half a millisecond, without the interpreter's lock; the loop serves others meanwhile.
        self._verifier = ThreadPoolExecutor(max_workers=1, thread_name_prefix="verify")
        self._meters: defaultdict[int, ClockMeter] = defaultdict(ClockMeter)
        self.refusals = Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _answer(send, 405, "Telnyx posts its webhooks here; there is nothing to see.", allow=b"POST")
            return
        headers, is_read = dict(scope["headers"]), False
        try:
            refuse_headers(**_signature(headers), now=datetime.now(UTC))
            async with self._bodies.whole(scope["headers"], receive) as body:
                is_read = True
                received = await self._verified(body, headers, path=scope["path"])
        except SignatureRefused as error:
            self.refusals.note(_unsigned_kind(headers) if error.reason == "missing" else error.reason)
            status, text = 401, "This is not signed by Telnyx, or not fresh."
        except BodyRefused as error:
            status, text = error.status, error.text
        except SenderGone:
            return
        else:
            status, text = await self._store(received)
        await _answer(send, status, text)
        if not is_read:
            await linger(receive)

    async def _store(self, received: Received | None) -> tuple[int, str]:
        if received is None:
            return 503, "The public keys cannot be read; send it again."
        if await self._batcher.store(received):
            return 200, "ok"
        return 503, "The event could not be stored in time; send it again."

    async def _verified(self, body: bytes, headers: Mapping[bytes, bytes], *, path: str) -> Received | None:
        """Return what Telnyx has signed for an address, None where the keys cannot be read; raise SignatureRefused."""
        known = await self._keyring.keys()
        if known is None:
            return None
        keys = known.at(path)
        now = datetime.now(UTC)
        check = partial(verify, body=body, **_signature(headers), keys=keys, now=now)
        if len(body) > SMALL:
            key = await asyncio.get_running_loop().run_in_executor(self._verifier, check)
        else:
            key = check()
        account_id = keys[key]
        ahead = self._meters[account_id].note(now.timestamp() - int(headers[b"telnyx-timestamp"]))
        return Received(account_id=account_id, body=body, received_at=now, ahead=ahead)


def _unsigned_kind(headers: Mapping[bytes, bytes]) -> str:
    """Return what an unsigned post looks like: the two things that Telnyx sends where it is set up in another way."""
    if b"x-telnyx-signature" in headers:
        return VERSION_1
    return TEXML if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded") else "missing"


def _signature(headers: Mapping[bytes, bytes]) -> dict[str, str | None]:
    return {
        "signature": _text(headers, b"telnyx-signature-ed25519"),
        "timestamp": _text(headers, b"telnyx-timestamp"),
    }


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


async def _answer(send: Send, status: int, text: str, *, allow: bytes | None = None) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if allow:
        headers.append((b"allow", allow))
    # A sender that closed the connection gets no answer; Telnyx sends the event again, and its id is then known.
    with contextlib.suppress(ConnectionError):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


intake = Intake()


async def webhooks(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a POST to one of the webhooks' addresses with this process's intake."""
    await intake(scope, receive, send)
