"""Checks that a SIP caller under an agent's or a supervisor's name stays a stranger, by the real intake."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.intake.store import Received, store
from conferences.models import Account, Agent, Ear, Leg, SupervisorSession
from conferences.models.supervision import Role
from conferences.recognition import recognise_again
from conferences.supervision import adopt
from conferences.supervision.errors import Refused
from tests.supervision.conftest import Call, Floor

from .signed import event

CALLS, PHONES = "2781903345512846337", "2781903345512846412"
ANA = "gencredAna@sip.telnyx.com"


def initiated(leg: str, **payload: Any) -> bytes:
    said = {"connection_id": CALLS, "call_session_id": "session", "direction": "incoming", "calling_party_type": "sip"}
    return event("call.initiated", event_id=leg, call_control_id=leg, **(said | payload))


STRANGER = initiated("v3:in", **{"from": f"sip:{ANA}", "from_sip_uri": ANA, "to": "+18005550101"})
# Ana's phone calls the center's number: its own leg, on the connection that only credentials get into.
ANAS_PHONE = initiated(
    "v3:phone", connection_id=PHONES, direction="outgoing", **{"from": f"sip:{ANA}", "to": "+18005550101"}
)
# The call flow rings Ana for the caller, in the caller's session, and passes the caller's address on.
RINGS_ANA = initiated(
    "v3:ana", direction="outgoing", calling_party_type=None, **{"from": f"sip:{ANA}", "to": f"sip:{ANA}"}
)


@pytest.fixture
def center(account: Account, ana: Agent) -> Account:
    account.connections.create(connection_id=CALLS, name="Calls", role="calls")
    account.connections.create(connection_id=PHONES, name="Phones", role="agents")
    return account


def parties(center: Account, events: Sequence[bytes], *, at_once: bool, now: Any) -> dict[str, str]:
    """Take events in, in one batch or one by one, and say whose each leg is."""
    Leg.objects.all().delete()
    center.webhookevent_set.all().delete()
    for batch in [events] if at_once else [[one] for one in events]:
        store([Received(center.pk, body, now) for body in batch])
    return {leg.call_control_id: str(leg.party) for leg in Leg.objects.all()}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_stranger_under_an_agents_name_is_a_customer_also_when_the_flow_rings_that_agent(
    center: Account, now: Any, at_once: bool
) -> None:
    for order in itertools.permutations([STRANGER, RINGS_ANA]):
        assert parties(center, order, at_once=at_once, now=now) == {"v3:in": "customer", "v3:ana": "agent"}


@pytest.mark.parametrize("at_once", [True, False])
def test_an_agent_whose_phone_began_the_call_is_known_at_its_far_end_whatever_order(
    center: Account, now: Any, at_once: bool
) -> None:
    for order in itertools.permutations([STRANGER, ANAS_PHONE]):
        assert parties(center, order, at_once=at_once, now=now) == {"v3:in": "agent", "v3:phone": "agent"}


def test_a_phone_on_a_connection_that_is_not_the_agents_proves_nothing_until_an_admin_says_so(
    center: Account, now: Any
) -> None:
    center.connections.filter(connection_id=PHONES).update(role="unassigned")
    assert parties(center, [ANAS_PHONE, STRANGER], at_once=False, now=now)["v3:in"] == "customer"
    center.connections.filter(connection_id=PHONES).update(role="agents")
    recognise_again(account=center, now=now)
    assert Leg.objects.get(call_control_id="v3:in").party == "agent"


@pytest.mark.parametrize("name", ["agent", "supervisor"])
def test_a_stranger_in_a_call_is_neither_pinned_as_a_line_nor_whispered_to(floor: Floor, kim: User, name: str) -> None:
    call = floor.call()
    sip = {"agent": Agent.objects.get(name="Max Falk").sip_username, "supervisor": "kim"}[name]
    _come_in(floor, call, f"{sip}@sip.telnyx.com")
    adopt(now=floor.now)
    assert not Ear.objects.exists()
    stranger = Leg.objects.get(call_control_id="v3:stranger")
    assert (stranger.party, stranger.agent) == ("customer", None)
    with pytest.raises(Refused):
        call.choose(kim, Role.WHISPER, "customer")
    assert not SupervisorSession.objects.exists()


def _come_in(floor: Floor, call: Call, address: str) -> None:
    ids = {"call_control_id": "v3:stranger", "call_session_id": "own", "connection_id": CALLS}
    said = {"from": f"sip:{address}", "from_sip_uri": address, "calling_party_type": "sip", "direction": "incoming"}
    at = floor.now.isoformat()
    joined = ids | {"conference_id": call.conference.telnyx_id}
    bodies = [
        event("call.initiated", event_id="1", at=at, **ids, **said),
        event("conference.participant.joined", event_id="2", at=at, **joined),
    ]
    store([Received(floor.account.pk, body, floor.now) for body in bodies])
