"""Histories of a floor as webhooks: the sandbox's own stories, and random ones that no call flow would play."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from conferences.sandbox.center import directory
from conferences.sandbox.center.floor import Floor
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import body_of

LEG_EVENTS = (
    *("call.initiated", "call.answered", "call.bridged", "call.enqueued", "call.dequeued", "call.hold"),
    *("call.unhold", "call.dtmf.received", "call.speak.ended", "call.gather.ended", "streaming.started"),
)
CONNECTIONS = (directory.CALLS_CONNECTION_ID, directory.CREDENTIAL_CONNECTION_ID, directory.EAR_CONNECTION_ID)
START = datetime(2026, 8, 21, 14, 0, tzinfo=UTC)


def story(seed: int, *, calls: int = 3, seconds: float = 60, rate: float = 30) -> list[bytes]:
    """Return what the sandbox's floor would post, in the order in which it happened."""
    world = World(seed=seed, now=START.timestamp())
    Floor(world, calls_wanted=calls, rate=rate).start()
    world.advance(world.now + seconds)
    return [body_of(event, attempt=1) for event in world.outbox]


@dataclass
class Invention:
    """A random history: joins, leaves, rejoins, moves, hang-ups and ends, at times that often coincide."""

    chance: Random
    bodies: list[bytes] = field(default_factory=list)
    conferences: int = 2
    legs: int = 4

    def tell(self, length: int) -> list[bytes]:
        """Return so many events."""
        weights = {"joined": 5, "left": 4, "leg": 4, "floor": 2, "hangup": 1, "ended": 0.6, "created": 1}
        for _ in range(length):
            [what] = self.chance.choices(list(weights), list(weights.values()))
            getattr(self, f"_{what}")()
        return self.bodies

    def _joined(self) -> None:
        self._say("conference.participant.joined", **self._both())

    def _left(self) -> None:
        self._say("conference.participant.left", **self._both())

    def _floor(self) -> None:
        self._say("conference.floor.changed", **self._both())

    def _created(self) -> None:
        self._say("conference.created", **self._both())

    def _ended(self) -> None:
        reason = self.chance.choice(["all_left", "host_left", "time_exceeded"])
        self._say("conference.ended", **self._both(), reason=reason)

    def _hangup(self) -> None:
        cause = self.chance.choice(["normal_clearing", "timeout"])
        self._say("call.hangup", **self._leg_ids(), hangup_cause=cause)

    def _leg(self) -> None:
        name = self.chance.choice(LEG_EVENTS)
        agent = self.chance.choice(directory.TEAMS[0].agents)
        more: dict[str, object] = {
            "from": self.chance.choice(["+13125550101", f"sip:{agent.sip_username}@sip.telnyx.com"]),
            "to": self.chance.choice(["+18005550199", f"sip:{agent.sip_username}@sip.telnyx.com"]),
            "direction": self.chance.choice(["incoming", "outgoing"]),
            "queue": "billing",
            "digit": "1",
        }
        self._say(name, **self._leg_ids(), **more)

    def _both(self) -> dict[str, object]:
        return self._leg_ids() | {"conference_id": f"conference-{self.chance.randrange(self.conferences)}"}

    def _leg_ids(self) -> dict[str, object]:
        number = self.chance.randrange(self.legs)
        ids = {"call_control_id": f"v3:leg-{number}", "call_leg_id": f"leg-{number}"}
        return {**ids, "connection_id": CONNECTIONS[number % 3]}

    def _say(self, event_type: str, **payload: object) -> None:
        at = START + timedelta(seconds=self.chance.randrange(12), microseconds=self.chance.choice([0, 1]))
        data = {
            "event_type": event_type,
            "id": f"event-{len(self.bodies)}-{self.chance.getrandbits(32):08x}",
            "occurred_at": at.isoformat(),
            "payload": payload,
        }
        self.bodies.append(json.dumps({"data": data}).encode())


def disturbed(bodies: Sequence[bytes], chance: Random) -> list[list[bytes]]:
    """Return the same webhooks shuffled, some doubled, in batches of random sizes."""
    again = [body for body in bodies for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    chance.shuffle(again)
    batches: list[list[bytes]] = []
    while again:
        size = chance.choice([1, 1, 2, 3, 8, 40])
        batches.append(again[:size])
        again = again[size:]
    return batches
