"""Small promises of every page: it is not cached, its times are the viewer's, and htmx never swaps in a login page."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import sync_only_middleware

GetResponse = Callable[[HttpRequest], HttpResponseBase]
TIME_ZONE_COOKIE = "floorline-tz"


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
        behind = urlsplit(request.htmx.current_url or "/")  # type: ignore[attr-defined]
        back = urlencode({"next": behind.path + (f"?{behind.query}" if behind.query else "")})
        return HttpResponse(status=401, headers={"HX-Redirect": f"{settings.LOGIN_URL}?{back}"})

    return middleware


@sync_only_middleware
def viewer_time_zone(get_response: GetResponse) -> GetResponse:
    """Show times in the viewer's zone."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_of(request)):
            return get_response(request)

    return middleware


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """Return the zone that the page's script put into a cookie; UTC until it has."""
    try:
        return zoneinfo.ZoneInfo(request.COOKIES.get(TIME_ZONE_COOKIE, "UTC"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo("UTC")
