"""Serves what is one viewer's own: notes, a shown number, saved views, keys, the theme, the password, the sessions."""

from __future__ import annotations

from uuid import UUID

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from conferences import names
from conferences.models import Leg, SavedView
from conferences.permissions import visible_to
from dashboard import passwords
from dashboard.context_processors import COMPACT_COOKIE
from dashboard.desk import notes, numbers
from dashboard.forms import (
    DefaultViewForm,
    DensityForm,
    EndSessionForm,
    KeyboardForm,
    NoteForm,
    SavedViewForm,
    ThemeForm,
    read,
)
from dashboard.http import SignedInRequest
from dashboard.preferences import keyboard, saved_views
from dashboard.rendering import fragments
from dashboard.signing_in import sessions as open_sessions

from .answers import address_behind, page_behind, pieces, url_of
from .pages import text_page


@require_POST
def note(request: SignedInRequest, conference_id: UUID) -> HttpResponse:
    """Keep a note with a conference."""
    conference = get_object_or_404(visible_to(request.user), id=conference_id)
    text, page = read(NoteForm(request.POST))["text"], page_behind(request)
    try:
        notes.write(author=request.user, conference=conference, text=text, now=timezone.now())
    except notes.NoteRefused as refused:
        if request.htmx:
            return HttpResponse(_note_error(refused.sentence), status=422)
        messages.error(request, refused.sentence)
    if not request.htmx:
        return redirect(url_of(page if page.alone else page.opening(conference_id)))
    box = render_to_string(
        "floor/_note_box.html",
        {"conference_id": conference_id, "conference_name": names.conference_name(conference)},
    )
    return pieces(request, page, more=fragments.piece("note-box", box, swap="outerHTML") + _note_error())


@require_POST
def show_number(request: SignedInRequest, conference_id: UUID, leg_id: UUID) -> HttpResponse:
    """Show the whole number of a leg, to this viewer and in this answer alone."""
    conference = get_object_or_404(visible_to(request.user), id=conference_id)
    leg = get_object_or_404(Leg, id=leg_id, participations__conference=conference)
    try:
        number = numbers.show_number(viewer=request.user, conference=conference, leg=leg, now=timezone.now())
    except numbers.NumberRefused as refused:
        if request.htmx:
            return HttpResponse(fragments.refusal(refused.sentence), status=422)
        messages.error(request, refused.sentence)
        return redirect(url_of(page_behind(request)))
    if request.htmx:
        return HttpResponse(fragments.piece(f"number-{leg_id}", escape(number), swap="innerHTML"))
    return render(request, "number.html", {"number": number, "back": url_of(page_behind(request))})


@require_POST
def save_view(request: SignedInRequest) -> HttpResponse:
    """Keep the window of the page behind under a name."""
    asked, page = read(SavedViewForm(request.POST)), page_behind(request)
    try:
        saved_views.save(user=request.user, name=asked["name"], window=page.window, shared=asked["shared"])
    except saved_views.ViewRefused as refused:
        messages.error(request, refused.sentence)
    return redirect(url_of(page))


@require_POST
def change_view(request: SignedInRequest, view_id: int) -> HttpResponse:
    """Rename, share or delete one of my views."""
    view = get_object_or_404(SavedView, pk=view_id, user=request.user)
    asked = read(SavedViewForm(request.POST))
    try:
        if asked["delete"]:
            view.delete()
        else:
            saved_views.rename(view=view, name=asked["name"], shared=asked["shared"])
    except saved_views.ViewRefused as refused:
        messages.error(request, refused.sentence)
    return redirect(url_of(page_behind(request)))


@require_POST
def default_view(request: SignedInRequest, view_id: int) -> HttpResponse:
    """Let one of the views that I may open be the one that my floor opens with, or no longer."""
    is_default = read(DefaultViewForm(request.POST))["default"]
    try:
        saved_views.choose_default(request.user, view_id=view_id, is_default=is_default)
    except SavedView.DoesNotExist as missing:
        raise Http404 from missing
    return redirect(url_of(page_behind(request)))


@require_POST
def keys(request: SignedInRequest) -> HttpResponse:
    """Change what the keys do, or switch them off."""
    form = KeyboardForm(request.POST)
    read(form)
    try:
        keyboard.change(request.user, form.keys, off=form.off)
        messages.success(request, _("Your keys are saved."))
    except keyboard.Unusable as unusable:
        messages.error(request, unusable.sentence)
    return redirect(reverse("my-ear") + "#keyboard")


@require_POST
def theme(request: SignedInRequest) -> HttpResponse:
    """Show every page of this browser light or dark, or as the browser is set."""
    wanted = read(ThemeForm(request.POST))["theme"]
    response = HttpResponseRedirect(address_behind(request) or reverse("floor"))
    if wanted:
        a_year = 365 * 24 * 60 * 60
        response.set_cookie(
            settings.THEME_COOKIE_NAME, wanted, max_age=a_year, secure=settings.SECURE, httponly=True, samesite="Lax"
        )
    else:
        response.delete_cookie(settings.THEME_COOKIE_NAME, samesite="Lax")
    return response


@sensitive_post_parameters()
def password(request: SignedInRequest) -> HttpResponse:
    """Change the viewer's own password; every other session of theirs ends with it."""
    if request.method == "POST" and not ratelimit.consume(request, action="change_password", user=request.user):
        # Whoever sits at another one's browser does not guess the old one.
        refused: HttpResponse = ratelimit.respond_429(request)
        return refused
    form = PasswordChangeForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        passwords.change_own(request, form, now=timezone.now())
        messages.success(request, _("Your password is changed."))
        return redirect("floor")
    context = {"form": form, **text_page(request, now=timezone.now()), "writing": True}
    return render(request, "accounts/password.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: SignedInRequest) -> HttpResponse:
    """Show in which browsers the viewer is signed in, and end others than this one."""
    now, this = timezone.now(), request.session.session_key
    mine = open_sessions.sessions_of(request.user, this=this, now=now)
    if request.method == "POST":
        asked = read(EndSessionForm(request.POST))
        wanted = [one.name for one in mine] if asked["others"] else [asked["end"]]
        ended = open_sessions.end(request.user, wanted, this=this, now=now)
        messages.success(
            request,
            ngettext("%(ended)d other browser is signed out.", "%(ended)d other browsers are signed out.", ended)
            % {"ended": ended},
        )
        return redirect("sessions")
    context = {"sessions": mine, **text_page(request, now=now), "writing": True}
    return render(request, "accounts/sessions.html", context)


@require_POST
def density(request: SignedInRequest) -> HttpResponse:
    """Show the rows of the list low or comfortable in this browser."""
    response = HttpResponseRedirect(address_behind(request) or reverse("floor"))
    if read(DensityForm(request.POST))["compact"]:
        response.set_cookie(COMPACT_COOKIE, "1", max_age=365 * 24 * 60 * 60, secure=settings.SECURE, samesite="Lax")
    else:
        response.delete_cookie(COMPACT_COOKIE, samesite="Lax")
    return response


def _note_error(sentence: str = "") -> str:
    return fragments.piece(
        "note-error", render_to_string("floor/_refusal.html", {"sentence": sentence}), swap="innerHTML"
    )
