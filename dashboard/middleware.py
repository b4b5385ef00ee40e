"""Refuses odd methods, notes activity, prevents caching, sets the time zone, keeps people to their places."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import sync_only_middleware

from conferences import second_factor
from conferences.login_sessions import SessionStore
from conferences.masks import spelt_out
from conferences.permissions import is_agent_only

GetResponse = Callable[[HttpRequest], HttpResponseBase]
TIME_ZONE_COOKIE = "floorline-tz"
STOPS = {"/leave/", "/quieter/", "/ear/disconnect/"}
FOR_AGENTS = ("/my-calls/", "/accounts/", "/theme/", "/still-here/")
METHODS = ("GET", "HEAD", "POST")
SENT_BACK = re.compile(r"""(<textarea\b.*?</textarea>|\bvalue="[^"]*")""", re.DOTALL)
"""Values that a form sends back: shown in another way, they would be stored in that way."""


@sync_only_middleware
def known_methods(get_response: GetResponse) -> GetResponse:
    """Refuse whatever no page of ours is asked with: Django's admin and generic views would answer a PUT like a GET.

    An OPTIONS too: no other origin may ask anything here, so there is nothing to tell it.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request) if request.method in METHODS else HttpResponseNotAllowed(METHODS)

    return middleware


@sync_only_middleware
def noted_activity(get_response: GetResponse) -> GetResponse:
    """Let the session of somebody who presses something, or opens a page by hand, go on."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if _is_by_hand(request) and request.user.is_authenticated and isinstance(request.session, SessionStore):
            request.session.note_activity(now=timezone.now())
        return get_response(request)

    return middleware


def _is_by_hand(request: HttpRequest) -> bool:
    """Return whether a person made this request: no page posts by itself, and browsers mark what a person opens.

    A page that loads itself again is not marked. A stop waits for nothing; the page's script tells of the key or click.
    """
    if isinstance(request, ASGIRequest) and "press" in request.scope:
        return False
    return request.method == "POST" or request.headers.get("Sec-Fetch-User") == "?1"


@sync_only_middleware
def private_pages(get_response: GetResponse) -> GetResponse:
    """Keep what a signed-in person saw out of every cache, the browser's back button included."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


@sync_only_middleware
def signed_out_htmx(get_response: GetResponse) -> GetResponse:
    """Answer htmx with 401 and a full-page redirect where a plain request is redirected to the sign-in page."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not request.htmx or response.status_code != 302:  # type: ignore[attr-defined]
            return response
        if urlsplit(response.headers["Location"]).path != settings.LOGIN_URL:
            return response
        back = urlencode({"next": _path_of(request.htmx.current_url or "/")})  # type: ignore[attr-defined]
        return HttpResponse(status=401, headers={"HX-Redirect": f"{settings.LOGIN_URL}?{back}"})

    return middleware


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # a client may send any header
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


OPEN_WITHOUT_SECOND_FACTOR = (
    "leave",
    "quieter",
    "disconnect",
    "logout",
    "theme",
    "still-here",
    "account_reauthenticate",
)
"""The pages of a session that owes a second factor, beside those that add one. Stops do not wait for the question."""


@sync_only_middleware
def second_factor_first(get_response: GetResponse) -> GetResponse:
    """Lead somebody who needs a second factor and has none to where they add one, whatever they ask for."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path in {reverse(name) for name in OPEN_WITHOUT_SECOND_FACTOR}:
            return get_response(request)
        if not isinstance(request.user, User) or not second_factor.is_owed(request.user, request.session):
            return get_response(request)
        adding = reverse("mfa_activate_totp")
        if request.path in {adding, reverse("mfa_add_webauthn")}:
            request.second_factor_owed = True  # type: ignore[attr-defined]
            return get_response(request)
        if request.htmx:  # type: ignore[attr-defined]
            return HttpResponse(status=401, headers={"HX-Redirect": adding})
        return HttpResponseRedirect(adding)

    return middleware


@sync_only_middleware
def viewer_time_zone(get_response: GetResponse) -> GetResponse:
    """Show times in the viewer's zone."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_of(request)):
            return get_response(request)

    return middleware


@sync_only_middleware
def agents_pages(get_response: GetResponse) -> GetResponse:
    """Keep supervisors' screens, whichever there will be, from people who are agents and nothing else."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path in STOPS:  # they wait for nothing
            return get_response(request)
        request.agent_only = is_agent_only(request.user)  # type: ignore[attr-defined]
        if not request.agent_only or request.path.startswith(FOR_AGENTS):  # type: ignore[attr-defined]
            return get_response(request)
        if request.path == reverse("floor"):
            return redirect("my-calls")
        raise Http404

    return middleware


@sync_only_middleware
def harmless_admin(get_response: GetResponse) -> GetResponse:
    """Spell out control and bidi characters in the admin, wherever a name stands; not in what a form sends back."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if (
            isinstance(response, HttpResponse)
            and request.path.startswith(reverse("admin:index"))
            and response.headers.get("Content-Type", "").startswith("text/html")
        ):
            parts = SENT_BACK.split(response.text)
            parts[::2] = [spelt_out(part) for part in parts[::2]]
            response.content = "".join(parts)
        return response

    return middleware


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """Return the zone that the page's script put into a cookie; UTC until it has."""
    try:
        return zoneinfo.ZoneInfo(request.COOKIES.get(TIME_ZONE_COOKIE, "UTC"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo("UTC")
