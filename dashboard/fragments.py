"""One fragment, one file, three uses: the page includes it, a command answers with it, the stream sends it.

Pieces are htmx partials: each names its own target, so one message may touch any number of places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.template.loader import render_to_string

from .board import Choices, Counters, Paging, Tidings
from .desk import Desk
from .my_ear import MyEar
from .window import Window


@dataclass(frozen=True, slots=True)
class Page:
    """Who looks, at which window, with which conference open."""

    viewer: User
    window: Window
    open_id: UUID | None = None
    alone: bool = False
    """The conference page: the desk without the floor."""

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


def choices(offered: Choices, *, window: Window) -> str:
    """Render the filters whose values are what calls have: teams and queues."""
    return piece("choices", render_to_string("floor/_choices.html", {"choices": offered, "window": window}))


def tidings(told: Tidings) -> str:
    """Render the banner about calls that pass by, and the time of the last event."""
    return piece("tidings", render_to_string("floor/_tidings.html", {"tidings": told}))


def ear(mine: MyEar, *, page: Page, now: datetime) -> str:
    """Render the viewer's own ear in the top bar."""
    return piece("my-ear", render_to_string("floor/_ear.html", {"ear": mine, "page": page, "now": now}))


def desk(shown: Desk | None, *, page: Page, now: datetime, swap: str = "outerMorph", armed: str = "") -> str:
    """Render the desk, or its invitation to pick a conference."""
    context = {"desk": shown, "page": page, "now": now, "armed": armed}
    return piece("desk", render_to_string("floor/_desk.html", context), swap=swap)


def stream(page: Page) -> str:
    """Render the element that carries the stream: replacing it ends the old stream and opens the new one."""
    return piece("stream", render_to_string("floor/_stream.html", {"page": page}), swap="outerHTML")


def refusal(sentence: str = "") -> str:
    """Show why something was refused beside the buttons, or clear that place."""
    return piece("refusal", render_to_string("floor/_refusal.html", {"sentence": sentence}), swap="innerHTML")


def signed_out() -> str:
    """Clear the whole page: the session ended, and nothing may stay on the screen."""
    return piece("page", render_to_string("floor/_signed_out.html"), swap="innerHTML")
