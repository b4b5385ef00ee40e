"""Pages that explain."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.board import Window, tidings
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear


@require_safe
def setup(request: SignedInRequest) -> HttpResponse:
    """Explain what Telnyx must send so that calls appear, and why they must be conferences."""
    now = timezone.now()
    context = {
        "page": Page(viewer=request.user, window=Window()),
        "ear": my_ear(request.user),
        "tidings": tidings(now=now),
        "now": now,
        "webhook_url": request.build_absolute_uri("/webhooks/telnyx/"),
    }
    return render(request, "setup.html", context)
