"""Knows from when on a call of a team counts as long, as held too long, and so on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The values from which a call needs somebody; the defaults stand for what a team leaves empty."""

    long_call: timedelta = timedelta(minutes=10)
    very_long_call: timedelta = timedelta(minutes=30)
    same_speaker: timedelta = timedelta(seconds=40)
    hold: timedelta = timedelta(seconds=60)
    transfers: int = 3
    waiting: timedelta = timedelta(seconds=60)


DEFAULTS = Thresholds()
_values = attrgetter("long_call", "very_long_call", "same_speaker", "hold", "transfers", "waiting")


def strictest(teams: Iterable[int], by_team: Mapping[int, Thresholds]) -> Thresholds:
    """Return the smallest values among some teams; the defaults where there is none."""
    found = [by_team[team] for team in teams if team in by_team]
    if len(found) < 2:
        return found[0] if found else DEFAULTS
    return Thresholds(*(min(values) for values in zip(*map(_values, found), strict=True)))
