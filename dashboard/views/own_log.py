"""Serves the page on which an agent sees who listened to their own calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from conferences.models import Agent
from conferences.permissions import own_agent
from dashboard.audit.own_log import DAYS, own_log
from dashboard.floor.health import floor_health
from dashboard.forms import OwnLogForm, read
from dashboard.http import SignedInRequest

from .pages import text_page

LONGEST = timedelta(days=20 * 365)


@require_safe
def my_calls(request: SignedInRequest) -> HttpResponse:
    """Show an agent who listened to their own calls, and who listens now, as far as agents may see it."""
    now = timezone.now()
    agent = own_agent(request.user)
    if agent is None and request.htmx:
        # The page stands open; what it shows is not for its reader any more.
        return HttpResponse(status=404, headers={"HX-Redirect": reverse("floor")})
    if agent is None:
        raise Http404
    context = {"sees": settings.AGENTS_SEE_LISTENING, "now": now}
    if settings.AGENTS_SEE_LISTENING != "not":
        context |= _log(request, agent, now)
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "own_log/_log.html", context)  # every open page asks for it, every few seconds
    return render(request, "own_log/my_calls.html", {**context, **text_page(request, now=now)})


def _log(request: SignedInRequest, agent: Agent, now: datetime) -> dict[str, Any]:
    today = timezone.localdate(now)
    asked = read(OwnLogForm(request.GET))["last_day"] or today
    last_day = max(min(asked, today), today - LONGEST)  # nothing is kept that long
    return {
        "log": own_log(agent, last_day=last_day, at_once=settings.AGENTS_SEE_LISTENING == "now", now=now),
        "first_day": last_day - timedelta(days=DAYS - 1),
        "last_day": last_day,
        "earlier": last_day - timedelta(days=DAYS),
        "later": min(last_day + timedelta(days=DAYS), today) if last_day < today else None,
        "health": floor_health(now=now)[0],
    }
