"""Writes durations and shares of talk, and leaves what still runs open in HTML that is kept and sent later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

Span = tuple[datetime, datetime | None]
"""A beginning and an end, None where it goes on."""

# Placeholder of a running time in cached HTML. Names cannot contain it (names.plain), so it cannot be forged.
_OPEN = "\0"
_RUNNING = re.compile(rf'data-since="(\d+)">{_OPEN}<')
_TALKING = re.compile(rf'data-talk="([\d. ]+)" data-talks="(\d?)" data-from="(\d*)">{_OPEN}<')


def duration(seconds: float) -> str:
    """Write a duration as mm:ss, or h:mm:ss from the first hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def running(since: datetime, *, now: datetime | None) -> SafeString:
    """Render the time since a moment, which the page's script lets tick; without `now` it is left to `filled_in`."""
    text = duration((now - since).total_seconds()) if now else _OPEN
    return format_html('<span data-since="{}">{}</span>', int(since.timestamp() * 1000), text)


def filled_in(html: str, *, now: datetime) -> str:
    """Write the running times that were left open as they stand at a moment."""
    at = now.timestamp()
    html = _TALKING.sub(lambda mark: f"{mark[0][:-2]}{_bars(mark[1], mark[2], mark[3], at)}<", html)
    return _RUNNING.sub(lambda mark: f'data-since="{mark[1]}">{duration(at - int(mark[1]) / 1000)}<', html)


def percent(seconds: Sequence[float]) -> list[int]:
    """Return the shares of a whole in percent; they make a hundred, or nothing where the whole is nothing."""
    whole = sum(seconds)
    if not whole:
        return [0] * len(seconds)
    exact = [100 * part / whole for part in seconds]
    shares = [int(part) for part in exact]
    # The largest remainders are rounded up.
    by_remainder = sorted(range(len(exact)), key=lambda number: shares[number] - exact[number])
    for number in by_remainder[: 100 - sum(shares)]:
        shares[number] += 1
    return shares


def talk_bar(seconds: Sequence[float], *, talks: int | None, since: datetime | None) -> SafeString:
    """Draw the shares of talk; the turn of the one that `talks` runs since then, as the page's script lets it.

    The shares themselves are left to `filled_in`.
    """
    running = talks is not None and since is not None
    return format_html(
        '<svg data-talk="{}" data-talks="{}" data-from="{}">{}</svg>',
        " ".join(f"{part:.1f}" for part in seconds),
        talks if running else "",
        int(since.timestamp() * 1000) if running and since else "",
        _OPEN,
    )


def speech_bars(
    party: str, spans: Iterable[Span], *, began: datetime, ended: datetime | None, now: datetime
) -> SafeString:
    """Draw turns of speaking in seconds since `began`; while the call is live, the page's script moves the end on."""

    def since(start: datetime, end: datetime | None) -> str:
        return f"{max(0.0, ((end or now) - start).total_seconds()):.1f}"

    bars = format_html_join(
        "",
        '<rect x="{}" width="{}" height="10"{}/>',
        ((since(began, start), since(start, end), "" if end else mark_safe(" data-runs")) for start, end in spans),
    )
    live = "" if ended else format_html(' data-from="{}"', int(began.timestamp() * 1000))
    return format_html(
        '<svg class="speech-lane party-{}" viewBox="0 0 {} 10" preserveAspectRatio="none"{}>{}</svg>',
        party,
        since(began, ended),
        live,
        bars,
    )


def _bars(talk: str, talks: str, since: str, at: float) -> str:
    """Draw the first share from the left and the last at the right end; between them shows the ground."""
    seconds = [float(part) for part in talk.split()]
    if talks and since:
        seconds[int(talks)] += max(0.0, at - int(since) / 1000)
    first, *_between, last = percent(seconds)
    return f'<rect width="{first}%"/><rect x="{100 - last}%" width="{last}%"/>'
