"""Timers, clocks and icons for the supervisor's screens."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from uuid import UUID

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard import names
from dashboard.durations import OPEN, duration
from dashboard.window import Window

register = template.Library()


@register.simple_tag
def timer(since: datetime | None, now: datetime | None = None, until: datetime | None = None) -> SafeString | str:
    """Show the time since a moment; the page's script lets it tick, unless it has stopped.

    Without `now` the time is left open for dashboard.rows, which fills it in when the row is sent.
    """
    if since is None:
        return "–"
    at = until or now
    text = duration((at - since).total_seconds()) if at else OPEN
    if until:
        return format_html("<span>{}</span>", text)
    return format_html('<span data-since="{}">{}</span>', int(since.timestamp() * 1000), text)


@register.filter
def clock(moment: datetime | None) -> str:
    """Show a moment as hh:mm:ss in the viewer's time zone."""
    return timezone.localtime(moment).strftime("%H:%M:%S") if moment else ""


@register.filter
def plain(name: str) -> str:
    """Show a name that others chose as one short, harmless line."""
    return names.plain(name)


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Draw an icon of the sprite; the word beside it says what it means."""
    return format_html(
        '<svg class="icon icon-{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        name,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def role_icon(role: str) -> SafeString:
    """Draw the icon of a supervisor's role."""
    return icon({"monitor": "ear", "whisper": "chat", "barge": "megaphone", "none": "people"}.get(role, "ear"))


@register.simple_tag
def floor_url(window: Window, conference: UUID | None = None, page: int | None = None) -> str:
    """Return the floor's address with a conference open, or another page of it."""
    return window.url(conference=conference, page=page)
