"""Decides who may hear a supervisor from what was pressed alone: no rule of the product is asked.

The product's sentences are read, to know why it refused. Whether Monitor was a stop depends on where the line was:
`Pressed.inside` tells it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from conferences.supervision.choice import OVERTAKEN, STAYS_ON_MONITOR
from conferences.supervision.presses import TOO_LATE
from conferences.supervision.stops import LEFT, SILENCED

FRESH_FOR = timedelta(seconds=5)
PAGES_AGREE_WITHIN = timedelta(seconds=2)
A_WHISPER_WAITS = timedelta(seconds=45)
# The quieter first.
CHOICES = {"monitor": 0, "whisper": 1, "barge": 2, "none": 2}
WAYS_OUT = {"leave", "disconnect"}
EVERYBODY = "everybody"
PRESS_AGAIN = re.compile(r"\bPress again\b")


@dataclass(eq=False)
class Pressed:
    """One key or click: what was asked for, when and where it was pressed, and what became of it on its way."""

    what: str
    at: datetime
    page: UUID | None = None
    number: int | None = None
    call: str = ""
    targets: frozenset[str] = frozenset()
    received: datetime | None = None
    answered: datetime | None = None
    refused: str = ""
    inside: bool = False
    """Whether the line was in this call, or on its way into it, when the press was received."""
    sent: bool = False
    is_stored: bool = True
    """Whether a stop has reached the database: until then a request of another process cannot know of it."""

    @property
    def is_stop(self) -> bool:
        return (self.what not in CHOICES and self.what != "follow") or (self.what == "monitor" and self.inside)

    @property
    def loudness(self) -> int:
        """Return how loud a choice is; a stop is as quiet as Monitor."""
        return CHOICES.get(self.what, 0)

    @property
    def is_loud(self) -> bool:
        return self.loudness > 0

    @property
    def too_old(self) -> bool:
        return self.received is not None and self.received - self.at > FRESH_FOR

    @property
    def accepted(self) -> bool:
        return self.answered is not None and not self.refused

    def __str__(self) -> str:
        page = f"page {self.page.hex[:4]} #{self.number}" if self.page else "untimed"
        late = f", {(self.received - self.at).total_seconds():.1f} s late" if self.received else ", on its way"
        to = f" {sorted(self.targets)}" if self.targets else ""
        refused = f": {self.refused}" if self.refused else ""
        return f"{self.what}{to} {self.call} ({page} at {self.at:%M:%S.%f}{late}{refused})"


def is_at_once(one: Pressed, other: Pressed) -> bool:
    """Return whether two presses on different pages are so close that their clocks do not tell which was first."""
    return one.page != other.page and abs(one.at - other.at) <= PAGES_AGREE_WITHIN


def voids(stop: Pressed, press: Pressed) -> bool:
    """Return whether a stop makes a press void: on one page by number; else the stop wins within two seconds."""
    if stop.page is not None and stop.page == press.page:
        return (press.number or 0) < (stop.number or 0)
    if stop.page is None and press.page is None:
        return press.at < stop.at
    return press.at <= stop.at + PAGES_AGREE_WITHIN


def replaces(later: Pressed, press: Pressed) -> bool:
    """Return whether one choice takes the place of another: the later one, across pages within 2 s the quieter one."""
    if later.page is not None and later.page == press.page:
        return (press.number or 0) < (later.number or 0)
    if is_at_once(later, press):
        if later.call and later.call != press.call:
            return False  # which of two calls was meant is not known
        if later.loudness != press.loudness:
            return later.loudness < press.loudness
    return press.at < later.at


@dataclass
class Presses:
    """Everything that one person has pressed, in the order of its receipt."""

    received: list[Pressed] = field(default_factory=list)

    def take(self, press: Pressed, *, now: datetime, inside: bool) -> None:
        press.received, press.inside = now, inside
        self.received.append(press)

    def void(self, press: Pressed) -> bool:
        return any(stop.is_stop and stop is not press and voids(stop, press) for stop in self.received)

    def left(self, press: Pressed) -> bool:
        return any(stop.what in WAYS_OUT and voids(stop, press) for stop in self.received)

    def overtaken(self, press: Pressed) -> bool:
        """Return whether another choice takes the place of this one.

        A choice that has itself given way is no rival: to a later one of its own page, or to a choice or stop that the
        page of this press had sent before, because the numbers of a page tell what came first. Nor is a louder one that
        a stop made void. What a page has sent counts before it is answered, unless it was refused.
        """
        choices = [other for other in self.received if other.what in CHOICES and other.accepted and other is not press]

        def has_given_way(other: Pressed) -> bool:
            after = (one for one in choices if one.page is not None and one.page == other.page)
            sent = (one for one in self.received if one.is_stop or (one.what in CHOICES and not one.refused))
            before = (one for one in sent if one.page is not None and one.page == press.page)
            earlier = (one for one in before if (one.number or 0) < (press.number or 0))
            return any(replaces(one, other) for one in chain(after, earlier) if one is not other)

        rivals = (other for other in choices if not (other.is_loud and self.void(other)))
        return any(replaces(other, press) and not has_given_way(other) for other in rivals)

    def in_force(self, call: str) -> Iterator[Pressed]:
        """Yield the louder presses that somebody in a call may hear the supervisor by."""
        for press in self.received:
            wanted = press.call == call and press.is_loud and not press.refused and not press.too_old
            if wanted and not self.void(press) and not self.overtaken(press):
                yield press

    def may_hear(self, call: str) -> frozenset[str]:
        """Return the names of those who may hear the supervisor in a call, EVERYBODY among them for a barge."""
        names: frozenset[str] = frozenset()
        for press in self.in_force(call):
            names |= press.targets if press.what == "whisper" else {EVERYBODY}
        return names

    def may_be_inside(self, call: str) -> bool:
        """Return whether the line may be in a call: it was asked for, and nobody has left since."""
        for press in self.received:
            asks = press.call == call if press.what in CHOICES else press.what == "follow"
            if asks and not press.refused and not press.too_old and not self.left(press):
                return True
        return False

    def may_send(self, call: str, role: str, targets: frozenset[str], *, now: datetime, received: int | None) -> bool:
        """Return whether a request for a louder role answers a press that is neither void nor too old.

        `received` is how many presses had reached us when the request stood still on its way to Telnyx.
        """
        arrived = [press for press in self.received[:received] if press.received is not None and press.received <= now]
        known = [press for press in arrived if press.is_stored or not press.is_stop]
        for press in Presses(known).in_force(call):
            assert press.received is not None
            if press.what != role or (role == "whisper" and not targets <= press.targets):
                continue
            # A list of targets is asserted again as long as the whisper lasts; it gets shorter, never longer.
            if (press.sent and role == "whisper") or now - press.at <= FRESH_FOR:
                press.sent = True
                return True
            if role == "whisper" and now - press.received <= A_WHISPER_WAITS:
                press.sent = True
                return True
        return False

    def unjust(self, press: Pressed) -> bool:
        """Return whether a press was refused as too late, taken back or overtaken, and was not."""
        assert press.answered is not None
        if press.refused == TOO_LATE:
            return press.answered - press.at <= FRESH_FOR
        if press.refused == LEFT:
            return not self.left(press)
        if press.refused == SILENCED:
            return not self.void(press)
        if press.refused in {OVERTAKEN, STAYS_ON_MONITOR}:
            if press.is_loud and self.void(press):
                return False  # a stop in the call that the line is still in: nothing of this press may be heard
            pressed = (other for other in self.received if other is not press)
            # To follow somebody is to ask for Monitor in their call.
            choices = [other for other in pressed if other.what in CHOICES or other.what == "follow" or other.is_stop]
            # With two calls at once on two pages it is not known which was meant: either may be refused.
            return not any(replaces(other, press) or is_at_once(other, press) for other in choices)
        # Whatever else asks for another press speaks of other presses, and is to be judged here.
        assert not PRESS_AGAIN.search(press.refused), f"a refusal that nobody judges: {press}"
        return False
