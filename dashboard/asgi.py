"""Routes requests: a few raw ASGI routes that are hot or must not depend on Django, the rest to Django."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django_application = get_asgi_application()

from conferences.asgi_types import Receive, Scope, Send  # noqa: E402 - models need the loaded apps
from conferences.intake.endpoint import webhooks  # noqa: E402
from conferences.supervision import Way  # noqa: E402
from conferences.webhook_addresses import takes_webhooks  # noqa: E402
from dashboard.emergency_stop import with_emergency_stop  # noqa: E402
from dashboard.push.snapshot import snapshot  # noqa: E402
from dashboard.push.stream import stream  # noqa: E402
from dashboard.serving import entrance  # noqa: E402
from dashboard.serving.entrance import Application, in_turn, with_whole_body  # noqa: E402
from dashboard.serving.security_headers import with_security_headers  # noqa: E402


async def _django(scope: Scope, receive: Receive, send: Send) -> None:
    await django_application(dict(scope), receive, send)  # type: ignore[arg-type]  # same protocol, other stub


async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that this process runs; whether the floor is live is another question."""
    status, body = (200, b"ok\n") if scope["method"] in {"GET", "HEAD"} else (405, b"")
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _stop(way: Way) -> Application:
    """Return the route of one way to silence: nothing but other stops is before it."""
    django = in_turn(_django, lambda _scope: entrance.stops)
    return with_whole_body(with_emergency_stop(django, way=way), entrance.stop_forms)


ROUTES = {
    "/stream/": stream,
    "/snapshot/": snapshot,
    "/healthz": healthz,
    "/leave/": _stop(Way.LEAVE),
    "/quieter/": _stop(Way.QUIETER),
    "/ear/disconnect/": _stop(Way.DISCONNECT),
}
OTHERS = with_whole_body(in_turn(_django, entrance.admission_for), entrance.forms)


def _route(path: str) -> Application:
    return ROUTES.get(path) or (webhooks if takes_webhooks(path) else OTHERS)


@with_security_headers
async def _routed(scope: Scope, receive: Receive, send: Send) -> None:
    await _route(scope["path"])(scope, receive, send)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Route a request; a WebSocket is nothing that Floorline speaks."""
    if scope["type"] == "http":
        await _routed(scope, receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    else:
        await _django(scope, receive, send)
