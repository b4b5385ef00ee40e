"""The stream: server-sent events over a bare ASGI callable, one per open page.

Unnamed messages carry partials that htmx swaps, the named event `heartbeat` carries the server's clock. No database
connection is held between two looks. The stream never redirects: a login page would land in the floor.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connections
from django.http import HttpRequest
from django.utils import timezone, translation

from conferences.changes import hub
from conferences.ingest import Receive, Scope, Send
from conferences.permissions import visible_to

from . import fragments, presence
from .board import Window, ingest_lag
from .follow import Follower
from .fragments import Page
from .lifetime import worker_is_alive
from .middleware import zone_of

HEARTBEAT_SECONDS = 5.0
LOOK_SECONDS = 1.0  # also how soon a stream notices that its worker stops
COALESCE_SECONDS = 0.2  # a busy floor is sent five times a second, the newest of each card
LIFE_SECONDS = 600.0

Value = TypeVar("Value")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who opened a stream, and how they read."""

    session_key: str
    page: Page
    language: str
    zone: ZoneInfo


def sse_message(html: str, *, id: int) -> bytes:  # noqa: A002 - the field's own name
    """Frame HTML as one unnamed message; every line needs its own `data:`, or the rest of it is lost."""
    lines = "".join(f"data: {line}\n" for line in re.split(r"\r\n|\r|\n", html))
    return f"{lines}id: {id}\n\n".encode()


def sse_event(name: str, data: object, *, id: int) -> bytes:  # noqa: A002 - the field's own name
    """Frame a named event, which the page's script hears and htmx does not swap."""
    return f"event: {name}\ndata: {json.dumps(data)}\nid: {id}\n\n".encode()


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET /stream/ with the viewer's window, and keep it true until one side ends it."""
    request = ASGIRequest(dict(scope), BytesIO())
    viewer = await _in_thread(lambda: _viewer(request))
    if isinstance(viewer, int):
        await _refuse(send, viewer)
        return
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await _follow(viewer, send, gone)
    except OSError:
        log.debug("a stream's reader went away")
    finally:
        gone.cancel()
    if not gone.done() or gone.cancelled():
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _follow(viewer: Viewer, send: Send, gone: asyncio.Task[None]) -> None:
    follower = Follower(viewer.page)

    async def tell(body: bytes) -> None:
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})

    clock = asyncio.get_running_loop().time
    # Not all pages at once: a restart would otherwise be followed by one thundering herd every ten minutes.
    end = clock() + LIFE_SECONDS * random.uniform(0.85, 1.15)  # noqa: S311 - no secret
    beat, beats = 0.0, 0
    await tell(_message(follower, await _in_thread(lambda: _look(viewer, follower, snapshot=True))))
    newest = follower.version
    while not gone.done() and worker_is_alive() and clock() < end:
        thorough = False
        if clock() >= beat:
            pulse = await _in_thread(lambda: _pulse(viewer))
            if pulse is None:
                await tell(sse_message(await _in_thread(fragments.signed_out), id=follower.version))
                return
            await tell(sse_event("heartbeat", pulse, id=follower.version))
            beat = clock() + HEARTBEAT_SECONDS
            beats += 1
            thorough = beats % 2 == 0
        if thorough or follower.is_behind(newest):
            look = partial(_look, viewer, follower, thorough=thorough)
            await tell(_message(follower, await _in_thread(look)))
        await asyncio.sleep(COALESCE_SECONDS)
        newest = await hub.wait(after=follower.version, seconds=min(LOOK_SECONDS, max(0.0, beat - clock())))


def _message(follower: Follower, pieces: list[str]) -> bytes:
    return sse_message("".join(pieces), id=follower.version) if pieces else b""


def _viewer(request: HttpRequest) -> Viewer | int:
    """Return who asks and for what, or the status that refuses them."""
    if request.method != "GET":
        return 405
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    user = _signed_in(session_key)
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
        alone=open_id is not None and "alone" in request.GET,
    )
    return Viewer(
        session_key=session_key,
        page=page,
        language=translation.get_language_from_request(request),
        zone=zone_of(request),
    )


def _signed_in(session_key: str) -> User | None:
    """Return the active user of a session that is still valid, exactly as a request would."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = auth.get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def _look(viewer: Viewer, follower: Follower, *, snapshot: bool = False, thorough: bool = False) -> list[str]:
    now = timezone.now()
    with timezone.override(viewer.zone), translation.override(viewer.language):
        return follower.snapshot(now=now) if snapshot else follower.changes(now=now, thorough=thorough)


def _pulse(viewer: Viewer) -> dict[str, int | None] | None:
    """Authorise again, note the presence, and return the clocks in milliseconds; None where the session ended."""
    user = _signed_in(viewer.session_key)
    if user is None or user.pk != viewer.page.viewer.pk:
        return None
    now: datetime = timezone.now()
    presence.note(user, now=now)
    lag = ingest_lag(now=now)
    return {
        "now": int(now.timestamp() * 1000),
        "lag": None if lag is None else int(lag.total_seconds() * 1000),
    }


async def _in_thread(work: Callable[[], Value]) -> Value:
    """Run ORM work in a thread, and give its database connection back before anybody waits again."""

    def closed_after() -> Value:
        close_old_connections()
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(closed_after)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
