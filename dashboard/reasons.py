"""Why a conference needs somebody: every threshold, and the words for it.

A reason is derived from what is known and from the moment, never counted up. Together with the reasons comes the next
moment at which they change by themselves, so that nothing has to be looked at each second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.translation import gettext as _

LONG = timedelta(minutes=10)
VERY_LONG = timedelta(minutes=30)
ONE_VOICE = timedelta(seconds=40)
HELD = timedelta(seconds=60)
NEW_AGENT = timedelta(days=14)
MANY_TRANSFERS = 3
NEEDS_SOMEBODY = 2
"""The weight from which on a conference counts as “needs me”."""


class Flag(StrEnum):
    """A kind of reason, as the URL names it."""

    ONE_VOICE = "one-voice"
    HELD = "held"
    VERY_LONG = "over-30"
    TRANSFERS = "transfers"
    LONG = "over-10"
    NEW_AGENT = "new-agent"


# What alone needs nobody (a call over ten minutes, a new agent) does so together.
WEIGHTS = {
    Flag.ONE_VOICE: 3,
    Flag.HELD: 3,
    Flag.VERY_LONG: 3,
    Flag.TRANSFERS: 2,
    Flag.LONG: 1,
    Flag.NEW_AGENT: 1,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and since when."""

    key: Flag
    since: datetime | None
    """Where `ticks`, the time since then belongs behind the sentence."""
    count: int = 0

    @property
    def sentence(self) -> str:
        """Say it in the reader's language; what ticks is shown behind it."""
        return _SENTENCES[self.key](self.count)

    @property
    def ticks(self) -> bool:
        return self.key in {Flag.ONE_VOICE, Flag.HELD}

    @property
    def weight(self) -> int:
        return WEIGHTS[self.key]


_SENTENCES: Mapping[Flag, Callable[[int], str]] = {
    Flag.ONE_VOICE: lambda count: _("no change of speaker"),
    Flag.HELD: lambda count: _("on hold, as last seen"),
    Flag.VERY_LONG: lambda count: _("over 30 min"),
    Flag.TRANSFERS: lambda count: _("third transfer") if count == MANY_TRANSFERS else _("%d transfers") % count,
    Flag.LONG: lambda count: _("over 10 min"),
    Flag.NEW_AGENT: lambda count: _("new agent"),
}


def label_of(flag: Flag) -> str:
    """Name a kind of reason, for the filter."""
    return _("third transfer or more") if flag == Flag.TRANSFERS else _SENTENCES[flag](0)


@dataclass(frozen=True, slots=True)
class Clues:
    """What the reasons follow from."""

    started_at: datetime | None = None
    one_speaker_since: datetime | None = None
    """Since when nobody else was named as speaking; None where fewer than two people are there."""
    held_since: datetime | None = None
    agent_legs: int = 0
    """How many legs of agents have joined; each after the first is a transfer."""
    last_agent_joined_at: datetime | None = None
    newest_agent_since: datetime | None = None
    """When the newest of the present agents was entered."""


def transfers(clues: Clues) -> int:
    """Return how often the call was handed on."""
    return max(0, clues.agent_legs - 1)


def reasons_of(clues: Clues, *, now: datetime) -> tuple[tuple[Reason, ...], datetime | None]:
    """Return the reasons at a moment, the heaviest first, and the next moment at which they change."""
    found: list[Reason] = []
    changes: list[datetime] = []

    def after(key: Flag, since: datetime | None, threshold: timedelta, *, told: datetime | None = None) -> bool:
        if since is None:
            return False
        if now < since + threshold:
            changes.append(since + threshold)
            return False
        found.append(Reason(key, told or since + threshold))
        return True

    after(Flag.ONE_VOICE, clues.one_speaker_since, ONE_VOICE, told=clues.one_speaker_since)
    after(Flag.HELD, clues.held_since, HELD, told=clues.held_since)
    if not after(Flag.VERY_LONG, clues.started_at, VERY_LONG):
        after(Flag.LONG, clues.started_at, LONG)
    if transfers(clues) >= MANY_TRANSFERS:
        found.append(Reason(Flag.TRANSFERS, clues.last_agent_joined_at, transfers(clues)))
    if clues.newest_agent_since and now < clues.newest_agent_since + NEW_AGENT:
        found.append(Reason(Flag.NEW_AGENT, clues.newest_agent_since))
        changes.append(clues.newest_agent_since + NEW_AGENT)
    found.sort(key=lambda reason: -reason.weight)
    return tuple(found), min(changes, default=None)


def weight_of(reasons: Iterable[Reason]) -> int:
    """Return how much a conference needs somebody; 0 where nothing speaks for it."""
    return sum(reason.weight for reason in reasons)
