"""Serves the page about a supervisor's ear: connecting it, choosing its line, following an agent."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from conferences import supervision
from conferences.models import Line
from conferences.permissions import agents_visible_to
from dashboard.forms import ConnectForm, FollowForm, LineForm, read
from dashboard.http import SignedInRequest
from dashboard.rendering import ear_page

from .answers import act, press_of
from .pages import text_page


@require_safe
def my_ear(request: SignedInRequest) -> HttpResponse:
    """Show which line is mine, where it is and what may be changed about it."""
    account = supervision.account_of(request.user)
    context = {
        "lines": ear_page.lines_of(request.user),
        "facts": ear_page.account_facts(account),
        "account": account,
        **text_page(request, now=timezone.now()),
    }
    return render(request, "ear/ear.html", context)


@require_safe
def small_window(request: SignedInRequest) -> HttpResponse:
    """Show the own line alone: what a browser opens that has no windows that stay on top (static/js/popout.js)."""
    return render(request, "ear/small.html", text_page(request, now=timezone.now(), small=True))


@require_POST
def connect(request: SignedInRequest) -> HttpResponse:
    """Ring the line that was chosen, or the one that rings first."""
    wanted = read(ConnectForm(request.POST))["line"]
    chosen = get_object_or_404(Line, pk=wanted, user=request.user) if wanted else None
    press = press_of(request)
    return act(request, lambda: supervision.connect(user=request.user, line=chosen, press=press, now=timezone.now()))


@require_POST
def line(request: SignedInRequest) -> HttpResponse:
    """Let another line of mine ring when I connect."""
    chosen = get_object_or_404(Line, pk=read(LineForm(request.POST))["line"], user=request.user)
    return act(request, chosen.ring_first)


@require_POST
def follow(request: SignedInRequest) -> HttpResponse:
    """Follow an agent on every call or only on the next one, or stop following."""
    # In the address: the buttons of several agents share one form.
    asked = read(FollowForm(request.GET))
    named, once, press = asked["agent"], asked["once"], press_of(request)
    agent = get_object_or_404(agents_visible_to(request.user), pk=named) if named is not None else None

    def follow_agent() -> None:
        supervision.follow(user=request.user, agent=agent, once=once, press=press, now=timezone.now())

    return act(request, follow_agent)
