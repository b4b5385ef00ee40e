"""What a supervisor does: choose a role, get quieter, leave, hang up the own line. Each is one call into the domain."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from conferences import supervision
from conferences.models.supervision import Role
from conferences.permissions import visible_to
from dashboard import fragments
from dashboard.desk import desk
from dashboard.http import SignedInRequest

from .answers import act, page_behind, url_of

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

    return act(request, choose, open_id=conference_id)


@require_POST
def monitor(request: SignedInRequest) -> HttpResponse:
    """Listen silently to the conference of a row: the rows of a floor share one form."""
    try:
        conference = get_object_or_404(visible_to(request.user), id=UUID(request.POST.get("monitor", "")))
    except ValueError:
        return HttpResponseBadRequest()

    def listen() -> None:
        supervision.choose_role(user=request.user, conference=conference, role=Role.MONITOR, now=timezone.now())

    return act(request, listen, open_id=conference.pk)


@require_POST
def quieter(request: SignedInRequest) -> HttpResponse:
    """Go back from whisper or barge to monitor."""
    return act(request, lambda: supervision.quieter(user=request.user, now=timezone.now()))


@require_POST
def leave(request: SignedInRequest) -> HttpResponse:
    """Leave the conference; the line stays connected."""
    return act(request, lambda: supervision.leave(user=request.user, now=timezone.now()))


@require_POST
def disconnect(request: SignedInRequest) -> HttpResponse:
    """Hang up the supervisor's own line."""
    return act(request, lambda: supervision.disconnect(user=request.user, now=timezone.now()))


def _ask_again(request: SignedInRequest, conference_id: UUID, wanted: Role) -> HttpResponse:
    page = page_behind(request)
    page = page if page.alone else page.opening(conference_id)
    if request.htmx:
        now = timezone.now()
        shown = desk(request.user, conference_id=conference_id, now=now)
        return HttpResponse(fragments.desk(shown, page=page, now=now, armed=wanted))
    url = url_of(page)
    return redirect(f"{url}{'&' if '?' in url else '?'}armed={wanted}")
