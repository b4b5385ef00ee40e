"""Answers GET /snapshot/ with everything a page shows, for pages without a stream; 304 where they show it already.

A page polls where it is not its turn to stream, and where a proxy lets no stream through. The clocks that a stream's
heartbeat carries stand in a header of every answer.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from io import BytesIO
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.utils import timezone, translation

from conferences.asgi_types import Receive, Scope, Send
from conferences.login_sessions import soon
from conferences.logins import idle_end_of
from dashboard.floor.health import FloorHealth, floor_health
from dashboard.floor.live import floor
from dashboard.rendering import fragments
from dashboard.serving.entrance import has_readable_type

from . import presence
from .broadcast import LOOK_SECONDS
from .channel import Channel
from .personal import PersonalParts
from .stream import admitted, refuse, subscriber_of
from .subscriber import Subscriber
from .worker_state import worker_is_alive

# A hidden page may ask that the answer is held back: browsers slow its timers down, so the answers set its pace.
# Shorter than a page waits before it calls its data old (static/js/feed.js).
LONGEST_WAIT_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A page's content, with the version by which it is recognised."""

    version: str
    html: str
    beat: FloorHealth


async def snapshot(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET /snapshot/ with the viewer's window and desk."""
    if not has_readable_type(scope):
        await refuse(send, 415)
        return
    request = ASGIRequest(dict(scope), BytesIO())
    if wait := _wait_of(request):
        seen = await admitted(scope, partial(_seen, scope))
        if isinstance(seen, int):
            await refuse(send, seen)
            return
        await _hold_back(wait)
    found = await admitted(scope, partial(_read, scope, page=request.GET.get("page", ""), seen=not wait))
    if isinstance(found, int):
        await refuse(send, found)
        return
    fresh = request.headers.get("If-None-Match") != found.version
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"etag", found.version.encode()),
        (b"floorline-heartbeat", json.dumps(asdict(found.beat)).encode("ascii")),
    ]
    body = found.html.encode() if fresh else b""
    if fresh:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200 if fresh else 304, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _wait_of(request: ASGIRequest) -> float:
    named = request.GET.get("wait", "")
    return min(LONGEST_WAIT_SECONDS, int(named)) if named.isascii() and named.isdigit() and len(named) < 4 else 0.0


async def _hold_back(seconds: float) -> None:
    """Wait, but do not keep a worker that is to end."""
    until = asyncio.get_running_loop().time() + seconds
    while worker_is_alive() and (left := until - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(LOOK_SECONDS, left))


def _seen(scope: Scope) -> int | None:
    """Note that the viewer's page is open; return the status that refuses them, if any."""
    subscriber = subscriber_of(scope, now=0)
    if isinstance(subscriber, int):
        return subscriber
    presence.note(subscriber.page.viewer, now=timezone.now())
    return None


def _read(scope: Scope, *, page: str, seen: bool) -> Snapshot | int:
    """Return what the page shows now; `seen` where the request has just come, so that the page is certainly open."""
    subscriber = subscriber_of(scope, now=0)
    if isinstance(subscriber, int):
        return subscriber
    now = timezone.now()
    if seen:
        presence.note(subscriber.page.viewer, now=now)
    floor.refresh(now=now)
    beat, notices = floor_health(now=now)
    warned_of = soon(idle_end_of(subscriber.session_key, now=now), now=now)
    audience, own, channel = subscriber.audience, PersonalParts(subscriber.page), Channel(subscriber.audience)
    with translation.override(audience.language), timezone.override(audience.zone):
        if subscriber.page.alone:
            pieces, content = [fragments.notices(notices)], str(notices.shown)
        else:
            pieces = channel.snapshot(notices=notices, now=now)[1]
            content = channel.content()
        pieces += [*own.pieces(now=now), fragments.idle(warned_of)]
    _note_screen(page, subscriber, channel)
    # In the viewer's words and time: another language or zone is another page.
    spelled = f"{audience.language} {audience.zone} {content} {own.content()} {warned_of}"
    return Snapshot(version=f'"{sha256(spelled.encode()).hexdigest()[:32]}"', html="".join(pieces), beat=beat)


def _note_screen(named: str, subscriber: Subscriber, channel: Channel) -> None:
    try:
        page = UUID(named)
    except ValueError:
        return
    shown = [str(subscriber.page.open_id)] if subscriber.page.open_id else []
    presence.note_polled(page, shown + channel.shown(), now=timezone.now())
