"""Renders each fragment from one file, for the page, a command's answer and the stream.

Pieces are htmx partials: each names its own target, so one message may touch any number of places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.template.loader import render_to_string

from dashboard.desk.audience import sentence_from_outside
from dashboard.desk.desk import Desk
from dashboard.desk.ear import MyEar
from dashboard.floor.board import Choices, Counters, Paging
from dashboard.floor.health import FloorNotices
from dashboard.floor.queues import WaitingQueue
from dashboard.floor.window import Window


@dataclass(frozen=True, slots=True)
class Page:
    """The viewer, the window and the open conference of a page."""

    viewer: User
    window: Window
    open_id: UUID | None = None
    alone: bool = False
    """A page without the list: a conference, my phone, or a page of text."""
    small: bool = False
    """The small window: the own line alone."""

    @property
    def stream_url(self) -> str:
        return self.window.stream_url(conference=self.open_id, alone=self.alone)

    @property
    def close_url(self) -> str:
        return self.window.url()

    def opening(self, conference: UUID | None) -> Page:
        """Return the same page with another conference on its desk."""
        return replace(self, open_id=conference)


def piece(target: str, html: str = "", *, swap: str = "outerMorph") -> str:
    """Wrap HTML for one place; stripped, or every morph would leave white space behind."""
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{html.strip()}</hx-partial>'


def counters(counted: Counters, *, window: Window, now: datetime) -> str:
    """Render the line of figures; each is a link to the window that shows what it counts."""
    context = {"counters": counted, "window": window, "now": now}
    return piece("counters", render_to_string("floor/_counters.html", context))


def window(paging: Paging, *, window: Window) -> str:
    """Render where the window lies, or what an empty floor has to say."""
    return piece("window", render_to_string("floor/_window.html", {"paging": paging, "window": window}))


def waiting(queues: Sequence[WaitingQueue], *, window: Window, now: datetime) -> str:
    """Render who waits, by queue; a hidden place where the window does not list them."""
    context = {"queues": queues, "window": window, "now": now}
    return piece("waiting", render_to_string("floor/_waiting.html", context))


def choices(offered: Choices, *, window: Window) -> str:
    """Render the filters whose values are what calls have: teams and queues."""
    return piece("choices", render_to_string("floor/_choices.html", {"choices": offered, "window": window}))


def notices(told: FloorNotices) -> str:
    """Render the banners about calls that are not shown and about a wrong clock."""
    return piece("notices", render_to_string("floor/_notices.html", {"notices": told}))


def ear(mine: MyEar, *, page: Page, now: datetime) -> str:
    """Render the viewer's own ear in the top bar."""
    context = {"ear": mine, "said": sentence_from_outside(mine), "page": page, "now": now}
    return piece("my-ear", render_to_string("floor/_ear.html", context))


def chip(mine: MyEar) -> str:
    """Render the viewer's own chip, which the page's script puts into the row of their call: rows are everybody's."""
    return piece("own-chip", render_to_string("floor/_own_chip.html", {"ear": mine}))


def desk(shown: Desk | None, *, page: Page, now: datetime, swap: str = "outerMorph", armed: str = "") -> str:
    """Render the desk, or its invitation to pick a conference."""
    context = {"desk": shown, "page": page, "now": now, "armed": armed}
    return piece("desk", render_to_string("floor/_desk.html", context), swap=swap)


def stream(page: Page) -> str:
    """Render the element that carries the stream: replacing it ends the old stream and opens the new one."""
    return piece("stream", render_to_string("floor/_stream.html", {"page": page}), swap="outerHTML")


def search_refusal(sentence: str = "") -> str:
    """Show why a search was not made below the filters, or clear that place."""
    return piece("search-refusal", render_to_string("floor/_refusal.html", {"sentence": sentence}), swap="innerHTML")


def refusal(sentence: str = "") -> str:
    """Show why something was refused beside the buttons, or clear that place."""
    return piece("refusal", render_to_string("floor/_refusal.html", {"sentence": sentence}), swap="innerHTML")


def idle(end: datetime | None) -> str:
    """Warn that the session ends unless somebody does something, or clear that place."""
    return piece("idle", render_to_string("floor/_idle.html", {"idle_end": end}), swap="innerHTML")


def signed_out(*, idle: bool = False) -> str:
    """Clear the whole page: the session ended, and nothing may stay on the screen."""
    context = {"idle_minutes": settings.IDLE_TIMEOUT_MINUTES if idle else 0}
    return piece("page", render_to_string("floor/_signed_out.html", context), swap="innerHTML")
