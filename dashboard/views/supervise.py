"""Serves a supervisor's commands: choose a role, get quieter, leave, hang up the own line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from conferences import supervision
from conferences.models import Conference
from conferences.models.supervision import Role
from conferences.permissions import visible_to
from dashboard.desk.desk import desk
from dashboard.forms import MonitorForm, RoleForm, read
from dashboard.http import SignedInRequest
from dashboard.rendering import fragments

from .answers import act, page_behind, press_of, url_of


@require_POST
def role(request: SignedInRequest, conference_id: UUID) -> HttpResponse:
    """Choose a role in a conference; a role that everyone hears must come confirmed."""
    conference = get_object_or_404(visible_to(request.user), id=conference_id)
    form = RoleForm(request.POST)
    asked = read(form)
    if form.asks_again:
        return _ask_again(request, conference_id, asked["role"])
    return _choose(request, conference, **form.choice)


@require_POST
def monitor(request: SignedInRequest) -> HttpResponse:
    """Listen silently to the conference of a row: the rows of a floor share one form."""
    asked = read(MonitorForm(request.POST))
    conference = get_object_or_404(visible_to(request.user), id=asked["monitor"])
    return _choose(request, conference, role=Role.MONITOR)


@require_POST
def quieter(request: SignedInRequest) -> HttpResponse:
    """Go back from whisper or barge to monitor."""
    press = press_of(request)
    return act(request, lambda: supervision.quieter(user=request.user, press=press, now=timezone.now()))


@require_POST
def leave(request: SignedInRequest) -> HttpResponse:
    """Leave the conference; the line stays connected."""
    press = press_of(request)
    return act(request, lambda: supervision.leave(user=request.user, press=press, now=timezone.now()))


@require_POST
def disconnect(request: SignedInRequest) -> HttpResponse:
    """Hang up the supervisor's own line."""
    press = press_of(request)
    return act(request, lambda: supervision.disconnect(user=request.user, press=press, now=timezone.now()))


def _choose(request: SignedInRequest, conference: Conference, **choice: Any) -> HttpResponse:
    press = press_of(request)

    def choose() -> None:
        supervision.choose_role(user=request.user, conference=conference, press=press, now=timezone.now(), **choice)

    return act(request, choose, open_id=conference.pk)


def _ask_again(request: SignedInRequest, conference_id: UUID, wanted: Role) -> HttpResponse:
    page = page_behind(request)
    page = page if page.alone else page.opening(conference_id)
    if request.htmx:
        now = timezone.now()
        shown = desk(request.user, conference_id=conference_id, now=now)
        return HttpResponse(fragments.desk(shown, page=page, now=now, armed=wanted))
    url = url_of(page)
    return redirect(f"{url}{'&' if '?' in url else '?'}armed={wanted}")
