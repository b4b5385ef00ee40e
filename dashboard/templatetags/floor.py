"""Provides timers, clocks and icons to the templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from conferences import names
from dashboard.audit.lines import AuditLine
from dashboard.audit.own_log import OwnLine
from dashboard.durations import Span, duration, running, speech_bars, talk_bar
from dashboard.floor.cards import Talk
from dashboard.floor.window import Window

register = template.Library()

# Files of their own, because the style sheet of the rows draws them too; every other icon is in icons.svg.
ROLE_ICONS = {"monitor": "ear", "whisper": "chat", "barge": "megaphone", "none": "people"}


@register.simple_tag
def timer(since: datetime | None, now: datetime | None = None, until: datetime | None = None) -> SafeString | str:
    """Show the time since a moment; the page's script lets it tick, unless it has stopped.

    Without `now` the time is left open for dashboard.rendering.row_cache, which fills it in when the row is sent.
    """
    if since is None:
        return "–"
    if until:
        return format_html("<span>{}</span>", duration((until - since).total_seconds()))
    return running(since, now=now)


@register.simple_tag
def talk_shares(talk: Talk) -> SafeString:
    """Draw each party's share of the talk; the row's sending fills it in, and the page's script keeps it up to date."""
    return talk_bar(talk.seconds, talks=talk.talks, since=talk.since)


@register.simple_tag
def speech_lane(
    party: str, spans: Sequence[Span], began: datetime, ended: datetime | None, now: datetime
) -> SafeString:
    """Draw when one speaker spoke, between the strip's beginning and its end."""
    return speech_bars(party, spans, began=began, ended=ended, now=now)


@register.filter
def clock(moment: datetime | None) -> str:
    """Show a moment as hh:mm:ss in the viewer's time zone."""
    return timezone.localtime(moment).strftime("%H:%M:%S") if moment else ""


@register.filter
def lasted(line: AuditLine | OwnLine) -> str:
    """Show how long something lasted that is over: "2:14 min", "3 s"."""
    seconds = line.seconds(now=line.until) if line.until else None
    if seconds is None:
        return ""
    if seconds < 60:
        return _("%(number)d s") % {"number": seconds} if seconds >= 1 else _("under a second")
    unit = _("h") if seconds >= 3600 else _("min")
    return f"{duration(seconds).removeprefix('0')} {unit}"


@register.filter
def plain(name: str) -> str:
    """Show a name that others chose as one short, harmless line."""
    return names.plain(name)


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Draw an icon; the word beside it says what it means."""
    return format_html(
        '<svg class="icon icon-{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        name,
        static(f"icons/{name}.svg" if name in ROLE_ICONS.values() else "icons.svg"),
        name,
    )


@register.simple_tag
def role_icon(role: str) -> SafeString:
    """Draw the icon of a supervisor's role."""
    return icon(ROLE_ICONS.get(role, "ear"))


@register.simple_tag
def posts(view: str, *args: object, **query: object) -> SafeString:
    """Return the attributes of a button that posts to a view, with scripts or without."""
    return format_html(
        'formaction="{0}" hx-post="{0}" hx-swap="none" hx-status:422="swap:none"',
        reverse(view, args=args, query=query or None),
    )


@register.simple_tag
def floor_url(window: Window, conference: UUID | None = None) -> str:
    """Return the floor's address with a conference open."""
    return window.url(conference=conference)
