"""Random shifts of a supervisor under a Telnyx that fails: what is clicked, how it ends, and who hears whom meanwhile.

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

from conferences.models import (
    AuditEntry,
    Command,
    Conference,
    Ear,
    Leg,
    Participant,
    Presence,
    SupervisorSession,
    TeamMembership,
    WebhookEvent,
)
from conferences.models.supervision import Role
from conferences.sandbox import directory, hearing
from conferences.sandbox.api import Answer, Request
from conferences.supervision import Refused, disconnect, leave, quieter
from tests.supervision.conftest import STEP, Call, Floor, InProcess

FAULTY = 0.3
ROWS = (AuditEntry, Command, SupervisorSession, Ear, Presence, Participant, Leg, Conference, WebhookEvent)
# How long is watched after the stop; longer where a request is still to be executed, twenty seconds after it was sent.
WATCHED_SECONDS = 13.0
STILL_WATCHED_SECONDS = 30.0
AGENTS = ("Ana Ruiz", "Max Falk")
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
    """How one shift ended. `audible` are the stretches after the stop, in seconds, in which somebody heard Kim."""

    seed: int
    stop: str
    story: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    audible: list[float] = field(default_factory=list)
    left_audible: bool = False

    @property
    def silent_after(self) -> float:
        """The longest that somebody heard Kim at a stretch after the stop."""
        return max(self.audible, default=0.0)


class Hearing:
    """Notes at every tick who hears Kim."""

    def __init__(self, floor: Floor, call: Call) -> None:
        self.floor, self.call = floor, call
        self.times: list[tuple[datetime, bool]] = []

    def look(self) -> None:
        self.times.append((self.floor.now, bool(self.listeners())))

    def listeners(self) -> set[str]:
        conference = self.call.scene.conference
        assert conference is not None
        matrix = hearing.matrix(conference, semantics=self.floor.world.semantics)
        mine = {
            key
            for key, stay in conference.participants.items()
            if stay.leg.connection_id == directory.EAR_CONNECTION_ID
        }
        return {listener for listener, heard in matrix.items() if mine & set(heard)}

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


def play(floor: Floor, kim: User, http: FaultyHttp, *, seed: int) -> Outcome:
    """Play one shift: Kim comes in, speaks, and stops, while Telnyx fails three times in ten."""
    chance = Random(seed)
    http.chance, http.rate, http.struck = Random(f"{seed}/faults"), 0.0, []
    _clear(floor)
    _allow(kim, allowed=True)
    semantics = floor.world.semantics
    semantics.whisper = chance.choice(["allow-list", "deny-list"])
    semantics.monitor_reads_muted = chance.random() < 0.5
    call = floor.call(agents=AGENTS)
    ears = Hearing(floor, call)
    floor.watch = ears.look
    stops: dict[str, Callable[[], None]] = {
        "quieter": lambda: quieter(user=kim, now=floor.now),
        "leave": lambda: leave(user=kim, now=floor.now),
        "disconnect": lambda: disconnect(user=kim, now=floor.now),
        "right lost": lambda: _allow(kim, allowed=False),
    }
    outcome = Outcome(seed=seed, stop=chance.choice(list(stops)))
    if chance.random() < 0.7:
        call.choose(kim, Role.MONITOR)
        _wait(floor, kim, 5)
    http.rate = FAULTY
    for _ in range(chance.randint(1, 4)):
        _click(call, kim, chance, outcome)
        _wait(floor, kim, chance.uniform(0.25, 6))
    stopped_at = floor.now
    stops[outcome.stop]()
    _wait(floor, kim, WATCHED_SECONDS)
    if "very late" in http.struck or ears.listeners():
        _wait(floor, kim, STILL_WATCHED_SECONDS)
    outcome.audible, outcome.left_audible = ears.stretches(stopped_at), bool(ears.listeners())
    outcome.faults = http.struck
    http.rate, floor.watch = 0.0, None
    return outcome


def _click(call: Call, kim: User, chance: Random, outcome: Outcome) -> None:
    role = chance.choice([Role.WHISPER, Role.WHISPER, Role.BARGE, Role.NONE, Role.MONITOR])
    known = [name for name in AGENTS if name in call.legs()]
    targets = chance.sample(known, chance.randint(1, len(known))) if role == Role.WHISPER else []
    outcome.story.append(f"{role} {targets}")
    try:
        call.choose(kim, role, *targets)
    except Refused as refused:
        outcome.story.append(refused.sentence)


def _wait(floor: Floor, kim: User, seconds: float) -> None:
    # The page stays open: here nothing but the stop may bring silence.
    until = floor.world.now + seconds
    while floor.world.now < until:
        Presence.objects.update_or_create(user=kim, defaults={"seen_at": floor.now})
        floor.wait(1)


def _clear(floor: Floor) -> None:
    for model in ROWS:
        model.objects.all().delete()
    floor.begin_again()


def _allow(kim: User, *, allowed: bool) -> None:
    TeamMembership.objects.filter(user=kim).update(may_monitor=allowed, may_whisper=allowed, may_barge=allowed)
