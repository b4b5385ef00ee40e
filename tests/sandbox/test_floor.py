"""The story: the same by seed, going on already at the start, and as many calls as wanted."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import datetime

import pytest

from conferences.sandbox.center import directory
from conferences.sandbox.center.floor import HEARD_CALLS, Floor
from conferences.sandbox.telephony.state import WebhookSent
from conferences.sandbox.telephony.world import World
from tests.sandbox.conftest import START, Receiver, eventually, running


def played(*, seed: int = 1, calls: int = 40, hours: float = 1.0, rate: float = 1.0, start: float = START) -> World:
    world = World(seed=seed, now=start, webhook_url="http://127.0.0.1/webhooks")
    Floor(world, calls_wanted=calls, rate=rate).start()
    world.advance(start)
    world.advance(start + hours * 3600)
    return world


@pytest.fixture(scope="module")
def hour() -> World:
    return played()


def named(world: World, event_type: str) -> list[WebhookSent]:
    return [event for event in world.outbox if event.type == event_type]


@pytest.mark.slow
def test_the_same_seed_plays_the_same_story() -> None:
    assert list(played(hours=0.3).outbox) == list(played(hours=0.3).outbox)
    assert list(played(hours=0.3).outbox) != list(played(hours=0.3, seed=2).outbox)


def test_a_second_run_repeats_the_story_under_other_ids() -> None:
    first, second = played(hours=0.1), played(hours=0.1, start=START + 10_000)
    assert [event.type for event in first.outbox] == [event.type for event in second.outbox]
    assert not {event.id for event in first.outbox} & {event.id for event in second.outbox}
    assert not first.conferences.keys() & second.conferences.keys()


def test_calls_are_already_in_progress_at_the_start() -> None:
    world = played(hours=0)
    ages = sorted(world.now - conference.created_at for conference in world.active.values())
    assert 36 <= len(ages) <= 40
    assert ages[0] < 120
    assert ages[-1] > 600
    assert len(world.outbox) < 40 * 20
    assert all(event.occurred_at <= "2026-08-21T14:00:00.001" for event in world.outbox)


@pytest.mark.slow
def test_about_as_many_conferences_live_as_wanted() -> None:
    world = played(hours=0)
    alive = []
    for minute in range(60):
        world.advance(START + minute * 60)
        alive.append(len(world.active))
    assert min(alive) >= 30
    assert max(alive) <= 45
    assert sum(alive) / len(alive) == pytest.approx(40, abs=3)


@pytest.mark.slow
def test_rate_makes_the_story_faster() -> None:
    slow, fast = (len(named(played(hours=0.2, rate=rate), "conference.ended")) for rate in (1, 5))
    assert fast > slow * 3


@pytest.mark.slow
def test_a_large_floor_tells_of_some_calls_who_speaks_and_of_every_call_the_rest() -> None:
    few, many = played(calls=HEARD_CALLS, hours=0.02), played(calls=4 * HEARD_CALLS, hours=0.02)
    speech, joined = "conference.floor.changed", "conference.participant.joined"
    assert len(named(many, joined)) > 3 * len(named(few, joined))
    assert 0.7 < len(named(many, speech)) / len(named(few, speech)) < 1.4


def test_no_call_begins_while_the_webhooks_are_behind() -> None:
    world, behind = World(seed=1, now=START, webhook_url="http://127.0.0.1/webhooks"), False
    Floor(world, calls_wanted=40, rate=1, held_up=lambda: behind).start()
    world.advance(START)
    behind, before = True, len(world.conferences)
    world.advance(START + 600)
    assert len(world.conferences) <= before + 5  # callers who waited in a queue still come through
    assert len(world.active) < 30
    behind = False
    world.advance(START + 1200)
    assert len(world.active) > 30


def test_it_plays_on_the_calls_application_and_the_credential_connection(hour: World) -> None:
    began = Counter(
        (event.payload["connection_id"], event.payload["direction"], event.payload["state"])
        for event in named(hour, "call.initiated")
    )
    assert set(began) == {
        (directory.CALLS_CONNECTION_ID, "incoming", "parked"),
        (directory.CALLS_CONNECTION_ID, "outgoing", "bridging"),
        (directory.CREDENTIAL_CONNECTION_ID, "outgoing", "parked"),
    }


@pytest.mark.slow
def test_an_agents_leg_can_be_recognised_by_address_and_by_state(hour: World) -> None:
    addresses = {agent.address: agent for agent in directory.agents(80)}
    dialled = [event for event in named(hour, "call.initiated") if event.payload["to"].startswith("sip:")]
    for event in dialled:
        state = json.loads(base64.b64decode(event.payload["client_state"]))
        assert addresses[event.payload["to"]].reference == state["agent"]
        assert {"name": "X-CC-Leg", "value": "agent"} in event.payload["custom_headers"]


def test_names_say_the_team_and_never_collide(hour: World) -> None:
    names = [conference.name for conference in hour.conferences.values()]
    assert len(set(names)) == len(names)
    assert {name.split("-")[0] for name in names} == {team.name for team in directory.TEAMS}


def test_nobody_is_in_two_conferences_and_no_agent_on_two_legs(hour: World) -> None:
    inside = [
        participant.leg.label for conference in hour.active.values() for participant in conference.participants.values()
    ]
    agents = [label for label in inside if not label.startswith("+")]
    assert agents
    assert len(set(agents)) == len(agents)


def test_calls_last_minutes_and_some_are_transferred(hour: World) -> None:
    ended = list(hour.ended.values())
    lengths = sorted((conference.ended_at or 0) - conference.created_at for conference in ended)
    assert 150 < lengths[len(lengths) // 2] < 420
    assert sum(len(conference.left) > 2 for conference in ended) > len(ended) * 0.1


def test_everything_that_began_has_its_end(hour: World) -> None:
    gone = {event.payload["call_control_id"] for event in named(hour, "call.hangup")}
    left = {event.payload["call_control_id"] for event in named(hour, "conference.participant.left")}
    joined = {event.payload["call_control_id"] for event in named(hour, "conference.participant.joined")}
    living = {leg.call_control_id for leg in hour.legs.values() if leg.alive}
    assert joined - left <= living
    assert not gone & living


def test_a_supervisor_keeps_the_conference_when_customer_and_agents_go() -> None:
    from conferences.sandbox.telephony import calls, membership

    world = played(calls=1, hours=0)
    (conference,) = world.active.values()
    leg = calls.dial(
        world,
        connection_id=directory.EAR_CONNECTION_ID,
        from_=directory.FROM_NUMBER,
        to=directory.KIM_SIP.address,
        kind="supervisor",
        label="Kim",
    )
    calls.answer(world, leg)
    membership.join(world, conference, leg, role="monitor")
    world.advance(world.now + 7200)
    assert list(conference.participants) == [leg.call_control_id]
    assert conference.alive


def test_a_call_ended_by_command_makes_room_for_the_next() -> None:
    from conferences.sandbox.telephony import membership

    world = played(calls=1, hours=0)
    (first,) = world.active.values()
    membership.end(world, first)
    world.advance(world.now + 600)
    assert {*world.active, *world.ended} > {first.id}
    assert first.id not in world.active


def test_numbers_are_of_ranges_kept_for_fiction(hour: World) -> None:
    callers = {
        event.payload["from"] for event in named(hour, "call.initiated") if event.payload["direction"] == "incoming"
    }
    assert len(callers) > 100
    assert all(number.startswith("+") and number[1:].isdigit() and 11 <= len(number) <= 14 for number in callers)


def test_more_agents_than_named_ones_are_made_up_the_same_each_time() -> None:
    many = directory.agents(500)
    assert len(many) == 500
    assert many == directory.agents(500)
    assert len({agent.sip_username for agent in many}) == len({agent.reference for agent in many}) == 500
    assert many[:40] == directory.agents(0)


def test_the_story_waits_for_the_dashboard_and_tells_the_past_too(own_receiver: Receiver) -> None:
    health = own_receiver.url.replace("/webhooks/telnyx/", "/healthz")
    with running("--calls", "5", "--webhook-url", own_receiver.url, "--wait-for", health, "--rate", "1") as sandbox:

        def oldest() -> float:
            """Return how many seconds ago the first conference was created of which a webhook has told."""
            created = [event for event in own_receiver.events() if event["data"]["event_type"] == "conference.created"]
            clock = datetime.fromisoformat(sandbox.control("GET", "/state")["clock"])
            told = [datetime.fromisoformat(event["data"]["occurred_at"]) for event in created]
            return max(((clock - at).total_seconds() for at in told), default=0.0)

        assert eventually(lambda: sandbox.control("GET", "/state")["conferences"] >= 4, within=30)
        assert eventually(lambda: oldest() > 60, within=30)
