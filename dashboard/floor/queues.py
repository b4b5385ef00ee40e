"""Builds the list of who waits in a queue, by queue, the longest wait first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from conferences import names

from .loading import Waiting

CALLERS_LISTED = 10


@dataclass(frozen=True, slots=True)
class WaitingCaller:
    """Somebody who waits."""

    name: str
    since: datetime
    too_long: bool


@dataclass(frozen=True, slots=True)
class WaitingQueue:
    """A queue in which somebody waits."""

    name: str
    count: int
    since: datetime
    callers: tuple[WaitingCaller, ...]
    """Those who have waited longest."""

    @property
    def more(self) -> int:
        return self.count - len(self.callers)


def waiting_queues(waiting: Sequence[Waiting], *, now: datetime) -> tuple[WaitingQueue, ...]:
    """Return the queues in which these wait, the one with the longest wait first."""
    in_order = sorted(waiting, key=lambda leg: (leg.queue, leg.since))
    queues = [_queue(name, list(legs), now=now) for name, legs in groupby(in_order, key=lambda leg: leg.queue)]
    return tuple(sorted(queues, key=lambda queue: queue.since))


def _queue(name: str, legs: Sequence[Waiting], *, now: datetime) -> WaitingQueue:
    return WaitingQueue(
        name=names.plain(name),
        count=len(legs),
        since=legs[0].since,
        callers=tuple(
            WaitingCaller(names.masked(leg.address), leg.since, too_long=leg.too_long_at <= now)
            for leg in legs[:CALLERS_LISTED]
        ),
    )
