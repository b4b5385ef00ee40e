"""Combines REST API, control API, page and the world's clock in one ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conferences.sandbox.center import show
from conferences.sandbox.center.floor import Floor
from conferences.sandbox.formats.errors import ApiError
from conferences.sandbox.rest.router import Answer, Api, Request
from conferences.sandbox.serving.control import Control, ControlError
from conferences.sandbox.serving.faults import Fault, Faults
from conferences.sandbox.serving.page import HtmlPage, Pages
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import Deliveries

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger(__name__)

TICK_S = 0.02
STEPS_PER_TICK = 500
MAX_BODY = 1_000_000
_FOREIGN_SITES = {b"cross-site", b"same-site"}


class Sandbox:
    def __init__(
        self,
        *,
        world: World,
        floor: Floor,
        api: Api,
        control: Control,
        deliveries: Deliveries,
        wait_for: str | None,
        shows: bool = False,
    ) -> None:
        self.world = world
        self.floor = floor
        self.api = api
        self.control = control
        self.faults: Faults = control.faults
        self.deliveries = deliveries
        self.pages = Pages(world=world, api=api, control=control)
        self.wait_for = wait_for
        self.shows = shows
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        headers = dict(scope["headers"])
        path: str = scope["path"]
        method: str = scope["method"]
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        body = await _read(receive)
        if path.startswith("/v2/"):
            authorization = headers.get(b"authorization", b"").decode("latin-1")
            await self._rest(Request(method, path.removeprefix("/v2"), query, authorization, body), send)
        elif method != "GET" and headers.get(b"sec-fetch-site") in _FOREIGN_SITES:
            await _send_json(send, 403, {"error": "The sandbox takes orders from its own page only."})
        elif path.startswith("/sandbox/"):
            await self._control(method, path.removeprefix("/sandbox"), query, body, send)
        else:
            self.world.now = time.time()
            await _send_page(send, self.pages.handle(method, path, query, body))

    # The REST API, with its faults

    async def _rest(self, request: Request, send: Send) -> None:
        fault = self.faults.take(method=request.method, path=request.path)
        if fault is None:
            answer: Answer | None = self._execute(request)
        else:
            # Shielded: a caller that gave up must not stop a request which Telnyx would still execute.
            task = asyncio.create_task(self._faulty(request, fault))
            self._keep(task)
            answer = await asyncio.shield(task)
        self.api.record(request, status=answer.status if answer else None)
        if answer is None:
            raise asyncio.CancelledError  # gunicorn then closes the connection without an answer
        await _send_json(send, answer.status, answer.body, answer.headers)

    def _execute(self, request: Request) -> Answer:
        self.world.now = time.time()
        answer = self.api.handle(request)
        self.deliveries.post(self.world.outbox)
        return answer

    async def _faulty(self, request: Request, fault: Fault) -> Answer | None:
        if fault.when == "before":
            await asyncio.sleep(fault.delay_s)
        if fault.when == "late":
            self._keep(asyncio.create_task(self._execute_later(request, fault.delay_s)))
        answer = None if fault.replaces or fault.when == "late" else self._execute(request)
        if fault.when == "after":
            await asyncio.sleep(fault.delay_s)
        if fault.drop or fault.status is None:
            return None if fault.drop else answer
        if fault.status == 200:
            return Answer(200, {"data": {"result": "ok"}})
        return Answer(fault.status, ApiError(fault.status, fault.code, fault.detail).body(), fault.headers)

    async def _execute_later(self, request: Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._execute(request)

    # The control API

    async def _control(self, method: str, path: str, query: dict[str, str], raw: bytes, send: Send) -> None:
        self.world.now = time.time()
        try:
            body = json.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ControlError(400, "The body must be a JSON object.")
            answer = self.control.handle(method, path, query, body)
        except ControlError as error:
            await _send_json(send, error.status, {"error": error.sentence})
        except (ValueError, TypeError) as error:
            await _send_json(send, 400, {"error": f"The order was not understood: {error}"})
        else:
            self.deliveries.post(self.world.outbox)
            await _send_json(send, 200, answer)

    # Time

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.deliveries.start()
        self._keep(asyncio.create_task(self._go_on()))
        self._keep(asyncio.create_task(self._begin_story()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._tasks:
            task.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _begin_story(self) -> None:
        """Begin once the dashboard answers, so that it receives every webhook."""
        while self.wait_for and not await asyncio.to_thread(_answers, self.wait_for):
            await asyncio.sleep(0.25)
        self.world.now = time.time()
        self.floor.start(first=show.openings(self.floor) if self.shows else ())

    async def _go_on(self) -> None:
        while True:
            behind = False
            try:
                behind = not self.world.advance(time.time(), budget=STEPS_PER_TICK)
            except Exception:  # one failing step must not stop the whole floor; it is no longer scheduled
                _log.exception("An act of the story failed")
            self.deliveries.post(self.world.outbox)
            await asyncio.sleep(0 if behind else TICK_S)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


async def _read(receive: Receive) -> bytes:
    """Return the body; what is beyond the limit is read and forgotten."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


async def _send_json(send: Send, status: int, body: dict[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> None:
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    await _send(send, status, (("content-type", "application/json; charset=utf-8"), *headers), raw)


async def _send_page(send: Send, page: HtmlPage) -> None:
    await _send(send, page.status, page.headers, page.body)


async def _send(send: Send, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
