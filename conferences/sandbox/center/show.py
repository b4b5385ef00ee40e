"""Opens the demo with one call of each kind that a newcomer should see.

A call that needs somebody, a hold, a second agent, and a colleague who whispers: the center's own call flow dials her
desk phone and sets her role, as a program beside Floorline may. Later these lines play calls like any other.
"""

from __future__ import annotations

from collections.abc import Callable

from conferences.sandbox.center import directory
from conferences.sandbox.center.directory import DirectoryAgent
from conferences.sandbox.center.floor import Act, Floor, Opening, Story
from conferences.sandbox.center.scene import Scene
from conferences.sandbox.telephony import calls, membership

ORDINARY_S = 200.0
TURNS = ((-170.0, True), (-142.0, False), (-95.0, True), (-50.0, False))
"""When somebody begins to speak, and whether it is the agent."""
ONE_VOICE_UNTIL_S = 150.0
HELD_S, HELD_UNTIL_S = -12.0, 100.0
SECOND_AGENT_S, SECOND_AGENT_UNTIL_S = -30.0, 240.0
COLLEAGUE_S, COLLEAGUE_UNTIL_S = -45.0, 900.0
WHISPERS_S, LISTENS_S = 90.0, 30.0


def openings(floor: Floor) -> tuple[Opening, ...]:
    """Return the calls that a floor opens with."""
    return tuple(
        Opening(team=directory.team_named(agent.team), agent=agent, began_s=began_s, act=_then_ordinary(floor, act))
        for agent, began_s, act in (
            # Begun so long ago that they stand on top of the floor, which begins with the longest.
            (_agent("Ana Ruiz"), 1705.0, _one_voice),
            (_agent("Nadia Haddad"), 1580.0, _colleague),
            (_agent("Jo Lim"), 1490.0, _held),
            (_agent("Priya Nair"), 1380.0, _second_agent),
        )
    )


def _then_ordinary(floor: Floor, act: Callable[[Floor, Scene, list[DirectoryAgent]], Story]) -> Act:
    def play(scene: Scene, taken: list[DirectoryAgent]) -> Story:
        yield from act(floor, scene, taken)
        yield from floor.conversation(scene, taken, length=ORDINARY_S)

    return play


def _one_voice(floor: Floor, scene: Scene, taken: list[DirectoryAgent]) -> Story:
    """Let the customer talk for most of a minute after some turns, and go on."""
    for begins, agents_turn in TURNS:
        yield _until(floor, begins)
        speaker = scene.agents[0] if agents_turn else scene.customer
        if speaker:
            membership.take_floor(floor.world, speaker)
    yield _until(floor, ONE_VOICE_UNTIL_S)


def _held(floor: Floor, scene: Scene, taken: list[DirectoryAgent]) -> Story:
    """Hold the customer from the agent's phone for longer than the limit."""
    leg = scene.agents[0]
    yield _until(floor, HELD_S)
    calls.set_sip_hold(floor.world, leg, held=True)
    yield _until(floor, HELD_UNTIL_S)
    calls.set_sip_hold(floor.world, leg, held=False)


def _second_agent(floor: Floor, scene: Scene, taken: list[DirectoryAgent]) -> Story:
    yield _until(floor, SECOND_AGENT_S)
    leg = yield from floor.bring(scene, taken)
    yield from _talking(floor, scene, floor.started_at + SECOND_AGENT_UNTIL_S / floor.rate)
    if leg and leg.alive:
        floor.let_go(scene, leg, taken)


def _colleague(floor: Floor, scene: Scene, taken: list[DirectoryAgent]) -> Story:
    """Let Mara monitor and whisper to the agent alternately."""
    yield _until(floor, COLLEAGUE_S)
    leg = calls.dial(
        floor.world,
        connection_id=directory.CALLS_CONNECTION_ID,
        from_=directory.FROM_NUMBER,
        to=directory.MARA_SIP.address,
        kind="supervisor",
        label=directory.MARA_SIP.owner,
    )
    yield 1.0
    calls.answer(floor.world, leg)
    if scene.conference is None:
        return
    mara = membership.join(floor.world, scene.conference, leg, role="monitor")
    yield 5.0
    while floor.world.now < floor.started_at + COLLEAGUE_UNTIL_S / floor.rate and mara.status == "joined":
        membership.set_role(floor.world, mara, role="whisper", whisper_to=[scene.agents[0].call_control_id])
        yield from _talking(floor, scene, floor.world.now + WHISPERS_S / floor.rate)
        membership.set_role(floor.world, mara, role="monitor")
        yield from _talking(floor, scene, floor.world.now + LISTENS_S / floor.rate)
    membership.hangup(floor.world, leg)


def _talking(floor: Floor, scene: Scene, until: float) -> Story:
    while floor.world.now < until:
        yield from floor.talk(scene, until=until)


def _until(floor: Floor, seconds: float) -> float:
    """Return how long the story waits until so many seconds after the floor's start; it plays at the floor's rate."""
    return max(0.0, (floor.started_at - floor.world.now) * floor.rate + seconds)


def _agent(name: str) -> DirectoryAgent:
    return next(agent for agent in directory.agents(0) if agent.name == name)
