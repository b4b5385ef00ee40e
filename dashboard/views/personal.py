"""What supervisors keep: notes, saved views, their keys."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from conferences.models import SavedView
from conferences.permissions import visible_to
from conferences.supervision import Refused
from dashboard import fragments, keyboard, notes, saved_views
from dashboard.http import SignedInRequest

from .answers import page_behind, pieces, url_of


@require_POST
def note(request: SignedInRequest, conference_id: UUID) -> HttpResponse:
    """Keep a note with a conference."""
    conference = get_object_or_404(visible_to(request.user), id=conference_id)
    page = page_behind(request)
    try:
        notes.write(author=request.user, conference=conference, text=request.POST.get("text", ""), now=timezone.now())
    except Refused as refused:
        if request.htmx:
            return HttpResponse(_note_error(refused.sentence), status=422)
        messages.error(request, refused.sentence)
    if not request.htmx:
        return redirect(url_of(page if page.alone else page.opening(conference_id)))
    box = render_to_string("floor/_note_box.html", {"conference_id": conference_id})
    return pieces(request, page, more=fragments.piece("note-box", box, swap="outerHTML") + _note_error())


@require_POST
def save_view(request: SignedInRequest) -> HttpResponse:
    """Keep the window of the page behind under a name."""
    page = page_behind(request)
    try:
        saved_views.save(
            user=request.user,
            name=request.POST.get("name", ""),
            window=page.window,
            shared=request.POST.get("shared") == "1",
        )
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect(url_of(page))


@require_POST
def change_view(request: SignedInRequest, view_id: int) -> HttpResponse:
    """Rename, share or delete one of my views."""
    view = get_object_or_404(SavedView, pk=view_id, user=request.user)
    if request.POST.get("delete"):
        view.delete()
        return redirect(url_of(page_behind(request)))
    try:
        saved_views.rename(view=view, name=request.POST.get("name", ""), shared=request.POST.get("shared") == "1")
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect(url_of(page_behind(request)))


@require_POST
def keys(request: SignedInRequest) -> HttpResponse:
    """Change what the keys do, or switch them off."""
    asked = {} if request.POST.get("reset") else request.POST.dict()
    try:
        keyboard.change(request.user, asked, off=not (request.POST.get("reset") or request.POST.get("on")))
        messages.success(request, _("Your keys are saved."))
    except keyboard.Unusable as unusable:
        messages.error(request, unusable.sentence)
    return redirect(reverse("my-ear") + "#keyboard")


def _note_error(sentence: str = "") -> str:
    return fragments.piece(
        "note-error", render_to_string("floor/_refusal.html", {"sentence": sentence}), swap="innerHTML"
    )
