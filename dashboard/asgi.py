"""The application: a few raw ASGI routes for what is hot or must not depend on Django, everything else to Django."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django_application = get_asgi_application()

from conferences.ingest import Receive, Scope, Send, webhooks  # noqa: E402 - models need the loaded apps
from conferences.supervision import Way  # noqa: E402
from dashboard.stopping import at_any_rate  # noqa: E402
from dashboard.stream import stream  # noqa: E402


async def _django(scope: Scope, receive: Receive, send: Send) -> None:
    await django_application(dict(scope), receive, send)  # type: ignore[arg-type]  # same protocol, other stub


async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
    """Say that this process answers; whether the floor is true is another question."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok\n"})


ROUTES = {
    # Both spellings: Telnyx follows no redirect, and an address typed without the slash must not lose calls.
    "/webhooks/telnyx": webhooks,
    "/webhooks/telnyx/": webhooks,
    "/stream/": stream,
    "/healthz": healthz,
    "/leave/": at_any_rate(_django, way=Way.LEAVE),
    "/quieter/": at_any_rate(_django, way=Way.QUIETER),
    "/ear/disconnect/": at_any_rate(_django, way=Way.DISCONNECT),
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Route a request."""
    if scope["type"] == "http" and (route := ROUTES.get(scope["path"])):
        await route(scope, receive, send)
    else:
        await _django(scope, receive, send)
