"""What a command answers: the pieces that changed, or the page that the person came from."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from conferences.supervision import Refused
from dashboard import fragments
from dashboard.desk import desk
from dashboard.ear_page import ear_state
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear
from dashboard.window import Window


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


def pieces(request: SignedInRequest, page: Page, *, moved: bool = False, more: str = "") -> HttpResponse:
    """Answer htmx with what is the viewer's own; `moved` where another conference came to the desk."""
    now = timezone.now()
    mine = my_ear(request.user, now=now)
    html = [fragments.ear(mine, page=page, now=now), ear_state(mine, now=now)]
    if page.open_id:
        shown = desk(request.user, conference_id=page.open_id, now=now)
        html += [fragments.desk(shown, page=page, now=now, swap="outerHTML" if moved else "outerMorph")]
    html += [fragments.refusal(), more]
    if moved:
        html += [fragments.stream(page)]
    headers = {"HX-Push-Url": url_of(page)} if moved else {}
    return HttpResponse("".join(html), headers=headers)


def page_behind(request: SignedInRequest) -> Page:
    """Return the page that the command was given on."""
    parts = urlsplit(_address_behind(request))
    query = QueryDict(parts.query).dict()
    try:
        open_id = UUID(str(query.get("conference", "")))
    except ValueError:
        open_id = None
    try:
        alone = UUID(parts.path.removeprefix(reverse("floor") + "conferences/").rstrip("/"))
    except ValueError:
        if parts.path == reverse("my-ear"):
            return Page(viewer=request.user, window=Window(), alone=True)
        return Page(viewer=request.user, window=Window.from_query(query), open_id=open_id)
    return Page(viewer=request.user, window=Window(), open_id=alone, alone=True)


def url_of(page: Page) -> str:
    """Return the address of a page; alone without a conference is the ear's own."""
    if page.alone:
        return reverse("conference", args=[page.open_id]) if page.open_id else reverse("my-ear")
    return page.window.url(conference=page.open_id)


def _address_behind(request: SignedInRequest) -> str:
    behind = str(request.htmx.current_url or "") if request.htmx else request.headers.get("Referer", "")
    return behind if url_has_allowed_host_and_scheme(behind, allowed_hosts={request.get_host()}) else ""
