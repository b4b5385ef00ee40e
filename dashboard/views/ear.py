"""My ear: its page, connecting it, choosing its line, following an agent."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from conferences import supervision
from conferences.models import Account, Agent, Line
from dashboard import ear_page, keyboard, presence
from dashboard.board import tidings
from dashboard.feeds import feeding
from dashboard.fragments import Page
from dashboard.http import SignedInRequest
from dashboard.my_ear import my_ear as read_ear
from dashboard.window import Window

from .answers import act


@require_safe
def my_ear(request: SignedInRequest) -> HttpResponse:
    """Show which line is mine, where it is and what may be changed about it."""
    now = timezone.now()
    presence.note(request.user, now=now)
    context = {
        "page": Page(viewer=request.user, window=Window(), alone=True),
        "ear": read_ear(request.user, now=now),
        "lines": ear_page.lines_of(request.user),
        "facts": ear_page.account_facts(),
        "account": Account.objects.order_by("id").first(),
        "keyboard": keyboard.keyboard_of(request.user),
        "live": True,
        "feeding": feeding(),
        "tidings": tidings(now=now),
        "now": now,
    }
    return render(request, "ear/ear.html", context)


@require_POST
def connect(request: SignedInRequest) -> HttpResponse:
    """Ring the line that was chosen, or the one that rings first."""
    try:
        wanted = UUID(request.POST["line"]) if request.POST.get("line") else None
    except ValueError:
        return HttpResponseBadRequest()
    chosen = get_object_or_404(Line, pk=wanted, user=request.user) if wanted else None
    return act(request, lambda: supervision.connect(user=request.user, line=chosen, now=timezone.now()))


@require_POST
def line(request: SignedInRequest) -> HttpResponse:
    """Let another line of mine ring first."""
    try:
        chosen = get_object_or_404(Line, pk=UUID(request.POST.get("line", "")), user=request.user)
    except ValueError:
        return HttpResponseBadRequest()

    def ring_first() -> None:
        with transaction.atomic():
            Line.objects.filter(user=request.user, is_default=True).update(is_default=False)
            Line.objects.filter(pk=chosen.pk).update(is_default=True)

    return act(request, ring_first)


@require_POST
def follow(request: SignedInRequest) -> HttpResponse:
    """Stay with an agent, go only into their next call, or follow nobody any more."""
    # In the address: the buttons of several agents share one form.
    named = request.GET.get("agent", "")
    if named and not (named.isascii() and named.isdigit() and len(named) < 19):
        return HttpResponseBadRequest()
    agent = get_object_or_404(Agent, pk=int(named)) if named else None
    once = request.GET.get("once") == "1"
    return act(request, lambda: supervision.follow(user=request.user, agent=agent, once=once, now=timezone.now()))
