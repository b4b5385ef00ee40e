"""Plays the demo's calls: customers call or are called, wait, talk, are held or transferred, and hang up."""

from __future__ import annotations

import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial

from conferences.sandbox.center import directory
from conferences.sandbox.center.directory import DirectoryAgent, DirectoryTeam
from conferences.sandbox.center.scene import Scene
from conferences.sandbox.telephony import calls, membership
from conferences.sandbox.telephony.state import SandboxLeg
from conferences.sandbox.telephony.world import World

MEDIAN_TALK_S = 270.0
TALK_SPREAD = 0.7
"""Sigma of the log-normal: most calls take minutes, a few the better part of an hour."""
BETWEEN_CALLS_S = 12.0
IDLE_SHARE = 0.07
"""Share of a line's time without a conference: between calls, ringing, in the queue."""
SPEECH_BEFORE_START_S = 20.0
"""Changes of speaker are sent for this long before the start; earlier ones would be thousands of useless webhooks."""
HEARD_CALLS = 500
"""The most calls whose changes of speaker are sent, drawn by lot on a larger floor: for ten thousand these alone would
be 1,100 webhooks a second, which no two cores send, take in and show."""

Story = Generator[float, None, None]
Act = Callable[[Scene, list[DirectoryAgent]], Story]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A call that a floor begins with, and what happens in it once an agent has answered."""

    team: DirectoryTeam
    agent: DirectoryAgent
    began_s: float
    """Seconds before the floor's start."""
    act: Act


class Floor:
    """A number of lines, each of which plays one call after another without end."""

    def __init__(
        self, world: World, *, calls_wanted: int, rate: float, held_up: Callable[[], bool] = lambda: False
    ) -> None:
        self.world = world
        self.held_up = held_up
        self.rate = rate
        self.lines = round(calls_wanted * (1 + IDLE_SHARE)) if calls_wanted > 4 else calls_wanted
        self.calls_wanted = calls_wanted
        self.heard_share = min(1.0, HEARD_CALLS / calls_wanted) if calls_wanted else 1.0
        self.random = random.Random(f"{world.seed}/story")
        self.free: dict[str, list[DirectoryAgent]] = {team.name: [] for team in directory.TEAMS}
        for agent in directory.agents(math.ceil(self.lines * 1.35) + 8 if self.lines else 0):
            self.free[agent.team].append(agent)
        start = self.random.randrange(1000, 4000)
        self._numbers = {team.name: itertools.count(start + 700 * n) for n, team in enumerate(directory.TEAMS)}
        self.started_at = -math.inf
        self._speech_from = -math.inf

    def start(self, *, first: Sequence[Opening] = ()) -> None:
        """Begin with the wanted calls in progress, played from their beginnings up to now; `first` come as given."""
        now = self.started_at = self.world.now
        self._speech_from = now - SPEECH_BEFORE_START_S / self.rate
        for opening in first:
            self.free[opening.team.name].remove(opening.agent)  # until their call begins
            self.world.schedule(now - opening.began_s / self.rate, self._begin_as_told, opening)
        for line in range(len(first), self.lines):
            if line >= self.calls_wanted:
                self._pause(now, self.random.expovariate(1 / BETWEEN_CALLS_S))
                continue
            # Calls in progress are longer than the average call, so the log-normal is weighted by its own length.
            length = self._talk_s(biased=True)
            began = now - length * self.random.uniform(0.03, 0.93) / self.rate
            self.world.schedule(began, self._begin, length)

    def _begin(self, length: float) -> None:
        if self.held_up():  # if the receiver falls behind, fewer calls begin instead of events arriving late
            self._pause(self.world.now, self.random.expovariate(1 / BETWEEN_CALLS_S))
            return
        team = self.random.choice(directory.TEAMS)
        name = f"{team.name}-{next(self._numbers[team.name])}"
        scene = Scene(world=self.world, name=name, team=team, heard=self._is_heard())
        inbound = self.random.random() < 0.82
        talk = partial(self.conversation, length=length)
        self._step(self._inbound(scene, talk) if inbound else self._outbound(scene, talk), scene)

    def _begin_as_told(self, opening: Opening) -> None:
        self.free[opening.team.name].append(opening.agent)  # the last one is taken first
        scene = Scene(
            world=self.world, name=f"{opening.team.name}-{next(self._numbers[opening.team.name])}", team=opening.team
        )
        self._step(self._inbound(scene, opening.act, agent=opening.agent), scene)

    def _is_heard(self) -> bool:
        # Nothing is drawn if all calls are included, so that a seed gives a small floor the same calls as before.
        return self.heard_share == 1.0 or self.random.random() < self.heard_share

    def _step(self, story: Story, scene: Scene) -> None:
        if scene.over:
            story.close()
        else:
            delay = next(story, None)
            if delay is not None:
                self.world.after(delay / self.rate, self._step, story, scene)
                return
        self._pause(self.world.now, self.random.expovariate(1 / BETWEEN_CALLS_S))

    def _pause(self, now: float, idle_s: float) -> None:
        self.world.schedule(now + idle_s / self.rate, self._begin, self._talk_s())

    # The two ways a call begins

    def _inbound(self, scene: Scene, talk: Act, *, agent: DirectoryAgent | None = None) -> Story:
        customer = scene.arrive(self._customer_number())
        yield self.random.uniform(0.4, 0.8)
        scene.greet(customer)
        taken: list[DirectoryAgent] = []
        try:
            yield self.random.uniform(1, 3) + self.random.expovariate(1 / 9)
            while not self.free[scene.team.name]:
                yield 0.5
            leg = scene.ring(self._take(scene.team, taken, agent=agent))
            yield self.random.uniform(1.2, 4.0)
            scene.connect(leg)
            yield from talk(scene, taken)
        finally:
            self._wind_up(scene, taken)

    def _outbound(self, scene: Scene, talk: Act) -> Story:
        taken: list[DirectoryAgent] = []
        number = self._customer_number()
        try:
            while not self.free[scene.team.name]:
                yield 1.0
            agent = self._take(scene.team, taken)
            leg = scene.call_out(agent, number)
            yield self.random.uniform(0.2, 0.5)
            customer = scene.reach(number, leg, agent)
            yield self.random.uniform(4, 14)
            scene.reached(customer)
            yield from talk(scene, taken)
        finally:
            self._wind_up(scene, taken)

    # Inside a conference

    def conversation(self, scene: Scene, taken: list[DirectoryAgent], *, length: float) -> Story:
        """Play an ordinary conversation of so many seconds, with randomly chosen events."""
        ends_at = self.world.now + length / self.rate
        events = sorted(((self.random.uniform(0.15, 0.85), act) for act in self._plot()), key=lambda event: event[0])
        upcoming = deque((self.world.now + share * length / self.rate, act) for share, act in events)
        while self.world.now < ends_at:
            if upcoming and self.world.now >= upcoming[0][0]:
                yield from upcoming.popleft()[1](scene, taken)
            yield from self.talk(scene, until=min(ends_at, upcoming[0][0] if upcoming else ends_at))

    def _plot(self) -> list[Act]:
        chances: tuple[tuple[float, Act], ...]
        chances = ((0.30, self._hold), (0.12, self._phone_hold), (0.14, self._transfer), (0.10, self._second_agent))
        return [act for chance, act in chances if self.random.random() < chance]

    def talk(self, scene: Scene, *, until: float) -> Story:
        """Let the participants speak in turn, at most until `until`."""
        pause = self.random.lognormvariate(1.9, 0.8)
        left = (until - self.world.now) * self.rate
        if self.world.now < self._speech_from:
            yield max(0.01, min(left, (self._speech_from - self.world.now) * self.rate + pause))
            return
        # Telnyx names a new speaker, never the same one again.
        speakers = [
            leg for leg in (scene.customer, *scene.agents) if leg and leg is not scene.spoke and _can_speak(leg)
        ]
        if speakers and scene.heard:
            scene.spoke = self.random.choice(speakers)
            membership.take_floor(self.world, scene.spoke)
        yield max(0.01, min(left, pause))

    def _hold(self, scene: Scene, taken: list[DirectoryAgent]) -> Story:
        """Hold the customer by the API, as an agent's desktop does; Telnyx sends no webhook for this."""
        participant = scene.customer and scene.customer.participant
        if participant:
            membership.set_hold(self.world, [participant], on_hold=True)
            yield self.random.uniform(8, 70)
            membership.set_hold(self.world, [participant], on_hold=False)

    def _phone_hold(self, scene: Scene, taken: list[DirectoryAgent]) -> Story:
        leg = scene.agents[0]
        calls.set_sip_hold(self.world, leg, held=True)
        yield self.random.uniform(5, 40)
        calls.set_sip_hold(self.world, leg, held=False)

    def _second_agent(self, scene: Scene, taken: list[DirectoryAgent]) -> Story:
        leg = yield from self.bring(scene, taken)
        if leg:
            until = self.world.now + self.random.uniform(30, 150) / self.rate
            while self.world.now < until:
                yield from self.talk(scene, until=until)
            self.let_go(scene, leg, taken)

    def _transfer(self, scene: Scene, taken: list[DirectoryAgent]) -> Story:
        first = scene.agents[0]
        leg = yield from self.bring(scene, taken)
        if leg:
            yield self.random.uniform(3, 25)
            self.let_go(scene, first, taken)

    def bring(self, scene: Scene, taken: list[DirectoryAgent]) -> Generator[float, None, SandboxLeg | None]:
        """Ring one more agent and let them in; None if no agent is free."""
        if not self.free[scene.team.name]:
            return None
        leg = scene.ring(self._take(scene.team, taken))
        yield self.random.uniform(1.2, 4.0)
        if not leg.alive:
            return None
        scene.connect(leg)
        return leg

    # Agents and endings

    def _take(
        self, team: DirectoryTeam, taken: list[DirectoryAgent], *, agent: DirectoryAgent | None = None
    ) -> DirectoryAgent:
        free = self.free[team.name]
        index = free.index(agent) if agent in free else self.random.randrange(len(free))
        free[index], free[-1] = free[-1], free[index]
        taken.append(free.pop())
        return taken[-1]

    def let_go(self, scene: Scene, leg: SandboxLeg, taken: list[DirectoryAgent]) -> None:
        scene.release(leg)
        agent = next(agent for agent in taken if agent.name == leg.label)
        taken.remove(agent)
        self.free[agent.team].append(agent)

    def _wind_up(self, scene: Scene, taken: list[DirectoryAgent]) -> None:
        scene.finish()
        for agent in taken:
            self.free[agent.team].append(agent)
        if scene.customer and scene.customer.answered_at and self.random.random() < 0.5:
            self.world.after(4.0, calls.bill, self.world, scene.customer)

    def _talk_s(self, *, biased: bool = False) -> float:
        mean = math.log(MEDIAN_TALK_S) + (TALK_SPREAD**2 if biased else 0.0)
        return min(5400.0, max(35.0, self.random.lognormvariate(mean, TALK_SPREAD)))

    def _customer_number(self) -> str:
        """Return a number of a range kept for fiction, or one that no network assigns."""
        digits = self.random.randrange(1000)
        pattern = self.random.choice(directory.CUSTOMER_NUMBERS)
        return pattern.format(d3=f"{digits:03d}", d2=f"{digits % 100:02d}")


def _can_speak(leg: SandboxLeg) -> bool:
    participant = leg.participant
    return participant is not None and not participant.on_hold and not participant.muted and not leg.sip_held
