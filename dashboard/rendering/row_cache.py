"""Renders a row once per reader class, shared by every page, command and stream of this process.

Times that run are left open while a row is kept, and filled in when it is sent.
"""

from __future__ import annotations

from datetime import datetime

from django.template.loader import render_to_string
from django.utils import timezone, translation

from dashboard.desk.ear import MyEar
from dashboard.durations import filled_in
from dashboard.floor.board import Heading, Item, Repetition
from dashboard.floor.cards import ConferenceCard, translated

KEPT = 5_000

_html: dict[tuple[str, bool, str, str], tuple[ConferenceCard, str]] = {}


def render(item: Item, *, my_ear: MyEar | None = None, now: datetime) -> str:
    """Return the row or heading of an item, in the active language and time zone.

    With `my_ear`, for one viewer alone: the row of the call that their phone is in begins with their own chip.
    """
    if isinstance(item, Heading):
        return render_to_string("floor/_heading.html", {"heading": item}).strip()
    if isinstance(item, Repetition):
        return render_to_string("floor/_repetition.html", {"repetition": item, "card": translated(item.card)}).strip()
    if my_ear is not None and item.card.id == my_ear.conference_id:
        return filled_in(_rendered(item.card, may_monitor=item.may_monitor, my_ear=my_ear), now=now)
    return filled_in(_kept(item.card, may_monitor=item.may_monitor), now=now)


def forget() -> None:
    """Render every row anew from now on."""
    _html.clear()


def _rendered(card: ConferenceCard, *, may_monitor: bool, my_ear: MyEar | None = None) -> str:
    context = {"card": translated(card), "may_monitor": may_monitor}
    return render_to_string("floor/_conference.html", {**context, "my_ear": my_ear} if my_ear else context).strip()


def _kept(card: ConferenceCard, *, may_monitor: bool) -> str:
    zone = timezone.get_current_timezone_name() if card.shows_a_time else ""
    key = (str(card.id), may_monitor, translation.get_language() or "", zone)
    kept = _html.get(key)
    # The same object in nearly every case, so the comparison costs nothing.
    if kept and (kept[0] is card or kept[0] == card):
        return kept[1]
    html = _rendered(card, may_monitor=may_monitor)
    if len(_html) >= KEPT:
        _html.clear()
    _html[key] = (card, html)
    return html
