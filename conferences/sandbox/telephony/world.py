"""Holds the sandbox's clock, ids, registers and outgoing webhooks, without any input or output."""

from __future__ import annotations

import heapq
import itertools
import random
import uuid
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from conferences.sandbox.telephony.state import SandboxConference, SandboxLeg, Semantics, WebhookSent, iso

CALL_KEPT_S = 600.0
"""An ended call can be read for ten minutes (docs of GET /calls/{call_control_id})."""
CONFERENCE_KEPT_S = 3600.0
CONFERENCE_LIFE_S = 4 * 3600.0
_TIE_US = 1_000

_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class LiveLegs:
    """The living legs of one connection in the order they began, seekable by serial number."""

    def __init__(self) -> None:
        self.count = 0
        self._legs: list[SandboxLeg] = []

    def add(self, leg: SandboxLeg) -> None:
        self._legs.append(leg)
        self.count += 1

    def remove_one(self) -> None:
        self.count -= 1
        if len(self._legs) > 64 and self.count * 2 < len(self._legs):
            self._legs = [leg for leg in self._legs if leg.alive]

    def after(self, serial: int) -> Iterator[SandboxLeg]:
        start = bisect_right(self._legs, serial, key=lambda leg: leg.serial)
        return (leg for leg in itertools.islice(self._legs, start, None) if leg.alive)

    def before(self, serial: int) -> Iterator[SandboxLeg]:
        index = bisect_right(self._legs, serial - 1, key=lambda leg: leg.serial) - 1
        while index >= 0:
            if self._legs[index].alive:
                yield self._legs[index]
            index -= 1


class World:
    def __init__(
        self, *, seed: int, now: float, webhook_url: str = "http://127.0.0.1/", semantics: Semantics | None = None
    ) -> None:
        self.now = now
        self.seed = seed
        self.webhook_url = webhook_url
        self.semantics = semantics or Semantics()
        self.region = "US"
        """The region of its conferences, as requests name it."""
        self.conferences: dict[str, SandboxConference] = {}
        self.active: dict[str, SandboxConference] = {}
        self.ended: dict[str, SandboxConference] = {}
        self.by_name: dict[str, list[SandboxConference]] = {}
        self.legs: dict[str, SandboxLeg] = {}
        self.live: dict[str, LiveLegs] = {}
        self.queues: dict[str, dict[str, SandboxLeg]] = {}
        self.queue_waits: dict[str, tuple[int, float]] = {}
        self.outbox: deque[WebhookSent] = deque()
        self.ended_legs: deque[SandboxLeg] = deque()
        # Ids also depend on the start: a second run of the same story must not repeat the event ids of the first,
        # which a receiver would rightly drop as duplicates.
        self._ids = random.Random(f"{seed}/{now}")
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = itertools.count(1)
        self._stamped = 0

    # Time

    def schedule(self, at: float, do: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._heap, (at, next(self._serial), do, args))

    def after(self, delay_s: float, do: Callable[..., None], *args: Any) -> None:
        self.schedule(self.now + delay_s, do, *args)

    def stand_still(self) -> None:
        """Cancel everything that is scheduled."""
        self._heap.clear()

    def due_at(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def advance(self, to: float, *, budget: int | None = None) -> bool:
        """Do what is due until `to`, at most `budget` steps; return whether everything due was done."""
        steps = itertools.count() if budget is None else iter(range(budget))
        for _ in steps:
            if not self._heap or self._heap[0][0] > to:
                break
            self.now, _serial, do, args = heapq.heappop(self._heap)
            do(*args)
        self.now = to
        self._forget(to)
        return not self._heap or self._heap[0][0] > to

    def stamp(self) -> float:
        """Return the present moment, a microsecond later than the last one if both would be the same."""
        at = round(self.now * 1_000_000)
        if 0 <= self._stamped - at < _TIE_US:
            at = self._stamped + 1
        self._stamped = at
        return at / 1_000_000

    # Ids

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def leg_uuid(self) -> str:
        """Leg and session ids look like version 1 uuids of one host."""
        return f"{self._ids.getrandbits(32):08x}-53da-11f1-{self._ids.getrandbits(14) | 0x8000:04x}-02420aef271f"

    def call_control_id(self) -> str:
        return "v3:" + "".join(self._ids.choices(_ID_ALPHABET, k=54))

    def serial(self) -> int:
        return next(self._serial)

    # Registers

    def add_leg(self, leg: SandboxLeg) -> None:
        self.legs[leg.call_control_id] = leg
        self.live.setdefault(leg.connection_id, LiveLegs()).add(leg)

    def retire_leg(self, leg: SandboxLeg) -> None:
        self.live[leg.connection_id].remove_one()
        self.ended_legs.append(leg)

    def add_conference(self, conference: SandboxConference) -> None:
        self.conferences[conference.id] = conference
        self.active[conference.id] = conference
        self.by_name.setdefault(conference.name, []).append(conference)

    def retire_conference(self, conference: SandboxConference) -> None:
        del self.active[conference.id]
        self.ended[conference.id] = conference

    def conference_named(self, name: str) -> SandboxConference | None:
        """Return the living conference of that name, else the latest ended one."""
        same = self.by_name.get(name, [])
        return next((conference for conference in same if conference.alive), same[-1] if same else None)

    # Webhooks

    def emit(self, event_type: str, payload: dict[str, Any], *, leg: SandboxLeg, at: float | None = None) -> None:
        self.outbox.append(
            WebhookSent(
                id=self.uuid(),
                type=event_type,
                occurred_at=iso(self.stamp() if at is None else at),
                payload=payload,
                url=leg.webhook_url or self.webhook_url,
            )
        )

    def _forget(self, now: float) -> None:
        while self.ended_legs and (self.ended_legs[0].ended_at or 0) < now - CALL_KEPT_S:
            del self.legs[self.ended_legs.popleft().call_control_id]
        while self.ended:
            oldest = next(iter(self.ended.values()))
            if (oldest.ended_at or 0) > now - CONFERENCE_KEPT_S:
                break
            del self.ended[oldest.id], self.conferences[oldest.id]
            same = self.by_name[oldest.name]
            same.remove(oldest)
            if not same:
                del self.by_name[oldest.name]
