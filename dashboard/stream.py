"""The stream: server-sent events over a bare ASGI callable, one per open page.

Unnamed messages carry partials that htmx swaps, the named event `heartbeat` carries the clocks. No database connection
is held between two looks. The stream never redirects: a login page would land in the floor.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from io import BytesIO
from uuid import UUID

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.utils import translation

from conferences.ingest import Receive, Scope, Send
from conferences.permissions import rights_book, visible_to

from . import scope as scopes
from .broadcast import Subscriber, broadcast, in_thread
from .channel import Audience
from .fragments import Page
from .middleware import zone_of
from .signed_in import signed_in
from .window import Window

log = logging.getLogger(__name__)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET /stream/ with the viewer's window, and keep it true until one side ends it."""
    subscriber = await in_thread(partial(_subscriber, scope, asyncio.get_running_loop().time()))
    if isinstance(subscriber, int):
        await _refuse(send, subscriber)
        return
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(_disconnected(receive, subscriber))
    pages = broadcast()
    pages.join(subscriber)
    try:
        await _tell(subscriber, send)
    except OSError:
        log.debug("a stream's reader went away")
    finally:
        await pages.leave(subscriber)
        gone.cancel()
    if not gone.done() or gone.cancelled():
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _tell(subscriber: Subscriber, send: Send) -> None:
    while not subscriber.is_over:
        # What comes in while the snapshot is taken is sent after it, unless the snapshot has it already.
        body = await (broadcast().snapshot(subscriber) if subscriber.needs_snapshot else subscriber.news())
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
    if left := subscriber.rest():
        await send({"type": "http.response.body", "body": left, "more_body": True})


def _subscriber(scope: Scope, now: float) -> Subscriber | int:
    """Return who asks and for what, or the status that refuses them."""
    request = ASGIRequest(dict(scope), BytesIO())  # not kept: a thousand streams would keep a thousand of them
    if request.method != "GET":
        return 405
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    user = signed_in(session_key)
    if user is None:
        return 401
    named = request.GET.get("conference", "")
    try:
        open_id = UUID(named) if named else None
    except ValueError:
        return 404
    if open_id and not visible_to(user).filter(id=open_id).exists():
        return 404
    page = Page(
        viewer=user,
        window=Window.from_query(request.GET.dict()),
        open_id=open_id,
        alone="alone" in request.GET,
    )
    audience = Audience(
        scope=scopes.Scope.of(rights_book(user)),
        window=page.window,
        language=translation.get_language_from_request(request),
        zone=zone_of(request),
    )
    return Subscriber(session_key=session_key, page=page, audience=audience, now=now)


async def _disconnected(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end()


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
