"""Three phones of the sandbox for the probe to ring, and an operator who hears what its matrix says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from conferences.models import Account
from conferences.probe import Capture, Findings, Probe, ProbePhones, Question
from conferences.probe.client import ProbeClient
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import hearing
from conferences.sandbox.telephony.state import SandboxConference
from tests.supervision.conftest import Floor, InProcess, session_to

ADDRESSES = {"supervisor": "+15550100001", "agent": "sip:test-agent@sip.telnyx.com", "customer": "+15550100003"}


@dataclass
class Bench:
    """Three phones of the sandbox, and an operator who hears what its matrix says."""

    floor: Floor
    other_connection_id: str = ""
    addresses: dict[str, str] = field(default_factory=dict)
    """Phones that are to be rung instead of ADDRESSES."""
    said: list[str] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    capture: Capture = field(default_factory=Capture)
    findings: Findings = field(default_factory=Findings)

    @property
    def client(self) -> ProbeClient:
        return self.client_of(self.floor.account, self.capture)

    def client_of(self, account: Account, capture: Capture) -> ProbeClient:
        """Return a client whose requests end in the sandbox."""
        session = session_to(InProcess(self.floor))
        return ProbeClient(
            api_base="http://127.0.0.1/v2", api_key="sandbox-test-key", session=session, record=capture.note
        )

    def probe(self, *, ask: Callable[[Question], bool | None] | None = None) -> Probe:
        """Return a probe of this Telnyx, whose questions the operator answers unless told otherwise."""
        probe = Probe(
            client=self.client,
            phones=ProbePhones(
                **(ADDRESSES | self.addresses),
                from_number=directory.FROM_NUMBER,
                ear_connection_id=directory.EAR_CONNECTION_ID,
                other_connection_id=self.other_connection_id,
            ),
            say=self.said.append,
            ask=ask or self.hear,
            pause=self.floor.wait,
            capture=self.capture,
        )
        self.findings = probe.findings
        return probe

    def hear(self, question: Question) -> bool | None:
        if question.listener is None:
            return self.hear_in(None, question)
        [conference] = self.floor.world.active.values()
        return self.hear_in(conference, question)

    def hear_in(self, conference: SandboxConference | None, question: Question) -> bool | None:
        """Answer as the phones in one conference hear it."""
        self.asked.append(question)
        if conference is None or question.listener is None or question.speaker is None:
            return question.key.startswith("announcement")
        heard = hearing.matrix(conference, semantics=self.floor.world.semantics)
        by_address = {participant.leg.to: key for key, participant in conference.participants.items()}
        listener = by_address.get(self.address(question.listener))
        return listener is not None and by_address.get(self.address(question.speaker)) in heard[listener]

    def address(self, party: str) -> str:
        return self.addresses.get(party, ADDRESSES[party])

    def nobody_is_left(self) -> bool:
        return all(not leg.alive for leg in self.floor.world.legs.values())


@pytest.fixture
def bench(floor: Floor) -> Bench:
    return Bench(floor)
