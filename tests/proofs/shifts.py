"""Random shifts of a supervisor under a Telnyx that fails: what is pressed, when it is stopped, and who hears it.

Unlike in the other tests time passes while a request hangs: the client waits as long as it really would, and meanwhile
everything runs on whose thread is not the waiting one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import requests
from django.contrib.auth.models import User

from conferences.models import Presence, TeamMembership
from conferences.sandbox.rest.router import Answer, Request
from tests.supervision.conftest import STEP, Floor, InProcess

from .acts import AGENTS, POINTS_OF_A_CHANGE, POINTS_OF_A_HOP, STALL_SECONDS, forget_rows
from .clockwork import Clockwork
from .hands import WAYS, Hands

FAULTY = 0.3
# The time watched after the stop; longer where a request is still to be executed, twenty seconds after it was sent.
WATCHED_SECONDS = 13.0
STILL_WATCHED_SECONDS = 30.0
KINDS = ("lost", "answer lost", "late", "very late", "reset", "reset after", "429", "500", "503", "422", "lie", "slow")


class FaultyHttp(InProcess):
    """Three requests in ten go wrong, each in its own time."""

    def __init__(self, floor: Floor, chance: Random) -> None:
        super().__init__(floor)
        self.chance = chance
        self.rate = 0.0
        self.struck: list[str] = []

    def answer(self, asked: Request, *, patience: Any) -> Answer:
        if self.chance.random() >= self.rate:
            return self.floor.api.handle(asked)
        kind = self.chance.choice(KINDS)
        self.struck.append(kind)
        reading = asked.method == "GET"
        _connect, seconds = patience
        match kind:
            case "lost":
                return self._hang(seconds)
            case "answer lost":
                self.floor.api.handle(asked)
                return self._hang(seconds)
            case "late" | "very late":
                self.floor.world.after(1.5 if kind == "late" else 20.0, self.execute_late, asked)
                return self._hang(seconds)
            case "reset":
                raise requests.ConnectionError("reset")
            case "reset after":
                self.floor.api.handle(asked)
                raise requests.ConnectionError("reset after it was executed")
            case "503":
                self.floor.api.handle(asked)
                return Answer(503, {}, ())
            case "lie" if not reading:
                return Answer(200, {"data": {"result": "ok"}}, ())
            case "slow":
                answer = self.floor.api.handle(asked)
                self._pass(min(2.0, seconds))
                if seconds <= 2.0:
                    raise requests.ReadTimeout("too slow")
                return answer
            case "429":
                return Answer(429, {"errors": [{"code": "10011", "title": ""}]}, (("x-ratelimit-reset", "1"),))
            case "422" if not reading:
                return Answer(422, {"errors": [{"code": "10004", "title": ""}]}, ())
        return Answer(500, {}, ())

    def _hang(self, seconds: float) -> Answer:
        self._pass(seconds)
        raise requests.ReadTimeout("no answer")

    def _pass(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.floor.tick()


@dataclass
class Outcome:
    """The end of one shift. `audible` are the stretches after the stop, in seconds, in which somebody heard Kim."""

    seed: int
    way: str = ""
    moment: str = ""
    story: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    audible: list[float] = field(default_factory=list)
    left_audible: bool = False
    left_inside: bool = False

    @property
    def silent_after(self) -> float:
        """The longest that somebody heard Kim at a stretch after the stop."""
        return max(self.audible, default=0.0)


class Hearing:
    """Notes at every tick whether anybody hears Kim, and lets what was pressed arrive."""

    def __init__(self, floor: Floor, hands: Hands) -> None:
        self.floor, self.hands = floor, hands
        self.times: list[tuple[datetime, bool]] = []

    def look(self) -> None:
        self.times.append((self.floor.now, self.anybody()))
        self.hands.deliver()

    def anybody(self) -> bool:
        return any(self.hands.who_hears(call) for call in self.hands.calls)

    def stretches(self, since: datetime) -> list[float]:
        """Return how long Kim was heard at a stretch, counted from `since` on."""
        found, began = [], None
        for at, heard in [(at, heard) for at, heard in self.times if at >= since] + [(self.floor.now, False)]:
            if heard and began is None:
                began = max(since, at)
            elif not heard and began is not None:
                found.append((at - began).total_seconds())
                began = None
        return found


@dataclass
class Play:
    """One shift: Kim comes in, speaks, and stops, while Telnyx fails three times in ten."""

    floor: Floor
    kim: User
    http: FaultyHttp
    clockwork: Clockwork
    seed: int

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.http.chance, self.http.rate, self.http.struck = Random(f"{self.seed}/faults"), 0.0, []
        forget_rows()
        self.floor.begin_again()
        self.allow(granted=True)
        semantics = self.floor.world.semantics
        semantics.whisper = self.chance.choice(["allow-list", "deny-list"])
        semantics.monitor_reads_muted = self.chance.random() < 0.5
        calls = {name: self.floor.call(agents=agents) for name, agents in AGENTS.items()}
        self.hands = Hands(floor=self.floor, user=self.kim, calls=calls, chance=self.chance)
        self.ears = Hearing(self.floor, self.hands)
        self.floor.watch = self.ears.look
        self.outcome = Outcome(seed=self.seed)
        self.stopped_at: datetime | None = None

    def run(self) -> Outcome:
        """Play it, and return how it ended."""
        outcome, chance = self.outcome, self.chance
        if chance.random() < 0.7:
            self.hands.press("monitor", "first")
            self.wait(5)
        self.http.rate = FAULTY
        for _ in range(chance.randint(1, 4)):
            self.press_louder()
            self.wait(chance.uniform(0.25, 6))
        outcome.moment = chance.choice(list(MOMENTS))
        outcome.way = chance.choice(WAYS if outcome.moment in {"late", "stop stands still"} else (*WAYS, "right lost"))
        MOMENTS[outcome.moment](self)
        assert self.stopped_at is not None
        self.wait(WATCHED_SECONDS)
        if "very late" in self.http.struck or self.ears.anybody():
            self.wait(STILL_WATCHED_SECONDS)
        outcome.audible, outcome.left_audible = self.ears.stretches(self.stopped_at), self.ears.anybody()
        inside = any(self.hands.own_legs(call) for call in self.hands.calls)
        outcome.left_inside = inside and outcome.way in {"leave", "disconnect", "*9", "note"}
        outcome.story = [str(press) for press in self.hands.presses.received]
        outcome.faults = self.http.struck
        self.http.rate, self.floor.watch = 0.0, None
        return outcome

    # --- the moments of a stop ----------------------------------------------------------------------------------------

    def at_rest(self) -> None:
        self.stop()

    def in_a_hop(self) -> None:
        """Stop at any moment of the way from one call to the other."""
        there = "second" if self.hands.call_inside() == "first" else "first"
        self.stand_still(lambda: self.press_louder(there), self.stop, points=POINTS_OF_A_HOP)

    def in_a_change(self) -> None:
        """Stop while a change of role stands still somewhere."""
        self.stand_still(self.press_louder, self.stop, points=POINTS_OF_A_CHANGE)

    def before_a_late_press(self) -> None:
        """Stop before something louder that was pressed earlier reaches us."""
        self.press_louder(late=self.chance.uniform(0.25, 6), page=self.hands.pages[0])
        self.wait(self.chance.choice([0, 0.25]))
        self.stop()

    def while_the_stop_stands_still(self) -> None:
        """Let the stop stand still, while the louder press before it arrives."""
        self.press_louder(late=self.chance.choice([0.25, 0.5]), page=self.hands.pages[0])
        self.stand_still(self.stop, lambda: None, points=POINTS_OF_A_CHANGE, seconds=0.65)

    # --- what is pressed ----------------------------------------------------------------------------------------------

    def press_louder(self, call: str = "", **how: Any) -> None:
        call = call or self.hands.call_inside() or "first"
        role = self.chance.choice(["whisper", "whisper", "barge", "none", "monitor"])
        known = [name for name in AGENTS[call] if name in self.hands.calls[call].legs()]
        targets = self.chance.sample(known, self.chance.randint(1, len(known))) if role == "whisper" and known else []
        self.hands.press(role, call, *targets, **how)

    def stop(self) -> None:
        """Stop in the chosen way; where it is not open, leave."""
        self.stopped_at = self.floor.now
        page = self.hands.pages[0]
        if self.outcome.way == "right lost":
            self.allow(granted=False)
        elif self.hands.stop(self.outcome.way, page=page) is None:
            self.outcome.way = "leave"
            self.hands.stop("leave", page=page)

    def stand_still(
        self, request: Callable[[], None], meanwhile: Callable[[], None], *, points: int, seconds: float | None = None
    ) -> None:
        """Make a request that stands still at a random point, while something is pressed in that time."""
        seconds = seconds or self.chance.uniform(*STALL_SECONDS)
        before = self.chance.uniform(0, seconds)
        stood = []

        def stall(point: str) -> None:
            stood.append(point)
            self.outcome.moment += f", {point}, {seconds:.2f} s"
            self.wait(before)
            meanwhile()
            self.wait(seconds - before)

        with self.clockwork.request(stands_still_at=self.chance.randrange(points), stand_still=stall):
            request()
        if not stood:
            meanwhile()

    def wait(self, seconds: float) -> None:
        # The page stays open: here nothing but the stop may bring silence.
        until = self.floor.world.now + seconds
        while self.floor.world.now < until:
            Presence.objects.update_or_create(user=self.kim, defaults={"seen_at": self.floor.now})
            self.floor.wait(min(1, max(STEP, until - self.floor.world.now)))

    def allow(self, *, granted: bool) -> None:
        TeamMembership.objects.filter(user=self.kim).update(may_monitor=granted, may_whisper=granted, may_barge=granted)


MOMENTS: dict[str, Callable[[Play], None]] = {
    "at rest": Play.at_rest,
    "hop": Play.in_a_hop,
    "change": Play.in_a_change,
    "late": Play.before_a_late_press,
    "stop stands still": Play.while_the_stop_stands_still,
}
