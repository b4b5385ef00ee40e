"""Builds the answer to a command: the pieces that changed, or a redirect to the page before."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from conferences.changes import current
from conferences.supervision import Press, Refused, read_press
from dashboard.desk.desk import ear_and_desk
from dashboard.floor.number_search import window_at
from dashboard.floor.window import Window
from dashboard.forms import OpenForm
from dashboard.http import SignedInRequest
from dashboard.rendering import fragments
from dashboard.rendering.ear_page import ear_state
from dashboard.rendering.fragments import Page


def act(request: SignedInRequest, command: Callable[[], object], *, open_id: UUID | None = None) -> HttpResponse:
    """Act, and answer with what the rows say now, or with the sentence of the refusal and nothing else."""
    try:
        command()
    except Refused as refused:
        if request.htmx:
            return HttpResponse(fragments.refusal(refused.sentence), status=422)
        messages.error(request, refused.sentence)
    before = page_behind(request)
    page = before.opening(open_id) if open_id and not before.alone else before
    if not request.htmx:
        return redirect(url_of(page))
    return pieces(request, page, moved=page != before)


def press_of(request: SignedInRequest) -> Press:
    """Return the press that a request carries: read on arrival where it is a stop, from its form otherwise."""
    press = request.scope.get("press") if isinstance(request, ASGIRequest) else None
    return press if isinstance(press, Press) else read_press(request.POST.dict(), received=timezone.now())


def pieces(request: SignedInRequest, page: Page, *, moved: bool = False, more: str = "") -> HttpResponse:
    """Answer htmx with what is the viewer's own; `moved` where another conference came to the desk.

    A header tells the board's version before it was read: where the stream has brought a later one, the page asks again
    (static/js/feed.js).
    """
    now, version = timezone.now(), current().version
    mine, shown = ear_and_desk(request.user, conference_id=page.open_id, now=now)
    html = [fragments.ear(mine, page=page, now=now)]
    html.append(ear_state(mine, now=now) if page.alone else fragments.chip(mine))
    if page.open_id:
        html += [fragments.desk(shown, page=page, now=now, swap="outerHTML" if moved else "outerMorph")]
    html += [fragments.refusal(), more]
    if moved:
        html += [fragments.stream(page)]
    headers = {"Floorline-Version": str(version)}
    if moved:
        headers["HX-Push-Url"] = url_of(page)
    return HttpResponse("".join(html), headers=headers)


def page_behind(request: SignedInRequest) -> Page:
    """Return the page that the command was given on."""
    parts = urlsplit(address_behind(request))
    try:
        found = resolve(parts.path)
    except Resolver404:
        found = None
    if found and found.url_name in {"conference", "my-ear", "small-window"}:
        return Page(
            viewer=request.user,
            window=Window(),
            open_id=found.kwargs.get("conference_id"),
            alone=True,
            small=found.url_name == "small-window",
        )
    query = QueryDict(parts.query)
    window = window_at(query.dict(), viewer=request.user, now=timezone.now(), keep=False)
    return Page(viewer=request.user, window=window, open_id=OpenForm(query).open_id)


def url_of(page: Page) -> str:
    """Return the address of a page; alone without a conference is the ear's own."""
    if page.small:
        return reverse("small-window")
    if page.alone:
        return reverse("conference", args=[page.open_id]) if page.open_id else reverse("my-ear")
    return page.window.url(conference=page.open_id)


def address_behind(request: SignedInRequest) -> str:
    """Return the address of the page that a form was sent from, whole; nothing where it is not one of ours."""
    behind = str(request.htmx.current_url or "") if request.htmx else request.headers.get("Referer", "")
    hosts, is_secure = {request.get_host()}, request.is_secure()
    return behind if url_has_allowed_host_and_scheme(behind, allowed_hosts=hosts, require_https=is_secure) else ""
