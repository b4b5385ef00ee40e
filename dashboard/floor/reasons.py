"""Decides why a conference needs somebody, by the thresholds of its teams, and the words for it.

A reason is derived from what is known and from the moment, never counted up. Together with the reasons comes the next
moment at which they change by themselves, so that nothing has to be looked at each second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from conferences.thresholds import DEFAULTS, Thresholds

NEW_AGENT = timedelta(days=14)
MINUTE = timedelta(minutes=1)


class Flag(StrEnum):
    """A kind of reason, as the URL and saved views name it; the numbers in two of them are the defaults."""

    ONE_VOICE = "one-voice"
    HELD = "held"
    VERY_LONG = "over-30"
    TRANSFERS = "transfers"
    LONG = "over-10"
    NEW_AGENT = "new-agent"


# A reason without weight is a remark: it looks different and does not make a call need somebody.
WEIGHTS = {
    Flag.ONE_VOICE: 3,
    Flag.HELD: 3,
    Flag.VERY_LONG: 3,
    Flag.TRANSFERS: 2,
    Flag.LONG: 0,
    Flag.NEW_AGENT: 0,
}
TICKING = frozenset({Flag.ONE_VOICE, Flag.HELD})


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and since when."""

    key: Flag
    since: datetime | None
    """The moment since which the time behind the sentence runs, where `ticks`."""
    count: int = 0
    """The number in the sentence: minutes or transfers."""

    @property
    def sentence(self) -> str:
        """Return it in the reader's language; what ticks is shown behind it."""
        return _SENTENCES[self.key](self.count)

    @property
    def ticks(self) -> bool:
        return self.key in TICKING

    @property
    def weight(self) -> int:
        return WEIGHTS[self.key]

    @property
    def suffices(self) -> bool:
        """Return whether a call needs somebody for it; else it is a remark."""
        return self.weight > 0


_ORDINALS = {
    1: gettext_noop("first transfer"),
    2: gettext_noop("second transfer"),
    3: gettext_noop("third transfer"),
}
_SENTENCES: Mapping[Flag, Callable[[int], str]] = {
    Flag.ONE_VOICE: lambda count: _("same speaker for"),
    Flag.HELD: lambda count: _("on hold for"),
    Flag.VERY_LONG: lambda count: _("over %d min") % count,
    Flag.TRANSFERS: lambda count: _(_ORDINALS[count]) if count in _ORDINALS else _("%d transfers") % count,
    Flag.LONG: lambda count: _("over %d min") % count,
    Flag.NEW_AGENT: lambda count: _("new agent"),
}

_LABELS: Mapping[Flag, str | Promise] = {
    Flag.ONE_VOICE: gettext_lazy("same speaker"),
    Flag.HELD: gettext_lazy("on hold"),
    Flag.VERY_LONG: gettext_lazy("very long call"),
    Flag.TRANSFERS: gettext_lazy("many transfers"),
    Flag.LONG: gettext_lazy("long call"),
    Flag.NEW_AGENT: gettext_lazy("new agent"),
}


def label_of(flag: Flag) -> str:
    """Name a kind of reason, for the filter: without numbers, which differ by team."""
    return str(_LABELS[flag])


@dataclass(frozen=True, slots=True)
class Clues:
    """The facts from which the reasons are derived."""

    started_at: datetime | None = None
    one_speaker_since: datetime | None = None
    """Since when nobody else was named as speaking; None where fewer than two people are there."""
    held_since: datetime | None = None
    agent_legs: int = 0
    """The number of changes to another agent, the first one included; each after the first is a transfer."""
    last_agent_joined_at: datetime | None = None
    newest_agent_since: datetime | None = None
    """When the newest of the present agents was entered."""


def transfers(clues: Clues) -> int:
    """Return how often the call was handed on."""
    return max(0, clues.agent_legs - 1)


def reasons_of(
    clues: Clues, thresholds: Thresholds = DEFAULTS, *, now: datetime
) -> tuple[tuple[Reason, ...], datetime | None]:
    """Return the reasons at a moment, the heaviest first, and the next moment at which they change."""
    found: list[Reason] = []
    changes: list[datetime] = []

    def after(key: Flag, since: datetime | None, threshold: timedelta) -> bool:
        if since is None:
            return False
        if now < since + threshold:
            changes.append(since + threshold)
            return False
        # The time behind "same speaker for" began with the speaker; "over 10 min" stands without a time.
        if key in TICKING:
            found.append(Reason(key, since))
        else:
            found.append(Reason(key, since + threshold, int(threshold / MINUTE)))
        return True

    after(Flag.ONE_VOICE, clues.one_speaker_since, thresholds.same_speaker)
    after(Flag.HELD, clues.held_since, thresholds.hold)
    if not after(Flag.VERY_LONG, clues.started_at, thresholds.very_long_call):
        after(Flag.LONG, clues.started_at, thresholds.long_call)
    if transfers(clues) >= thresholds.transfers:
        found.append(Reason(Flag.TRANSFERS, clues.last_agent_joined_at, transfers(clues)))
    if clues.newest_agent_since and now < clues.newest_agent_since + NEW_AGENT:
        found.append(Reason(Flag.NEW_AGENT, clues.newest_agent_since))
        changes.append(clues.newest_agent_since + NEW_AGENT)
    found.sort(key=lambda reason: -reason.weight)
    return tuple(found), min(changes, default=None)


def weight_of(reasons: Iterable[Reason]) -> int:
    """Return how much a conference needs somebody; 0 if it does not."""
    return sum(reason.weight for reason in reasons)
