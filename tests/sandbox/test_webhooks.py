"""Webhooks: the shape of every type, the signature, and delivery until somebody answers."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from types import SimpleNamespace
from typing import Any

import pytest

from conferences.sandbox.center.floor import Floor
from conferences.sandbox.telephony import calls
from conferences.sandbox.telephony.state import WebhookSent, iso
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks import delivery, signing
from conferences.sandbox.webhooks.delivery import Deliveries, body_of
from tests.sandbox.conftest import DATA, SEED, START, Billing, Receiver, Running, Stage, dial, eventually

SAMPLES = [json.loads(path.read_text()) for path in sorted((DATA / "webhook_samples").glob("*.json"))]


def shapes_of_samples() -> dict[str, set[frozenset[str]]]:
    shapes = defaultdict(set)
    for sample in SAMPLES:
        shapes[sample["data"]["event_type"]].add(frozenset(sample["data"]["payload"]))
    return shapes


SHAPES = shapes_of_samples()
# Headers are optional. No sample shows a leg that the center dialled without any.
SHAPES["call.initiated"] |= {shape - {"custom_headers"} for shape in SHAPES["call.initiated"]}


@pytest.fixture(scope="module")
def story() -> list[dict[str, Any]]:
    """Return every webhook of an hour of a small floor, and of supervisors' phones."""
    from conferences.sandbox.telephony.phones import Phones

    world = World(seed=3, now=START, webhook_url="http://127.0.0.1/webhooks")
    Floor(world, calls_wanted=12, rate=1).start()
    world.advance(START)
    leg = calls.dial(
        world,
        connection_id="2781903345512846583",
        from_="+18005550199",
        to="+491555010011",
        kind="supervisor",
        label="Kim",
    )
    phones = Phones()
    phones.ring(world, leg)
    world.advance(START + 2)
    calls.speak(world, leg, text="Press 1.")
    calls.gather(world, leg, {"maximum_digits": 1})
    phones.asked(world, leg)
    world.advance(START + 3600)
    return [json.loads(body_of(event, attempt=1)) for event in world.outbox]


def test_every_webhook_has_the_shape_of_the_sample_of_its_type(story: list[dict[str, Any]]) -> None:
    envelope = SAMPLES[0]
    for event in story:
        assert event.keys() == envelope.keys()
        assert event["data"].keys() == envelope["data"].keys()
        assert event["meta"].keys() == envelope["meta"].keys()
        shape = frozenset(event["data"]["payload"])
        assert shape in SHAPES[event["data"]["event_type"]], (event["data"]["event_type"], sorted(shape))


def test_values_have_the_types_of_the_samples(story: list[dict[str, Any]]) -> None:
    kinds = defaultdict(set)
    for sample in SAMPLES:
        for name, value in sample["data"]["payload"].items():
            kinds[sample["data"]["event_type"], name].add(type(value))
    for event in story:
        for name, value in event["data"]["payload"].items():
            known = kinds[event["data"]["event_type"], name]
            assert type(value) in known | {type(None)}, (event["data"]["event_type"], name, value)


def test_the_story_tells_of_everything_that_happens_on_a_floor(story: list[dict[str, Any]]) -> None:
    assert {event["data"]["event_type"] for event in story} == {
        "call.initiated",
        "call.answered",
        "call.enqueued",
        "call.dequeued",
        "call.hold",
        "call.unhold",
        "call.hangup",
        "call.cost",
        "call.dtmf.received",
        "call.gather.ended",
        "call.speak.started",
        "call.speak.ended",
        "conference.created",
        "conference.participant.joined",
        "conference.participant.left",
        "conference.floor.changed",
        "conference.ended",
    }


def test_conference_events_carry_the_owners_state_and_no_name(stage: Stage, billing: Billing) -> None:
    joined = [event for event in stage.events if event.type == "conference.participant.joined"]
    assert [event.payload["call_control_id"] for event in joined] == [
        leg.call_control_id for leg in (billing.customer, billing.ana, billing.max)
    ]
    assert {event.payload["client_state"] for event in joined} == {billing.customer.client_state}
    assert billing.ana.client_state != billing.customer.client_state
    assert "Billing-4312" not in json.dumps([event.payload for event in joined])


def test_no_two_events_of_a_world_share_a_moment_or_an_id(story: list[dict[str, Any]]) -> None:
    assert len({event["data"]["id"] for event in story}) == len(story)
    moments = [event["data"]["occurred_at"] for event in story]
    assert moments == sorted(moments)
    assert len(set(moments)) == len(moments)


def test_our_signature_is_that_of_the_fixture() -> None:
    fixture = json.loads((DATA / "signature_fixture.json").read_text())
    key = signing.key_of(fixture["seed_hex"])
    assert signing.public_key(fixture["seed_hex"]) == fixture["public_key_b64"]
    headers = signing.signed_headers(fixture["body"].encode(), key=key, timestamp=int(fixture["timestamp"]))
    assert headers == fixture["headers"]


def test_a_webhook_arrives_with_the_headers_of_the_real_one(sandbox: Running, receiver: Receiver) -> None:
    sandbox.script("Headers-1")
    assert eventually(lambda: receiver.received)
    headers, _body = receiver.received[0]
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "telnyx-webhooks"
    assert len(headers["telnyx-signature-ed25519"]) == 88


def test_an_unanswered_webhook_comes_again_with_the_same_id(sandbox: Running, receiver: Receiver) -> None:
    receiver.answers.extend([503])
    sandbox.script("Again-1")

    def repeated() -> list[dict[str, Any]]:
        # On a slow machine others may come again too: an answer that takes two seconds is none.
        return [event for event in receiver.events() if event["meta"]["attempt"] == 2]

    second, *_others = eventually(repeated)
    twins = [event for event in receiver.events() if event["data"]["id"] == second["data"]["id"]]
    assert [event["meta"]["attempt"] for event in twins] == [1, 2]
    assert twins[0]["data"] == twins[1]["data"]

    def attempts() -> list[int]:
        entries = sandbox.control("GET", "/webhooks")["webhooks"]
        return [entry["attempts"] for entry in entries if entry["event_id"] == second["data"]["id"]]

    assert attempts() == [2]


@pytest.mark.parametrize("status", [400, 401, 204, 302])
def test_a_webhook_answered_otherwise_is_not_repeated(sandbox: Running, receiver: Receiver, status: int) -> None:
    receiver.answers.append(status)
    sandbox.script(f"Once-{status}")

    def refused() -> list[dict[str, Any]]:
        entries = sandbox.control("GET", "/webhooks")["webhooks"]
        return [entry for entry in entries if entry["last_status"] == status]

    (entry,) = eventually(refused)
    assert entry["attempts"] == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999999/", "http://127.0.0.1:x/", "http://127.0.0.1/é", "http://[/"]
)
def test_an_impossible_address_stops_no_other_webhook(sandbox: Running, receiver: Receiver, url: str) -> None:
    for _ in range(5):  # more than there are threads
        sandbox.rest("POST", "/calls", dial(webhook_url=url))
    made = sandbox.script(f"After-{url}")
    assert eventually(lambda: len(receiver.told_of(made)) == 12)


def test_current_webhooks_are_posted_before_past_ones_and_both_are_posted(own_receiver: Receiver) -> None:
    deliveries = Deliveries(key=signing.key_of(SEED), workers=1)
    now = time.time()
    past = [WebhookSent(f"past-{n}", "call.answered", iso(now - 600 + n), {}, own_receiver.url) for n in range(40)]
    deliveries.post(deque(past))
    deliveries.post(deque([WebhookSent("present", "call.answered", iso(now), {}, own_receiver.url)]))
    deliveries.start()
    assert eventually(lambda: deliveries.delivered == 41)
    assert [event["data"]["id"] for event in own_receiver.events()] == ["present", *(event.id for event in past)]


def test_only_what_could_have_been_posted_makes_it_be_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 0.0
    monkeypatch.setattr(delivery, "time", SimpleNamespace(time=time.time, monotonic=lambda: passed))
    deliveries, now = Deliveries(key=signing.key_of(SEED)), time.time()
    deliveries.post(deque([WebhookSent("past", "call.answered", iso(now - 600), {}, "")]))
    passed += delivery.BEHIND_S + 1
    assert not deliveries.is_behind
    deliveries.post(deque([WebhookSent("present", "call.answered", iso(now), {}, "")]))
    assert not deliveries.is_behind
    passed += delivery.BEHIND_S + 1
    assert deliveries.is_behind


def test_many_webhooks_are_under_way_at_the_same_time() -> None:
    """Or the receiver, which commits what waits together, would commit them a few at a time."""
    together = threading.Barrier(32)

    class Meeting(Deliveries):
        def _send(self, *_: object) -> int:
            together.wait(60)
            return 200

    deliveries = Meeting(key=signing.key_of(SEED))
    deliveries.post(deque(WebhookSent(str(n), "call.answered", iso(time.time()), {}, "") for n in range(32)))
    deliveries.start()
    assert eventually(lambda: deliveries.delivered == 32, within=60)
