"""Wraps Django: reads the whole bounded body first, and waits for admission."""

from __future__ import annotations

import asyncio
import codecs
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.http import parse_header_parameters

from conferences.asgi_types import Receive, Scope, Send
from conferences.bodies import Bodies, BodyRefused, SenderGone, linger

from .admission import Admission, Busy

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Message = MutableMapping[str, Any]

PASSWORD_PATHS = re.compile(
    r"/accounts/(?!(logout|sessions)/)|/admin/(login|password_change|auth/user|conferences/supervisor)/"
)
# They read, as a page does, and are no presses.
POSTED_PAGES = {"/search/", "/audit/export/"}
ISSUER_PATHS = "/accounts/login/single-sign-on/"
RETRY_SECONDS = 5

# A password takes a fifth of a second of one core, and there are usually two; passwords.py holds the same number.
passwords = Admission(at_once=2, seconds=10, most_waiting=400)
# A page takes milliseconds of the interpreter, which has one lock; more at once would only make each of them later.
pages = Admission(at_once=8, seconds=10, most_waiting=1000)
# A press may wait seconds for Telnyx.
presses = Admission(at_once=32, seconds=5, most_waiting=200)
# These wait for the issuer of single sign-on: while it does not answer, neither passwords nor pages wait with them.
issuer = Admission(at_once=4, seconds=10, most_waiting=100)
# Leave, Quieter, Disconnect: while one waits here, the page's note acts without Django (emergency_stop.py).
stops = Admission(at_once=32, seconds=5, most_waiting=200)

_MEGABYTE = 1024 * 1024
forms = Bodies(limit=_MEGABYTE, seconds=10, total=32 * _MEGABYTE, reserve=8 * _MEGABYTE)
stop_forms = Bodies(limit=64 * 1024, seconds=5, total=8 * _MEGABYTE, reserve=4 * _MEGABYTE)


def admission_for(scope: Scope) -> Admission:
    """Return which line a request of Django's waits in."""
    if scope["path"].startswith(ISSUER_PATHS):
        return issuer
    if scope["method"] in {"GET", "HEAD"} or scope["path"] in POSTED_PAGES:
        return pages
    return passwords if PASSWORD_PATHS.match(scope["path"]) else presses


def with_whole_body(application: Application, bodies: Bodies) -> Application:
    """Return a route that reads the body within its limits before the application begins."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if not has_readable_type(scope):
                raise BodyRefused(415, "Send it as UTF-8.")
            async with bodies.whole(scope["headers"], receive) as body:
                await application(scope, _again(body, receive), send)
            return
        except BodyRefused as error:
            status, text = error.status, error.text
        except SenderGone:
            return
        await _answer(send, status, text.encode(), b"text/plain; charset=utf-8")
        await linger(receive)

    return route


def has_readable_type(scope: Scope) -> bool:
    """Return whether Django can read what the content type announces.

    Another charset than UTF-8, or parameters that are none, raise inside Django where it answers with 500.
    """
    announced = b",".join(value for name, value in scope["headers"] if name == b"content-type")
    try:
        charset = parse_header_parameters(announced.decode("latin-1"))[1].get("charset", "")
        return not charset or codecs.lookup(charset).name in {"utf-8", "ascii"}
    except (LookupError, ValueError):
        return False


def in_turn(application: Application, admission_of: Callable[[Scope], Admission]) -> Application:
    """Return a route that waits for its turn without a thread, and leaves the place once the answer begins.

    The answer is computed by then; how slowly somebody reads it is not the next one's concern.
    """

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        admission = admission_of(scope)
        if not admission.enter_now():
            body = await receive()
            following = asyncio.ensure_future(receive())
            try:
                if await _is_admitted(admission, client_address(scope), following):
                    await _admitted(application, admission, scope, _first(body, following), send)
            except Busy:
                await _send_away(scope, send)
            finally:
                following.cancel()
        else:
            await _admitted(application, admission, scope, receive, send)

    return route


async def _admitted(application: Application, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
    place = _Place(admission)

    async def send_and_leave(message: Message) -> None:
        if message["type"] == "http.response.start":
            place.leave()
            if admission is passwords and _signs_somebody_in(message):
                admission.vouch(client_address(scope))
        await send(message)

    try:
        await application(scope, receive, send_and_leave)
    finally:
        place.leave()


def _signs_somebody_in(message: Message) -> bool:
    """Return whether an answer opens a session, whichever library checked the password."""
    cookie = f"{settings.SESSION_COOKIE_NAME}=".encode()
    headers = [(name.lower(), value) for name, value in message.get("headers", [])]
    opens = any(name == b"set-cookie" and value.startswith(cookie) for name, value in headers)
    return opens and message["status"] in {302, 303}


class _Place:
    """A place in an admission, given back once."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission

    def leave(self) -> None:
        if self._admission:
            self._admission.leave()
            self._admission = None


async def _is_admitted(admission: Admission, address: str, following: asyncio.Future[Message]) -> bool:
    """Wait for a place; return whether the client is still there."""
    waiting = asyncio.ensure_future(admission.wait(address))
    try:
        both: set[asyncio.Future[Any]] = {waiting, following}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        if waiting.done() and not waiting.exception():
            admission.leave()
        waiting.cancel()
        raise
    if waiting.done():
        waiting.result()
        return True
    waiting.cancel()
    return False


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives the whole body first, then whatever comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _first(message: Message, following: asyncio.Future[Message]) -> Receive:
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return await asyncio.shield(following)
        given = True
        return message

    return receive


def client_address(scope: Scope) -> str:
    """Return whose request it is: the sender's, or whom a trusted proxy names last; of IPv6 one customer's network."""
    address = _ip_address(scope["client"][0] if scope.get("client") else "")
    named = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if named and address and any(address in network for network in settings.PROXIES):
        address = _ip_address(named[-1].decode("latin-1").rpartition(",")[2].strip())
    if address and address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)  # all that name nothing usable stand in one line


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


async def _send_away(scope: Scope, send: Send) -> None:
    request = ASGIRequest(dict(scope), BytesIO())
    page = _busy_page(translation.get_language_from_request(request))
    # For a sign-in there are too many of them; for everything else the server has no free thread.
    status = 429 if admission_for(scope) is passwords else 503
    await _answer(send, status, page, b"text/html; charset=utf-8")


@lru_cache(maxsize=20)
def _busy_page(language: str) -> bytes:
    with translation.override(language):
        return render_to_string("busy.html", {"seconds": RETRY_SECONDS}).encode()


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status in {429, 503}:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
