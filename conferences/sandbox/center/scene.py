"""Plays one customer's call as the center's own call flow does."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from conferences.sandbox.center import directory
from conferences.sandbox.center.directory import DirectoryAgent, DirectoryTeam
from conferences.sandbox.telephony import calls, membership
from conferences.sandbox.telephony.state import Header, SandboxConference, SandboxLeg
from conferences.sandbox.telephony.world import World


def client_state(**facts: str | int) -> str:
    """Encode what the center's call flow notes on a leg."""
    return base64.b64encode(json.dumps({"v": 1} | facts, separators=(",", ":")).encode()).decode()


@dataclass(eq=False)
class Scene:
    world: World
    name: str
    team: DirectoryTeam
    customer: SandboxLeg | None = None
    agents: list[SandboxLeg] = field(default_factory=list)
    """Agents' legs that live, the longest inside first."""
    conference: SandboxConference | None = None
    spoke: SandboxLeg | None = None
    """The participant who spoke last."""
    heard: bool = True
    """True where webhooks report who speaks."""

    @property
    def over(self) -> bool:
        """Return whether somebody else ended it: the API, or the control API."""
        if self.conference is not None:
            return not self.conference.alive or self.customer is None or not self.customer.alive
        return self.customer is not None and not self.customer.alive

    # A customer calls

    def arrive(self, number: str) -> SandboxLeg:
        self.customer = calls.incoming(
            self.world, connection_id=directory.CALLS_CONNECTION_ID, from_=number, to=self.team.number
        )
        return self.customer

    def greet(self, customer: SandboxLeg) -> None:
        """Answer, and put the caller into the team's queue."""
        calls.answer(self.world, customer, client_state=client_state(role="customer", conf=self.name))
        calls.enqueue(self.world, customer, queue=self.team.queue)

    # Agents

    def ring(self, agent: DirectoryAgent) -> SandboxLeg:
        """Dial an agent's phone for this conference."""
        headers: tuple[Header, ...] = (
            {"name": "X-CC-Leg", "value": "agent"},
            {"name": "X-CC-Conf", "value": self.name},
        )
        leg = calls.dial(
            self.world,
            connection_id=directory.CALLS_CONNECTION_ID,
            from_=directory.FROM_NUMBER,
            to=agent.address,
            kind="agent",
            label=agent.name,
            client_state=client_state(role="agent", agent=agent.reference, conf=self.name),
            custom_headers=headers,
            linked_to=self.customer,
        )
        self.agents.append(leg)
        return leg

    def connect(self, leg: SandboxLeg) -> None:
        """Let the agent answer: the first one opens the conference, a later one joins it."""
        calls.answer(self.world, leg)
        if self.conference is None and self.customer is not None:
            self._open(owner=self.customer)
        self._let_in(leg)

    def release(self, leg: SandboxLeg) -> None:
        """Hang up an agent; the conference goes on."""
        self.agents.remove(leg)
        membership.hangup(self.world, leg, source="callee" if leg.direction == "outgoing" else "caller")

    # An agent calls a customer

    def call_out(self, agent: DirectoryAgent, number: str) -> SandboxLeg:
        """Start a call from the agent's phone, parked on the credential connection."""
        leg = calls.outgoing_from_phone(
            self.world,
            connection_id=directory.CREDENTIAL_CONNECTION_ID,
            from_=directory.FROM_NUMBER,
            to=number,
            kind="agent",
            label=agent.name,
            caller_id_name=agent.name,
        )
        self.agents.append(leg)
        return leg

    def reach(self, number: str, agent_leg: SandboxLeg, agent: DirectoryAgent) -> SandboxLeg:
        """Take the parked leg, open the conference with it and dial the customer."""
        state = client_state(role="agent", agent=agent.reference, conf=self.name)
        calls.answer(self.world, agent_leg, client_state=state)
        self._open(owner=agent_leg)
        self.customer = calls.dial(
            self.world,
            connection_id=directory.CALLS_CONNECTION_ID,
            from_=directory.FROM_NUMBER,
            to=number,
            kind="customer",
            label=number,
            client_state=client_state(role="customer", conf=self.name),
            linked_to=agent_leg,
        )
        return self.customer

    def reached(self, customer: SandboxLeg) -> None:
        calls.answer(self.world, customer)
        self._let_in(customer)

    # The end

    def finish(self) -> None:
        """Hang up the customer, then the agents; a supervisor's leg remains until it leaves."""
        if self.customer:
            membership.hangup(
                self.world, self.customer, source="caller" if self.customer.direction == "incoming" else "callee"
            )
        for leg in list(self.agents):
            self.release(leg)

    def _let_in(self, leg: SandboxLeg) -> None:
        if self.conference is not None:
            membership.join(self.world, self.conference, leg)

    def _open(self, *, owner: SandboxLeg) -> None:
        calls.dequeue(self.world, owner, reason="bridged")
        self.conference = membership.create(self.world, name=self.name, owner=owner, expires=False)
