"""Serves the floor and the desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe

from conferences import names
from dashboard.desk.desk import Desk, desk, ear_and_desk
from dashboard.desk.ear import MyEar, my_ear
from dashboard.floor.board import Board, board
from dashboard.floor.health import floor_notices
from dashboard.floor.number_search import TooManySearches, asked_window, window_at
from dashboard.floor.window import Window
from dashboard.forms import OpenForm
from dashboard.http import SignedInRequest
from dashboard.preferences import saved_views
from dashboard.push import presence
from dashboard.rendering import fragments, row_cache
from dashboard.rendering.fragments import Page

from .answers import page_behind
from .pages import frame


@require_safe
def floor(request: SignedInRequest) -> HttpResponse:
    """Show the live conferences, and the desk beside them where the URL names a conference."""
    now = timezone.now()
    if names.number_in(names.harmless(request.GET.get("q", ""))):
        return _search(request, request.GET, now)  # an address that somebody typed: the next one names no number
    window = window_at(request.GET.dict(), viewer=request.user, now=now)
    if request.GET.keys() <= {"close", "conference"} and (chosen := saved_views.default_of(request.user)):
        if not request.GET and not request.htmx:
            return redirect(chosen.url)
        # Closing the desk changes no list: all calls beside it stay.
        window = replace(window, whole=True) if request.GET else chosen.window
    page = Page(viewer=request.user, window=window, open_id=_open_id(request.GET))
    if request.htmx and not request.htmx.history_restore_request:
        return _new_page(request, page, now)
    return _whole_floor(request, page, now)


@require_POST
def search(request: SignedInRequest) -> HttpResponse:
    """Show what the filters ask for; posted, because a telephone number may stand in no address."""
    return _search(request, request.POST, timezone.now())


def _search(request: SignedInRequest, asked: QueryDict, now: datetime) -> HttpResponse:
    wanted = {name: str(value) for name, value in asked.items()}
    try:
        window = asked_window(wanted, viewer=request.user, now=now)
    except TooManySearches as refused:
        if request.htmx:
            return HttpResponse(fragments.search_refusal(refused.sentence), status=429)
        messages.error(request, refused.sentence)
        window = Window.from_query(wanted)
    window = replace(window, whole=True)
    page = Page(viewer=request.user, window=window, open_id=_open_id(asked))
    if request.htmx:
        return _new_page(request, page, now)
    return redirect(window.url(conference=page.open_id))


def _new_page(request: SignedInRequest, page: Page, now: datetime) -> HttpResponse:
    # A filter does not close the desk; only the desk's close button does.
    is_named = page.open_id or "close" in request.GET
    return _changes(request, page if is_named else page.opening(page_behind(request).open_id), now)


def _whole_floor(request: SignedInRequest, page: Page, now: datetime) -> HttpResponse:
    mine, shown = ear_and_desk(request.user, conference_id=page.open_id, now=now)
    if page.open_id and shown is None:
        raise Http404
    presence.note(request.user, now=now)
    seen = board(request.user, window=page.window, now=now)
    context = {
        "board": seen,
        "rows": [mark_safe(html) for html in _rows(seen, mine, now)],  # noqa: S308 - rendered templates
        "views": saved_views.menu_of(request.user, window=page.window),
        "notices": seen.header.notices,
        **_common(request, page, shown, mine, now),
    }
    return render(request, "floor/floor.html", context)


def _rows(seen: Board, mine: MyEar, now: datetime) -> list[str]:
    return [row_cache.render(item, my_ear=mine, now=now) for item in seen.items]


def _new_window(request: SignedInRequest, page: Page, now: datetime) -> list[str]:
    """Return the pieces of a page that show its window."""
    seen, mine = board(request.user, window=page.window, now=now), my_ear(request.user, now=now)
    context = {
        "choices": seen.header.choices,
        "window": seen.window,
        "views": saved_views.menu_of(request.user, window=page.window),
        "page": page,
    }
    return [
        fragments.piece("conferences", "".join(_rows(seen, mine, now)), swap="innerMorph"),
        fragments.counters(seen.header.counters, window=seen.window, now=now),
        fragments.piece("toolbar", render_to_string("floor/_toolbar.html", context, request)),
        fragments.waiting(seen.header.queues, window=seen.window, now=now),
        fragments.window(seen.header.paging, window=seen.window),
        fragments.search_refusal(),
    ]


def _changes(request: SignedInRequest, page: Page, now: datetime) -> HttpResponse:
    """Answer with what differs from the page behind: another window, another desk, and the stream of both."""
    behind = page_behind(request)
    pieces = []
    if page.window != behind.window or behind.alone:
        pieces += _new_window(request, page, now)
    if page.open_id != behind.open_id or page.window == behind.window:
        shown = _desk_or_404(request, page.open_id, now) if page.open_id else None
        pieces.append(
            fragments.desk(shown, page=page, now=now, swap="outerHTML", armed=OpenForm(request.GET).armed_role)
        )
    pieces.append(fragments.stream(page))
    # Each typed letter must not become an entry of the browser's history.
    typing = page.window.query != behind.window.query and (behind.window.query or behind.window.held)
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
    context = {"notices": floor_notices(now=now), **_common(request, page, shown, shown.ear, now)}
    return render(request, "floor/conference.html", context)


def _common(request: SignedInRequest, page: Page, shown: Desk | None, mine: MyEar, now: datetime) -> dict[str, Any]:
    return {
        **frame(request, page=page, mine=mine, now=now),
        "desk": shown,
        "armed": OpenForm(request.GET).armed_role,
        "writing": "note" in request.GET,
    }


def _desk_or_404(request: SignedInRequest, conference_id: UUID, now: datetime) -> Desk:
    shown = desk(request.user, conference_id=conference_id, now=now)
    if shown is None:
        raise Http404
    return shown


def _open_id(asked: QueryDict) -> UUID | None:
    opened = OpenForm(asked)
    if not opened.is_valid():
        raise Http404
    return opened.open_id
