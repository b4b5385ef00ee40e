"""Two small promises of every page: it is not cached, and its times are the viewer's."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
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
def viewer_time_zone(get_response: GetResponse) -> GetResponse:
    """Show times in the zone that the page's script put into a cookie; UTC until it has."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        try:
            zone = zoneinfo.ZoneInfo(request.COOKIES.get(TIME_ZONE_COOKIE, "UTC"))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            zone = zoneinfo.ZoneInfo("UTC")
        with timezone.override(zone):
            return get_response(request)

    return middleware
