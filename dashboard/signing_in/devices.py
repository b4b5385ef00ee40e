"""Remembers in a signed cookie who has signed in on a browser before: strangers' failures do not keep such a one out.

The cookie opens nothing. Whoever takes it has the few attempts of the browser from which it was taken.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE_NAME = "__Host-floorline-device" if settings.SECURE else "floorline-device"
KEPT_SECONDS = 180 * 24 * 60 * 60
MOST_PEOPLE = 10
_SALT = "floorline.device"


def device_of(request: HttpRequest, username: str) -> str:
    """Return the name of this browser for somebody who has signed in on it before, else nothing."""
    return _devices(request).get(_hidden(username), "")


def remember(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Keep in the browser that this person has signed in on it."""
    devices = _devices(request)
    name = devices.pop(_hidden(username), "") or secrets.token_urlsafe(12)
    kept = [*devices.items()][1 - MOST_PEOPLE :]
    response.set_cookie(
        COOKIE_NAME,
        signing.dumps({**dict(kept), _hidden(username): name}, salt=_SALT),
        max_age=KEPT_SECONDS,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )


def _devices(request: HttpRequest) -> dict[str, str]:
    try:
        found = signing.loads(request.COOKIES.get(COOKIE_NAME, ""), salt=_SALT, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        return {}
    return dict(found)


def _hidden(username: str) -> str:
    """Return what stands for a user name in the cookie, which everybody at the machine can read."""
    return salted_hmac(_SALT, username).hexdigest()[:16]
