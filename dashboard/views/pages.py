"""Serves the pages that explain, and staying signed in or signing out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import LogoutView
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from conferences import names, supervision
from conferences.account_setup.applications import read_applications
from conferences.account_setup.refusal_words import in_words
from conferences.models import Account, Cause
from conferences.permissions import own_agent
from conferences.supervision import Press
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.webhook_addresses import PLAIN_PATH
from dashboard.desk.audience import sentence_from_outside
from dashboard.desk.ear import MyEar, my_ear
from dashboard.floor.health import feeding, floor_notices
from dashboard.floor.window import Window
from dashboard.http import SignedInRequest
from dashboard.preferences import keyboard
from dashboard.push import presence
from dashboard.rendering.fragments import Page
from dashboard.setup_guide.guide import READ_APPLICATIONS, guide
from dashboard.setup_guide.milestones import steps_left

from .answers import address_behind


@require_safe
def setup(request: SignedInRequest) -> HttpResponse:
    """Guide staff through the set-up; explain to others why a call may be missing."""
    now = timezone.now()
    context = {
        "guide": guide(request.user, now=now) if request.user.is_staff else (),
        "webhook_url": f"{settings.PUBLIC_URL}{PLAIN_PATH}",
        **text_page(request, now=now),
    }
    return render(request, "setup.html", context)


@require_POST
def look_at_applications(request: SignedInRequest, account_id: int) -> HttpResponse:
    """Read an account's applications from Telnyx, so that the guide tells what is wrong with them."""
    if not request.user.is_staff or not request.user.has_perm(READ_APPLICATIONS):
        raise Http404
    account = get_object_or_404(Account, pk=account_id)
    try:
        read_applications(account, now=timezone.now())
    except (Rejected, Unanswered) as error:
        messages.error(request, in_words(error))
    except ImproperlyConfigured as error:
        messages.error(request, str(error))
    return redirect("setup")


def frame(request: SignedInRequest, *, page: Page, mine: MyEar, now: datetime) -> dict[str, Any]:
    """Return what the frame of every page shows: the top bar is there, and its keys work."""
    return {
        "page": page,
        "ear": mine,
        "said": sentence_from_outside(mine),
        "keyboard": keyboard.keyboard_of(request.user),
        "steps_left": steps_left() if request.user.is_staff else 0,
        "own_log": settings.AGENTS_SEE_LISTENING != "not" and own_agent(request.user) is not None,
        "live": True,
        "feeding": feeding(),
        "now": now,
    }


def text_page(request: SignedInRequest, *, now: datetime, small: bool = False) -> dict[str, Any]:
    """Return what the frame of a page shows that is about no call, and note that the viewer has a page open."""
    presence.note(request.user, now=now)
    page = Page(viewer=request.user, window=Window(), alone=True, small=small)
    mine = my_ear(request.user, now=now)
    return {**frame(request, page=page, mine=mine, now=now), "notices": floor_notices(now=now)}


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Explain a form that Django has refused: for the address that it came from, or for its token."""
    origin = request.headers.get("Origin") or request.headers.get("Referer", "")
    is_from_elsewhere = reason.startswith(("Origin checking failed", "Referer checking failed"))
    context = {
        "is_from_elsewhere": is_from_elsewhere,
        "origin": names.plain(_origin_of(origin), limit=200),
        "expected": _expected_origins(request),
        "public_url": settings.PUBLIC_URL,
    }
    return render(request, "403_csrf.html", context, status=403)


def _origin_of(address: str) -> str:
    """Return the part of an address that says where a page is from, and not which page."""
    return "/".join(address.split("/")[:3])


def _expected_origins(request: HttpRequest) -> str:
    scheme = "https" if request.is_secure() else "http"
    return ", ".join(dict.fromkeys([f"{scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS]))


@require_POST
def still_here(request: SignedInRequest) -> HttpResponse:
    """Answer a page that tells of a key or a pointer; like every press, it keeps the session (middleware.py)."""
    return HttpResponse(status=204) if request.htmx else redirect(address_behind(request) or "floor")


@require_POST
def sign_out(request: SignedInRequest) -> HttpResponseBase:
    """Sign out; the line is hung up first, because a person who is signed out may not listen."""
    now = timezone.now()
    press = Press(at=now, cause=Cause.SIGNED_OUT)
    supervision.disconnect(user=request.user, press=press, reason=_("You signed out."), now=now)
    return LogoutView.as_view()(request)
