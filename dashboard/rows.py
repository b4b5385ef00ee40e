"""A row's HTML, rendered once per reader class and shared by every page, command and stream of this process.

Times that run are left open while a row is kept, and filled in when it is sent.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.template.loader import render_to_string
from django.utils import timezone, translation

from .board import Heading, Item
from .cards import ConferenceCard, spoken
from .durations import OPEN, duration

KEPT = 5_000

_html: dict[tuple[str, bool, str, str], tuple[ConferenceCard, str]] = {}
_RUNNING = re.compile(rf'data-since="(\d+)">{OPEN}<')


def render(item: Item, *, now: datetime) -> str:
    """Return the row or heading of an item, in the active language and time zone."""
    if isinstance(item, Heading):
        return render_to_string("floor/_heading.html", {"heading": item}).strip()
    return filled_in(_kept(item.card, may_monitor=item.may_monitor), now=now)


def filled_in(html: str, *, now: datetime) -> str:
    """Write the running times as they stand at a moment."""
    at = now.timestamp()
    return _RUNNING.sub(lambda mark: f'data-since="{mark[1]}">{duration(at - int(mark[1]) / 1000)}<', html)


def _kept(card: ConferenceCard, *, may_monitor: bool) -> str:
    zone = timezone.get_current_timezone_name() if card.shows_a_time else ""
    key = (str(card.id), may_monitor, translation.get_language() or "", zone)
    kept = _html.get(key)
    # The same object in nearly every case, so the comparison costs nothing.
    if kept and (kept[0] is card or kept[0] == card):
        return kept[1]
    html = render_to_string("floor/_conference.html", {"card": spoken(card), "may_monitor": may_monitor}).strip()
    if len(_html) >= KEPT:
        _html.clear()
    _html[key] = (card, html)
    return html
