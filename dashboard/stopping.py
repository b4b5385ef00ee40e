"""Leave without Django: the ordinary way first, and where it fails, the sealed note that the page carried.

The database may be down, the session store with it. Whoever is inside a call must get out all the same, so these few
routes are watched from outside: an error or a long silence of Django is answered by a stop that needs no database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from django.core.handlers.asgi import ASGIRequest
from django.template.loader import render_to_string
from django.utils import translation

from conferences.ingest import Receive, Scope, Send
from conferences.supervision import stop

LARGEST_FORM = 64 * 1024
PATIENCE_SECONDS = 8.0  # an ordinary leave asks Telnyx once and waits for its answer

Message = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)


def leave_at_any_rate(django: Application) -> Application:
    """Return a route that lets Django answer, and takes the supervisor out by the form's note where it cannot."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await _leave(django, scope, receive, send)

    return route


async def _leave(django: Application, scope: Scope, receive: Receive, send: Send) -> None:
    body = await _whole_body(receive)
    note = _note_in(body)
    asking = asyncio.create_task(_ask(django, scope, body))
    done, _slow = await asyncio.wait({asking}, timeout=PATIENCE_SECONDS if note else None)
    answer = _answer_of(asking) if done else None
    if answer and (answer[0]["status"] < 500 or not note):
        for message in answer:
            await send(message)
        return
    # What Django is still busy with goes on in its thread: leaving twice does no harm.
    silent = await asyncio.to_thread(stop, note) if note else False
    await _tell(scope, send, silent=silent)


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return bytes(body[:LARGEST_FORM])


def _note_in(body: bytes) -> str:
    return parse_qs(body.decode("latin-1")).get("stop", [""])[-1]


async def _ask(django: Application, scope: Scope, body: bytes) -> list[Message]:
    """Return the whole answer; a browser that goes away meanwhile does not end the leaving."""
    asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    answer: list[Message] = []

    async def receive() -> Message:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    async def send(message: MutableMapping[str, Any]) -> None:
        answer.append(dict(message))

    await django(dict(scope), receive, send)
    return answer


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
