"""What a supervisor does: choose a role, get quieter, leave, hang up the own line. Each is one call into the domain."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from conferences import supervision
from conferences.models.supervision import Role
from conferences.permissions import visible_to
from conferences.supervision import Refused
from dashboard import fragments
from dashboard.board import Window
from dashboard.desk import desk
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear

AUDIBLE_TO_ALL = frozenset({Role.BARGE, Role.NONE})


@require_POST
def role(request: SignedInRequest, conference_id: UUID) -> HttpResponse:
    """Choose a role in a conference; a role that everyone hears must come confirmed."""
    conference = get_object_or_404(visible_to(request.user), id=conference_id)
    try:
        wanted = Role(request.POST.get("role", ""))
        targets = [UUID(leg) for leg in request.POST.getlist("targets")]
        audience = [UUID(leg) for leg in request.POST.getlist("audience")]
    except ValueError:
        return HttpResponseBadRequest()
    if wanted in AUDIBLE_TO_ALL and request.POST.get("confirmed") != wanted:
        return _ask_again(request, conference_id, wanted)

    def choose() -> None:
        supervision.choose_role(
            user=request.user,
            conference=conference,
            role=wanted,
            targets=targets,
            audience=audience,
            now=timezone.now(),
        )

    return _do(request, choose, open_id=conference_id)


@require_POST
def quieter(request: SignedInRequest) -> HttpResponse:
    """Go back from whisper or barge to monitor."""
    return _do(request, lambda: supervision.quieter(user=request.user, now=timezone.now()))


@require_POST
def leave(request: SignedInRequest) -> HttpResponse:
    """Leave the conference; the line stays connected."""
    return _do(request, lambda: supervision.leave(user=request.user, now=timezone.now()))


@require_POST
def disconnect(request: SignedInRequest) -> HttpResponse:
    """Hang up the supervisor's own line."""
    return _do(request, lambda: supervision.disconnect(user=request.user, now=timezone.now()))


def _do(request: SignedInRequest, act: Callable[[], object], *, open_id: UUID | None = None) -> HttpResponse:
    """Act, and answer with what the rows say now, or with the sentence of the refusal and nothing else."""
    try:
        act()
    except Refused as refused:
        if request.htmx:
            return HttpResponse(fragments.refusal(refused.sentence), status=422)
        messages.error(request, refused.sentence)
    before = _page_behind(request)
    page = before.opening(open_id) if open_id and not before.alone else before
    if not request.htmx:
        return redirect(_url_of(page))
    return _answer(request, page, moved=page != before)


def _ask_again(request: SignedInRequest, conference_id: UUID, wanted: Role) -> HttpResponse:
    page = _page_behind(request)
    page = page if page.alone else page.opening(conference_id)
    if request.htmx:
        shown = desk(request.user, conference_id=conference_id)
        return HttpResponse(fragments.desk(shown, page=page, now=timezone.now(), armed=wanted))
    url = _url_of(page)
    return redirect(f"{url}{'&' if '?' in url else '?'}armed={wanted}")


def _answer(request: SignedInRequest, page: Page, *, moved: bool) -> HttpResponse:
    now = timezone.now()
    mine = my_ear(request.user)
    pieces = [fragments.ear(mine, page=page, now=now)]
    if page.open_id:
        shown = desk(request.user, conference_id=page.open_id)
        pieces += [fragments.desk(shown, page=page, now=now, swap="outerHTML" if moved else "outerMorph")]
    pieces += [fragments.refusal()]
    if moved:
        pieces += [fragments.stream(page)]
    headers = {"HX-Push-Url": _url_of(page)} if moved else {}
    return HttpResponse("".join(pieces), headers=headers)


def _page_behind(request: SignedInRequest) -> Page:
    """Return the page that the command was given on."""
    behind = str(request.htmx.current_url or "") if request.htmx else request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(behind, allowed_hosts={request.get_host()}):
        behind = ""
    parts = urlsplit(behind)
    query = QueryDict(parts.query).dict()
    try:
        open_id = UUID(str(query.get("conference", "")))
    except ValueError:
        open_id = None
    try:
        alone = UUID(parts.path.removeprefix(reverse("floor") + "conferences/").rstrip("/"))
    except ValueError:
        return Page(viewer=request.user, window=Window.from_query(query), open_id=open_id)
    return Page(viewer=request.user, window=Window(), open_id=alone, alone=True)


def _url_of(page: Page) -> str:
    if page.alone:
        return reverse("conference", args=[page.open_id])
    return page.window.url(conference=page.open_id)
