"""The floor and the desk."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from conferences.models.supervision import Role
from dashboard import fragments, keyboard, presence, rows, saved_views
from dashboard.board import Board, board, tidings
from dashboard.desk import Desk, desk
from dashboard.feeds import feeding
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear
from dashboard.window import Window

from .answers import page_behind


@require_safe
def floor(request: SignedInRequest) -> HttpResponse:
    """Show the live conferences, and the desk beside them where the URL names a conference."""
    now = timezone.now()
    page = Page(viewer=request.user, window=Window.from_query(request.GET.dict()), open_id=_open_id(request))
    if request.htmx and not request.htmx.history_restore_request:
        behind = page_behind(request)
        # A filter does not close the desk; only its own cross does.
        return _changes(request, page if page.open_id or "close" in request.GET else page.opening(behind.open_id), now)
    shown = _desk_or_404(request, page.open_id, now) if page.open_id else None
    presence.note(request.user, now=now)
    seen = board(request.user, window=page.window, now=now)
    shown_rows = [mark_safe(html) for html in _rows(seen, now)]  # noqa: S308 - rendered templates
    context = {
        "board": seen,
        "rows": shown_rows,
        "views": saved_views.views_for(request.user),
        "tidings": seen.tidings,
        **_common(request, page, shown, now),
    }
    return render(request, "floor/floor.html", context)


def _rows(seen: Board, now: datetime) -> list[str]:
    return [rows.render(item, now=now) for item in seen.items]


def _changes(request: SignedInRequest, page: Page, now: datetime) -> HttpResponse:
    """Answer with what differs from the page behind: another window, another desk, and the stream of both."""
    behind = page_behind(request)
    pieces = []
    if page.window != behind.window or behind.alone:
        seen = board(request.user, window=page.window, now=now)
        context = {
            "choices": seen.choices,
            "window": seen.window,
            "views": saved_views.views_for(request.user),
            "page": page,
        }
        pieces += [
            fragments.piece("conferences", "".join(_rows(seen, now)), swap="innerMorph"),
            fragments.counters(seen.counters, window=seen.window, now=now),
            fragments.piece("toolbar", render_to_string("floor/_toolbar.html", context, request)),
            fragments.window(seen.paging, window=seen.window),
        ]
    if page.open_id != behind.open_id or page.window == behind.window:
        shown = _desk_or_404(request, page.open_id, now) if page.open_id else None
        pieces.append(fragments.desk(shown, page=page, now=now, swap="outerHTML", armed=_armed(request)))
    pieces.append(fragments.stream(page))
    # Typing on must not fill the history with every letter.
    typing = page.window.query != behind.window.query and behind.window.query
    header = "HX-Replace-Url" if typing else "HX-Push-Url"
    return HttpResponse("".join(pieces), headers={header: page.window.url(conference=page.open_id)})


@require_safe
def conference(request: SignedInRequest, conference_id: UUID) -> HttpResponse:
    """Show one conference's desk alone: an address one can send to a colleague."""
    now = timezone.now()
    page = Page(viewer=request.user, window=Window(), open_id=conference_id, alone=True)
    if request.htmx and not request.htmx.history_restore_request:
        # A row knows only its conference; the window stands in the address of the page behind.
        return _changes(request, page_behind(request).opening(conference_id), now)
    shown = _desk_or_404(request, conference_id, now)
    presence.note(request.user, now=now)
    context = {"tidings": tidings(now=now), **_common(request, page, shown, now)}
    return render(request, "floor/conference.html", context)


def _common(request: SignedInRequest, page: Page, shown: Desk | None, now: datetime) -> dict[str, Any]:
    return {
        "page": page,
        "desk": shown,
        "ear": shown.ear if shown else my_ear(request.user, now=now),
        "now": now,
        "feeding": feeding(),
        "armed": _armed(request),
        "keyboard": keyboard.keyboard_of(request.user),
        "live": True,
        "writing": "note" in request.GET,
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
