"""Streams server-sent events over a bare ASGI callable.

Unnamed messages carry partials that htmx swaps, the named event `heartbeat` carries the clocks. No database connection
is held between two looks. The stream never redirects: a login page would land in the floor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import TypeVar

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.utils import timezone, translation

from conferences.asgi_types import CHUNKS, Receive, Scope, Send
from conferences.logins import signed_in
from conferences.permissions import is_agent_only, rights_book, visible_to
from dashboard.floor.number_search import window_at
from dashboard.forms import OpenForm
from dashboard.middleware import zone_of
from dashboard.rendering.fragments import Page
from dashboard.serving.admission import Busy
from dashboard.serving.entrance import client_address, has_readable_type, pages

from .broadcast import broadcast
from .channel import PageGroup
from .subscriber import Subscriber
from .threads import in_thread

Value = TypeVar("Value")

MOST_OF_ONE_PERSON = 30
"""In one process. A browser has two at most (static/js/tabs.js); a page that gets none polls and misses nothing."""

log = logging.getLogger(__name__)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET /stream/ with the viewer's window, and keep it true until one side ends it."""
    subscriber = await admitted(scope, partial(subscriber_of, scope, now=asyncio.get_running_loop().time()))
    if isinstance(subscriber, int):
        await refuse(send, subscriber)
        return
    open_pages = broadcast()
    if open_pages.streams_of(subscriber.page.viewer.pk) >= MOST_OF_ONE_PERSON:
        # The newest is refused, not the oldest closed: the oldest would reconnect and push out another one.
        await refuse(send, 429, text="You have many pages open already. This one updates every few seconds.")
        return
    open_pages.join(subscriber)  # before anything is awaited, or many at once would all find room
    gone = asyncio.create_task(_disconnected(receive, subscriber))
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _tell(subscriber, send)
    except OSError:
        log.debug("a stream's reader went away")
    finally:
        await open_pages.leave(subscriber)
        gone.cancel()
    if not gone.done() or gone.cancelled():
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _tell(subscriber: Subscriber, send: Send) -> None:
    while not subscriber.is_over:
        # Changes that come in while the snapshot is taken are sent after it, unless the snapshot has them already.
        body = await (broadcast().snapshot(subscriber) if subscriber.needs_snapshot else subscriber.news())
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
    if left := subscriber.rest():
        await send({"type": "http.response.body", "body": left, "more_body": True})


async def admitted(scope: Scope, work: Callable[[], Value | int]) -> Value | int:
    """Do work for a page in turn with all other pages; return 503 where its turn does not come.

    Requests without a session do not take threads from those with one.
    """
    try:
        if not pages.enter_now():
            await pages.wait(client_address(scope))
    except Busy:
        return 503
    try:
        return await in_thread(work)
    finally:
        pages.leave()


def subscriber_of(scope: Scope, *, now: float) -> Subscriber | int:
    """Return who asks and for what, or the status that refuses them."""
    if not has_readable_type(scope):
        return 415
    request = ASGIRequest(dict(scope), BytesIO())  # not kept: a thousand streams would keep a thousand of them
    if request.method != "GET":
        return 405
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    user = signed_in(session_key)
    if user is None:
        return 401
    if is_agent_only(user):
        return 404
    opened = OpenForm(request.GET)
    if not opened.is_valid():
        return 404
    open_id = opened.open_id
    if open_id and not visible_to(user).filter(id=open_id).exists():
        return 404
    page = Page(
        viewer=user,
        window=window_at(request.GET.dict(), viewer=user, now=timezone.now()),
        open_id=open_id,
        alone="alone" in request.GET,
    )
    rights = rights_book(user)
    audience = PageGroup(
        scope=rights.scope,
        window=page.window,
        language=translation.get_language_from_request(request),
        zone=zone_of(request),
    )
    return Subscriber(
        session_key=session_key,
        page=page,
        audience=audience,
        rights=rights,
        now=now,
        write=scope.get("extensions", {}).get(CHUNKS),
    )


async def _disconnected(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end()


async def refuse(send: Send, status: int, *, text: str = "") -> None:
    """Answer with a status, and in words where these help.

    A 404 is marked as ours: a page that may no longer see its call says so, and one that meets a proxy's tries again.
    """
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == HTTPStatus.NOT_FOUND:
        headers.append((b"floorline-lost", b"call"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
