"""Legs that leave and rejoin within a moment, or leave unheard, while a supervisor speaks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from conferences.models import Command
from conferences.models.supervision import Role
from conferences.sandbox.telephony import membership
from conferences.sandbox.telephony.state import SandboxLeg

from .conftest import Call, Floor

pytestmark = pytest.mark.slow


@pytest.fixture
def call(floor: Floor, kim: User) -> Call:
    """A call with Kim inside, on an account where later joiners hear a running whisper."""
    floor.world.semantics.whisper = "deny-list"
    floor.world.semantics.left_stay_listed = False
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    return call


def blink(floor: Floor, leg: SandboxLeg | None) -> None:
    """Let a leg leave and rejoin at once."""
    assert leg is not None
    assert leg.participant is not None
    conference = leg.participant.conference
    membership.leave(floor.world, leg.participant)
    membership.join(floor.world, conference, leg)


def whispers(call: Call, kim: User, *, after: float) -> None:
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    call.floor.wait(after)


def roles_sent(floor: Floor) -> list[str]:
    return [body["supervisor_role"] for body in floor.sent("/update")]


@pytest.mark.parametrize(("after", "skew"), [(0.25, 0), (1.0, -60), (1.75, 0), (1.0, 60)])
def test_a_customer_who_blinks_just_after_the_whisper_began_ends_it(
    floor: Floor, kim: User, call: Call, after: float, skew: int
) -> None:
    whispers(call, kim, after=after)
    # The times of Telnyx and ours do not matter.
    Command.objects.update(asked_at=floor.now - timedelta(seconds=after + skew))
    blink(floor, call.scene.customer)
    floor.wait(1)
    assert call.who_hears(kim.supervisor_sessions.get()) == set()
    assert "not a known agent joined" in call.state(kim.supervisor_sessions.get()).notice


def test_an_agent_who_blinks_has_the_same_list_asserted_again(floor: Floor, kim: User, call: Call) -> None:
    whispers(call, kim, after=1)
    blink(floor, call.scene.agents[1])
    floor.wait(7)
    assert call.who_hears(kim.supervisor_sessions.get()) == {"Ana Ruiz"}
    assert roles_sent(floor) == ["whisper", "whisper"]


@pytest.mark.parametrize("after", [0.25, 1.0, 5.0])
def test_a_customer_whose_blink_no_webhook_tells_ends_the_whisper_within_ten_seconds(
    floor: Floor, kim: User, call: Call, after: float
) -> None:
    floor.wait(6)
    whispers(call, kim, after=after)
    floor.webhooks_lost = True
    blink(floor, call.scene.customer)
    floor.wait(10, until=lambda: call.who_hears(kim.supervisor_sessions.get()) == set())


def test_a_blink_before_the_whisper_does_not_end_it(floor: Floor, kim: User, call: Call) -> None:
    floor.go_live()  # otherwise the press reads afresh
    floor.wait(6)
    blink(floor, call.scene.customer)
    floor.tick()
    whispers(call, kim, after=12)
    assert call.who_hears(kim.supervisor_sessions.get()) == {"Ana Ruiz"}
    assert roles_sent(floor) == ["whisper"]


@pytest.mark.parametrize("left_out", ["id", "created_at", "both"])
def test_what_a_listing_leaves_out_of_a_participant_is_no_rejoin(
    floor: Floor, kim: User, call: Call, left_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.wait(6)
    whispers(call, kim, after=1)
    strip_listings(monkeypatch, {"id", "created_at"} if left_out == "both" else {left_out})
    floor.wait(12)
    assert call.who_hears(kim.supervisor_sessions.get()) == {"Ana Ruiz"}
    assert roles_sent(floor) == ["whisper"]


def strip_listings(monkeypatch: pytest.MonkeyPatch, names: set[str]) -> None:
    """Let the sandbox list participants with these fields empty."""
    from conferences.sandbox.formats import resources

    listed = resources.participant
    monkeypatch.setattr(resources, "participant", lambda *args, **how: listed(*args, **how) | dict.fromkeys(names))


def test_a_listener_who_left_unheard_while_the_call_lives_on_is_not_shown_as_hearing(
    floor: Floor, kim: User, call: Call
) -> None:
    whispers(call, kim, after=6)
    ana = call.scene.agents[0]
    assert ana.participant is not None
    floor.webhooks_lost = True
    membership.leave(floor.world, ana.participant)
    floor.wait(11, until=lambda: call.state(kim.supervisor_sessions.get()).role == Role.MONITOR)
    assert ana.alive
    assert not call.conference.participants.get(leg__agent__name="Ana Ruiz").present


def test_a_leg_that_is_seen_in_another_call_is_no_longer_in_this_one(floor: Floor, kim: User, call: Call) -> None:
    other = floor.call(agents=("Priya Nair",), customer="+4930123456199")
    assert other.scene.conference is not None
    ana = call.scene.agents[0]
    floor.wait(5)
    floor.webhooks_lost = True
    membership.join(floor.world, other.scene.conference, ana)
    other.floor.reconciler.single_reads.compare_participants(other.conference)
    assert not call.conference.participants.get(leg__agent__name="Ana Ruiz").present
    assert other.conference.participants.get(leg__agent__name="Ana Ruiz").present
