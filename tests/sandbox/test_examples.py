"""The examples for engineers of call flows run as they are printed, against a real sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from docs.examples.call_flow import CallFlow, is_floorlines
from docs.examples.forward_webhooks import SIGNED, Forwarder
from tests.sandbox.conftest import API_KEY, Receiver, Running, dial, eventually

CONNECTION, NUMBER = "2781903345512846583", "+18005550199"
pytestmark = pytest.mark.slow


@pytest.fixture
def flow(sandbox: Running) -> CallFlow:
    return CallFlow(api_key=API_KEY, base=f"{sandbox.url}/v2")


def told(receiver: Receiver, event_type: str, leg: str) -> dict[str, Any]:
    """Wait for a webhook about a leg, and return its payload."""

    def find() -> dict[str, Any] | None:
        events = [event["data"] for event in receiver.events()]
        found = [one["payload"] for one in events if one["event_type"] == event_type]
        return next((one for one in found if one.get("call_control_id") == leg), None)

    payload = eventually(find)
    assert payload, f"no {event_type} of {leg}"
    return dict(payload)


def answered(receiver: Receiver, flow: CallFlow, to: str) -> str:
    leg = flow.dial_agent(connection_id=CONNECTION, to=to, from_number=NUMBER, reference="ana")
    told(receiver, "call.answered", leg)
    return leg


def test_a_call_flow_opens_a_conference_and_lets_agent_and_supervisor_in(
    sandbox: Running, receiver: Receiver, flow: CallFlow
) -> None:
    customer = answered(receiver, flow, "sip:kim@sip.telnyx.com")
    conference = flow.open_conference(name="Billing-of-a-call-flow", customer=customer)
    agent, supervisor = (answered(receiver, flow, f"sip:{name}@sip.telnyx.com") for name in ("ana", "lena"))
    flow.join(conference=conference, leg=agent)
    flow.join_supervisor(conference=conference, leg=supervisor)
    inside = sandbox.rest("GET", f"/conferences/{conference}/participants").json()["data"]
    muted = {one["call_control_id"]: one["muted"] for one in inside}
    assert muted == {customer: False, agent: False, supervisor: True}
    sandbox.rest("POST", f"/conferences/{conference}/actions/end", {})


def test_a_call_flow_tells_floorlines_legs_from_its_own(sandbox: Running, receiver: Receiver, flow: CallFlow) -> None:
    marked = dial(custom_headers=[{"name": "X-Floorline-Ear", "value": "1"}])
    ear = sandbox.rest("POST", "/calls", marked).json()["data"]["call_control_id"]
    own = flow.dial_agent(connection_id=CONNECTION, to="sip:ana@sip.telnyx.com", from_number=NUMBER, reference="ana")
    assert is_floorlines(told(receiver, "call.initiated", ear))
    assert not is_floorlines(told(receiver, "call.initiated", own))
    assert is_floorlines({"client_state": "eyJmbG9vcmxpbmVfZWFyIjogIjEifQ=="})


def test_a_copy_of_a_webhook_arrives_byte_for_byte_with_its_signature(
    receiver: Receiver, flow: CallFlow, own_receiver: Receiver
) -> None:
    flow.dial_agent(connection_id=CONNECTION, to="sip:ana@sip.telnyx.com", from_number=NUMBER, reference="ana")
    headers, body = eventually(lambda: receiver.received[:1])[0]
    Forwarder(own_receiver.url).copy(body, headers)
    [(copied, copy)] = eventually(lambda: list(own_receiver.received))
    assert copy == body
    assert [copied[name] for name in SIGNED] == [headers[name] for name in SIGNED]
