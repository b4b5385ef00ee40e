"""Handles stops without Django: the ordinary way first, and where it fails, the page's sealed note.

The database may be down, the session store with it. Whoever is inside a call must get out all the same, so these few
routes are watched from outside. After a short silence of Django the note sends what was pressed beside the ordinary
way, under the same ids, so that Telnyx executes it once; what the browser hears is still Django's answer. An error or a
long silence is answered by a stop that needs no database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qs

from django.core.handlers.asgi import ASGIRequest
from django.template.loader import render_to_string
from django.utils import timezone, translation

from conferences.asgi_types import Receive, Scope, Send
from conferences.supervision import Way, emergency, read_press, send_by_note, stop

LARGEST_FORM = 64 * 1024

Message = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Value = TypeVar("Value")

log = logging.getLogger(__name__)


def with_emergency_stop(django: Application, *, way: Way) -> Application:
    """Return a route that lets Django answer, and silences the supervisor by the form's note where it cannot."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await _silence(django, scope, receive, send, way=way)

    return route


async def _silence(django: Application, scope: Scope, receive: Receive, send: Send, *, way: Way) -> None:
    received = timezone.now()
    body = await _whole_body(receive)
    fields = _fields_in(body)
    note, press = fields.get("stop", ""), read_press(fields, received=received)
    # The view takes the same press from the scope, so that both ways send the same command_id.
    asking = asyncio.create_task(_ask(django, {**scope, "press": press}, body))
    if not note:
        await asyncio.wait({asking})
    elif not await _is_done(asking, within=emergency.HASTENED_AFTER):
        hastening = _in_thread_of_its_own(partial(send_by_note, note, way=way, press=press))
        hastening.add_done_callback(_log_failure)
        await _is_done(asking, within=emergency.GIVEN_UP_AFTER - emergency.HASTENED_AFTER)
    told = _answer_of(asking) if asking.done() else None
    if told and (told[0]["status"] < 500 or not note):
        for message in told:
            await send(message)
        return
    # Django's own request goes on in its thread; a second leave does no harm.
    silent = await _in_thread_of_its_own(partial(stop, note, way=way, press=press)) if note else False
    await _tell(scope, send, silent=silent)


async def _is_done(asking: asyncio.Task[list[Message]], *, within: float) -> bool:
    done, _slow = await asyncio.wait({asking}, timeout=within)
    return bool(done)


def _in_thread_of_its_own(work: Callable[[], Value]) -> asyncio.Future[Value]:
    """Run something at once: the threads that all others share may all be waiting for a database that hangs."""
    thread = ThreadPoolExecutor(1, "stop")
    running = asyncio.get_running_loop().run_in_executor(thread, work)
    thread.shutdown(wait=False)
    return running


def _log_failure(hastening: asyncio.Future[None]) -> None:
    if not hastening.cancelled() and (error := hastening.exception()):
        log.error("the page's note could not be sent", exc_info=error)


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return bytes(body[:LARGEST_FORM])


def _fields_in(body: bytes) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}


async def _ask(django: Application, scope: Scope, body: bytes) -> list[Message]:
    """Return the whole answer; a browser that goes away meanwhile does not end the leaving."""
    asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    told: list[Message] = []

    async def receive() -> Message:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(dict(message))

    await django(dict(scope), receive, send)
    return told


def _answer_of(asking: asyncio.Task[list[Message]]) -> list[Message] | None:
    if error := asking.exception():
        log.error("leaving failed in Django", exc_info=error)
        return None
    return asking.result() or None


async def _tell(scope: Scope, send: Send, *, silent: bool) -> None:
    request = ASGIRequest(dict(scope), BytesIO())
    htmx = request.headers.get("HX-Request") == "true"
    with translation.override(translation.get_language_from_request(request)):
        page = render_to_string("floor/_stopped.html" if htmx else "stopped.html", {"silent": silent})
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    # htmx puts nothing of a 503 on the screen; a plain page may say what it is.
    await send({"type": "http.response.start", "status": 200 if htmx else 503, "headers": headers})
    await send({"type": "http.response.body", "body": page.encode()})
