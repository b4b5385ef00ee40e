"""The floor and the desk."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from conferences.models.supervision import Role
from dashboard import fragments, presence, rows
from dashboard.board import board, ingest_lag, tidings
from dashboard.desk import Desk, desk
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear
from dashboard.window import Window


@require_safe
def floor(request: SignedInRequest) -> HttpResponse:
    """Show the live conferences, and the desk beside them where the URL names a conference."""
    now = timezone.now()
    page = Page(viewer=request.user, window=Window.from_query(request.GET.dict()), open_id=_open_id(request))
    shown = _desk_or_404(request, page.open_id, now) if page.open_id else None
    if request.htmx and not request.htmx.history_restore_request:
        # Another conference was picked: only the desk changes, and the stream follows it.
        return HttpResponse(
            fragments.desk(shown, page=page, now=now, swap="outerHTML", armed=_armed(request)) + fragments.stream(page)
        )
    presence.note(request.user, now=now)
    seen = board(request.user, window=page.window, now=now)
    shown_rows = [mark_safe(rows.render(item, now=now)) for item in seen.items]  # noqa: S308 - rendered templates
    context = {"board": seen, "rows": shown_rows, "tidings": seen.tidings, **_common(request, page, shown, now)}
    return render(request, "floor/floor.html", context)


@require_safe
def conference(request: SignedInRequest, conference_id: UUID) -> HttpResponse:
    """Show one conference's desk alone: an address one can send to a colleague."""
    now = timezone.now()
    page = Page(viewer=request.user, window=Window(), open_id=conference_id, alone=True)
    if request.htmx and not request.htmx.history_restore_request:
        return _beside_the_floor(request, conference_id, now)
    shown = _desk_or_404(request, conference_id, now)
    presence.note(request.user, now=now)
    context = {"tidings": tidings(now=now), **_common(request, page, shown, now)}
    return render(request, "floor/conference.html", context)


def _beside_the_floor(request: SignedInRequest, conference_id: UUID, now: datetime) -> HttpResponse:
    """Answer a click on a row: the row knows only the conference, the window stands in the page's own address."""
    behind = QueryDict(urlsplit(str(request.htmx.current_url or "")).query).dict()
    page = Page(viewer=request.user, window=Window.from_query(behind), open_id=conference_id)
    shown = _desk_or_404(request, conference_id, now)
    return HttpResponse(
        fragments.desk(shown, page=page, now=now, swap="outerHTML") + fragments.stream(page),
        headers={"HX-Push-Url": page.window.url(conference=conference_id)},
    )


def _common(request: SignedInRequest, page: Page, shown: Desk | None, now: datetime) -> dict[str, Any]:
    return {
        "page": page,
        "desk": shown,
        "ear": shown.ear if shown else my_ear(request.user),
        "now": now,
        "lag": ingest_lag(now=now),
        "armed": _armed(request),
        "live": True,
    }


def _desk_or_404(request: SignedInRequest, conference_id: UUID, now: datetime) -> Desk:
    shown = desk(request.user, conference_id=conference_id, now=now)
    if shown is None:
        raise Http404
    return shown


def _open_id(request: SignedInRequest) -> UUID | None:
    named = request.GET.get("conference", "")
    try:
        return UUID(named) if named else None
    except ValueError as error:
        raise Http404 from error


def _armed(request: SignedInRequest) -> str:
    """Return the role that a first press without JavaScript has armed."""
    named = request.GET.get("armed", "")
    return named if named in {Role.BARGE, Role.NONE} else ""
