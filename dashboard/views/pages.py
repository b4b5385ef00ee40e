"""Pages that explain, and the way out."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from conferences import supervision
from dashboard import keyboard, presence
from dashboard.board import tidings
from dashboard.feeds import feeding
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear
from dashboard.window import Window


@require_safe
def setup(request: SignedInRequest) -> HttpResponse:
    """Explain what Telnyx must send so that calls appear, and why they must be conferences."""
    now = timezone.now()
    presence.note(request.user, now=now)
    context = {
        "page": Page(viewer=request.user, window=Window(), alone=True),
        "ear": my_ear(request.user, now=now),
        "keyboard": keyboard.keyboard_of(request.user),
        "live": True,
        "feeding": feeding(),
        "tidings": tidings(now=now),
        "now": now,
        "webhook_url": request.build_absolute_uri("/webhooks/telnyx/"),
    }
    return render(request, "setup.html", context)


@require_POST
def sign_out(request: SignedInRequest) -> HttpResponseBase:
    """Hang up the line first: nobody who is signed out may still listen."""
    supervision.disconnect(user=request.user, now=timezone.now())
    return LogoutView.as_view()(request)
