"""Adds facts about the product to every template's context."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils import timezone

from conferences.login_sessions import SessionStore
from dashboard import __version__
from dashboard.settings import is_loopback

COMPACT_COOKIE = "floorline-compact"


def product(request: HttpRequest) -> dict[str, object]:
    """Return the version, and whether this is the sandbox, so that every page can be marked as such."""
    return {
        "version": __version__,
        "sandbox": settings.SANDBOX,
        "theme": theme if (theme := request.COOKIES.get(settings.THEME_COOKIE_NAME)) in settings.THEMES else "",
        "compact": request.COOKIES.get(COMPACT_COOKIE) == "1",
        "sandbox_page_url": settings.SANDBOX_PAGE_URL,
        "idle_end": _idle_end(request),
        "demo_password": settings.DEMO_PASSWORD if _is_a_demo_of_this_machine(request) else "",
    }


def _idle_end(request: HttpRequest) -> datetime | None:
    """Return when the viewer is signed out unless they do something, where that is soon."""
    session = getattr(request, "session", None)  # none where a request was refused before it got one
    return session.warning(now=timezone.now()) if isinstance(session, SessionStore) else None


def _is_a_demo_of_this_machine(request: HttpRequest) -> bool:
    """Return whether only the person at this machine can read the page: a sandbox, served on loopback alone."""
    try:
        host = request.get_host()
    except DisallowedHost:  # the page that refuses such a request asks too
        return False
    return settings.SANDBOX and not settings.IN_THE_OPEN and is_loopback(f"http://{host}")
