"""Adds the security headers to whatever answers: raw routes and refusals pass none of Django's middlewares."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from typing import Any

from django.conf import settings

from conferences.asgi_types import Receive, Scope, Send

from .entrance import Application


@cache
def security_headers() -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that Django's middlewares set, from the same settings."""
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    headers = {
        "content-security-policy": "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items()),
        "cross-origin-opener-policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        "referrer-policy": settings.SECURE_REFERRER_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": settings.X_FRAME_OPTIONS,
    }
    if settings.SECURE_HSTS_SECONDS:
        headers["strict-transport-security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


def with_security_headers(application: Application) -> Application:
    """Return an application whose every answer carries them; what an answer says itself stays."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _value in message.get("headers", ())}
                added = [header for header in security_headers() if header[0] not in said]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await application(scope, receive, send_with_headers)

    return route
