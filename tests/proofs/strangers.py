"""`python -m tests.proofs.strangers PORT SIZE`: floods a server until a line comes in, and prints the answers.

A process of its own, so that whoever measures how long others wait is not busy with the flood as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from random import randrange
from typing import Any
from uuid import uuid4

from dashboard.serving.process import raise_descriptor_limit
from tests.tooling.person import TOKEN

LARGE = 240_000


@dataclass(frozen=True, kw_only=True)
class Size:
    """The number of each that come at once, and for how long."""

    seconds: float = 30
    sign_ins: int = 60
    idle: int = 4300
    """More than a server keeps: dashboard.serving.edge.MOST_CONNECTIONS."""
    stalled: int = 500
    quick: int = 8
    webhooks_a_second: float = 50

    def as_json(self) -> str:
        return json.dumps(asdict(self))


async def flood(port: int, size: Size) -> Counter[str]:
    """Flood until standard input says something; return how often which answer came."""
    seen: Counter[str] = Counter()
    strangers: list[Callable[[], Coroutine[Any, Any, None]]] = [
        *[lambda: _sign_in(port, seen)] * size.sign_ins,
        *[lambda: _idle(port, seen, size.idle // 20)] * 20,
        *[lambda: _stall(port, seen, size.stalled // 10)] * 10,
        *[lambda: _send(port, seen, "forged", _forged(LARGE))] * size.quick,
        *[lambda: _send(port, seen, "forged small", _forged(2_000))] * size.quick,
        *[lambda: _send(port, seen, "unsigned", _unsigned())] * size.quick,
        *[lambda: _send(port, seen, "chunked", _chunked("/accounts/login/"), endless=True)] * 2,
        *[lambda: _send(port, seen, "chunked to Leave", _chunked("/leave/"), endless=True)] * 2,
        *[lambda: _send(port, seen, "page", _get("/accounts/login/"))] * size.quick,
    ]
    tasks = [asyncio.create_task(_again_and_again(stranger)) for stranger in strangers]
    await asyncio.to_thread(sys.stdin.readline)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


def _note(seen: Counter[str], who: str, status: int) -> None:
    seen[f"{who} {status or 'closed'}"] += 1


async def _again_and_again(stranger: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            await stranger()
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _open(
    port: int, *, sender: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(sender, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _status(reader: asyncio.StreamReader) -> tuple[int, str]:
    async with asyncio.timeout(30):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    return int(head.split(" ", 2)[1]), head


async def _sign_in(port: int, seen: Counter[str]) -> None:
    """Take a token as a browser does, and try a password; each time from elsewhere, or the throttle would end it."""
    sender = f"127.{randrange(1, 255)}.{randrange(255)}.{randrange(1, 255)}"
    async with _open(port, sender=sender) as (reader, writer):
        writer.write(_get("/accounts/login/", close=True))
        page = (await reader.read(-1)).decode("latin-1")
    token = TOKEN.search(page)
    if not token:
        _note(seen, "sign-in page", int(page.split(" ", 2)[1] or 0) if page else 0)
        return
    cookie = page.partition("Set-Cookie: ")[2].partition(";")[0]
    form = f"csrfmiddlewaretoken={token[1]}&username=stranger-{uuid4().hex[:6]}&password=guess".encode()
    fields = [f"Cookie: {cookie}", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
    async with _open(port, sender=sender) as (reader, writer):
        writer.write(_head("POST /accounts/login/", *fields) + form)
        _note(seen, "sign-in", (await _status(reader))[0])


async def _idle(port: int, seen: Counter[str], count: int) -> None:
    """Open connections and say nothing, or half a header."""
    async with contextlib.AsyncExitStack() as stack:
        ends = []
        for number in range(count):
            reader, writer = await stack.enter_async_context(_open(port))
            if number % 3 == 0:
                writer.write(b"GET / HTTP/1.1\r\nHost: localh")
            ends.append(asyncio.create_task(reader.read(-1)))
        _done, open_ = await asyncio.wait(ends, timeout=12)
        seen["idle closed"] += len(ends) - len(open_)
        seen["idle left open"] += len(open_)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _stall(port: int, seen: Counter[str], count: int) -> None:
    """Send nearly all of a large forged body, and no more."""
    async with contextlib.AsyncExitStack() as stack:
        answers = []
        for _ in range(count):
            reader, writer = await stack.enter_async_context(_open(port))
            writer.write(_forged(LARGE)[:-1000])
            answers.append(asyncio.create_task(_status(reader)))
        for one in await asyncio.gather(*answers, return_exceptions=True):
            _note(seen, "stalled", one[0] if isinstance(one, tuple) else 0)


async def _send(port: int, seen: Counter[str], who: str, request: bytes, *, endless: bool = False) -> None:
    """Send a request, and chunk after chunk where it has no end."""
    async with _open(port) as (reader, writer):
        writer.write(request)
        answer = asyncio.create_task(_status(reader))
        try:
            while endless and not answer.done():
                writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
            _note(seen, who, (await answer)[0])
        except (OSError, asyncio.IncompleteReadError):
            _note(seen, who, 0)  # closed on it
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)


def _head(line: str, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()


def _get(path: str, *, close: bool = False) -> bytes:
    return _head(f"GET {path}", *(["Connection: close"] if close else []))


def _forged(length: int) -> bytes:
    signature = b64encode(bytes(64)).decode()
    fields = [f"telnyx-timestamp: {int(time.time())}", f"telnyx-signature-ed25519: {signature}"]
    return _head("POST /webhooks/telnyx/", *fields, f"Content-Length: {length}") + b"forged".ljust(length)


def _unsigned() -> bytes:
    return _head("POST /webhooks/telnyx/", f"Content-Length: {LARGE}") + b"forged".ljust(LARGE)


def _chunked(path: str) -> bytes:
    kind = "Content-Type: application/x-www-form-urlencoded"
    return _head(f"POST {path}", "Transfer-Encoding: chunked", kind)


if __name__ == "__main__":
    raise_descriptor_limit()
    print(json.dumps(asyncio.run(flood(int(sys.argv[1]), Size(**json.loads(sys.argv[2]))))))  # noqa: T201
