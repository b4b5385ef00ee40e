"""The Telnyx that the facts are held against: a sandbox over HTTP, or a real account where somebody agreed to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from conferences.probe import Capture, ProbePhones
from conferences.probe.client import ProbeClient
from conferences.probe.legs import TestLegs, in_short
from conferences.recognition.probes import client_state_of_probe, name_of_probe
from conferences.sandbox.center import directory
from conferences.sandbox.rest.router import Api, RateLimit
from conferences.sandbox.serving.loopback import loopback
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.world import World
from conferences.telnyx.errors import Rejected
from conferences.telnyx.reads import ParticipantRead
from conferences.telnyx.roles import MyLeg, RoleNone, SupervisorRole
from conferences.telnyx.transport import Exchange

from .agreement import AGREED, NEEDED

ANSWER_SECONDS = 45


@dataclass
class Scene:
    """An agent's and a supervisor's leg, both the suite's own, and a conference that the agent's leg has opened."""

    client: ProbeClient
    exchanges: list[Exchange]
    wait: Callable[[float], None]
    phones: ProbePhones
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    conference: str = ""
    refused_before_the_answer: str = ""

    def __post_init__(self) -> None:
        self.legs = TestLegs(client=self.client, phones=self.phones, run=self.run, capture=Capture())

    @property
    def mark(self) -> str:
        return client_state_of_probe(self.run)

    @property
    def mine(self) -> MyLeg:
        return self.legs["supervisor"]

    def open(self) -> None:
        """Ring both phones; open the conference once the agent's was answered, and wait for the supervisor's."""
        self.legs.dial("agent")
        self.legs.dial("supervisor")
        self._until_answered(self._create)
        self._until_answered(lambda: self.join(RoleNone()))

    def join(self, role: SupervisorRole) -> None:
        self.client.join(command_id=uuid4(), conference_id=self.conference, my_leg=self.mine, role=role)

    def enter(self, role: SupervisorRole) -> ParticipantRead:
        """Bring the supervisor's leg in anew, in this role; return how it reads."""
        self.go_out()
        self.join(role)
        return self.inside()

    def set_role(self, role: SupervisorRole, *, command_id: Any = None) -> None:
        self.client.set_role(
            command_id=command_id or uuid4(), conference_id=self.conference, my_leg=self.mine, role=role
        )

    def go_out(self) -> None:
        """Take the supervisor's leg out, if it is inside."""
        try:
            self.client.leave(command_id=uuid4(), conference_id=self.conference, my_leg=self.mine)
        except Rejected:
            return
        self.wait(1.5)

    def inside(self) -> ParticipantRead:
        """Read the supervisor's participant, which must be inside."""
        self.wait(1.5)
        [mine] = [read for read in self.client.participants(self.conference) if read.call_control_id == self.mine]
        return mine

    def last_answer(self) -> Mapping[str, Any]:
        return self.exchanges[-1].answer

    def close(self) -> None:
        assert self.legs.hang_up_all(pause=self.wait) == 0, "a test call may still be up: hang up the phones by hand"

    def _create(self) -> None:
        name = name_of_probe(self.run)
        self.conference = self.client.create_conference(leg=self.legs["agent"], name=name, mark=self.mark)

    def _until_answered(self, do: Callable[[], None]) -> None:
        for _second in range(ANSWER_SECONDS):
            try:
                return do()
            except Rejected as error:
                self.refused_before_the_answer = self.refused_before_the_answer or in_short(error)
                if error.code != "90034":
                    raise
                self.wait(1)
        raise AssertionError("the phones were not answered")


@contextmanager
def scene() -> Iterator[Scene]:
    """Yield the scene at the Telnyx that was chosen, and hang up at the end."""
    with _real() if os.environ.get(AGREED) == "dial" else _sandbox() as one:
        try:
            one.open()
            yield one
        finally:
            one.close()


@contextmanager
def _sandbox() -> Iterator[Scene]:
    world, exchanges = World(seed=7, now=1_787_320_800.0), list[Exchange]()
    api = Api(world=world, phones=Phones(), api_key="contract", rate=RateLimit(limit=100_000))
    with loopback(api) as url:
        yield Scene(
            client=ProbeClient(api_base=url, api_key="contract", record=exchanges.append),
            exchanges=exchanges,
            wait=lambda seconds: _advance(world, seconds),
            phones=_phones("+15550100001,sip:kim@sip.telnyx.com", directory.FROM_NUMBER, directory.EAR_CONNECTION_ID),
        )


def _advance(world: World, seconds: float) -> None:
    world.advance(world.now + seconds)


@contextmanager
def _real() -> Iterator[Scene]:
    key, connection_id, from_number, phones = (os.environ[name] for name in NEEDED)
    exchanges = list[Exchange]()
    yield Scene(
        client=ProbeClient(
            api_base=os.environ.get("FLOORLINE_CONTRACT_API_BASE", "https://api.telnyx.com/v2"),
            api_key=key,
            region=os.environ.get("FLOORLINE_CONTRACT_REGION", ""),
            record=exchanges.append,
        ),
        exchanges=exchanges,
        wait=time.sleep,
        phones=_phones(phones, from_number, connection_id),
    )


def _phones(two: str, from_number: str, connection_id: str) -> ProbePhones:
    agent, supervisor = (address.strip() for address in two.split(","))
    return ProbePhones(
        agent=agent, supervisor=supervisor, customer="", from_number=from_number, ear_connection_id=connection_id
    )
