"""A clock of ours that differs from Telnyx': keys of the phone count, a lost line is found, a dropped one seen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from conferences.models.supervision import Role
from conferences.projection.listings import note_participants
from conferences.sandbox.telephony import calls, membership
from conferences.telnyx.reads import ParticipantRead

from .conftest import Call, Floor

pytestmark = pytest.mark.slow
A_FEW_SECONDS_TOO = pytest.mark.parametrize("skewed", [0, 4, -4, 90, -90], indirect=True)


@pytest.fixture(params=[0, 90, -90], ids=["right", "behind", "ahead"])
def skewed(floor: Floor, request: pytest.FixtureRequest) -> Floor:
    """A floor whose clock differs by so many seconds, as the intake has measured."""
    floor.set_clock_behind(request.param)
    return floor


def barging(floor: Floor, kim: User) -> Call:
    call = floor.call()
    call.bring_in(kim)
    floor.wait(6)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    assert call.who_hears(kim.supervisor_sessions.get())
    return call


@pytest.mark.parametrize("keys", ["*0", "*9", "hold"])
def test_a_stop_on_the_phone_makes_the_barge_before_it_void_and_not_the_one_after_it(
    skewed: Floor, kim: User, keys: str
) -> None:
    call = barging(skewed, kim)
    leg = skewed.world.legs[kim.ears.get().call_control_id]
    if keys == "hold":
        calls.set_sip_hold(skewed.world, leg, held=True)
        skewed.wait(1)
        calls.set_sip_hold(skewed.world, leg, held=False)
    for digit in keys if keys != "hold" else "":
        calls.press(skewed.world, leg, digit=digit)
    skewed.wait(4)
    assert call.who_hears(kim.supervisor_sessions.get()) == set()
    if keys != "*9":
        call.choose(kim, Role.BARGE)
        skewed.wait(3)
        assert call.who_hears(kim.supervisor_sessions.get())


@pytest.mark.parametrize("told", [True, False])
def test_a_line_that_drops_soon_after_it_came_in_is_seen_to_be_out(skewed: Floor, kim: User, *, told: bool) -> None:
    skewed.call().bring_in(kim)
    skewed.wait(3)  # its joining has been read back
    participant = skewed.world.legs[kim.ears.get().call_control_id].participant
    assert participant is not None
    skewed.webhooks_lost = not told
    membership.leave(skewed.world, participant)
    skewed.wait(3 if told else 15)
    assert kim.supervisor_sessions.get().ended_at is not None


def test_a_dial_whose_answer_is_lost_is_found_by_its_mark(skewed: Floor, kim: User) -> None:
    call = skewed.call()
    skewed.fault("/calls", drop=True, when="after")
    session = call.choose(kim, Role.MONITOR)
    skewed.wait(20, until=lambda: call.state(session).stage == "inside")
    assert len(skewed.world_legs_to("sip:kim@sip.telnyx.com")) == 1


def read_again(floor: Floor, call: Call) -> None:
    """Wait until Telnyx has been asked who is in a call, so that the next reading is seconds away."""
    before = call.conference.participants_read_at
    floor.wait(20, until=lambda: call.conference.participants_read_at != before)


@A_FEW_SECONDS_TOO
def test_somebody_who_leaves_just_after_a_reading_is_seen_to_be_out_at_once(skewed: Floor, kim: User) -> None:
    call = skewed.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    leg = call.scene.agents[1]
    assert leg.participant is not None
    read_again(skewed, call)
    membership.leave(skewed.world, leg.participant)
    skewed.wait(0.5)
    assert call.legs()["Max Falk"].pk not in call.present()


@A_FEW_SECONDS_TOO
def test_somebody_who_comes_back_after_leaving_unheard_is_seen_at_once(skewed: Floor, kim: User) -> None:
    skewed.world.semantics.left_stay_listed = False
    call = skewed.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    leg = call.scene.agents[1]
    assert leg.participant is not None
    conference = leg.participant.conference
    skewed.webhooks_lost = True
    membership.leave(skewed.world, leg.participant)
    skewed.wait(20, until=lambda: call.legs()["Max Falk"].pk not in call.present())
    skewed.webhooks_lost = False
    membership.join(skewed.world, conference, leg)
    skewed.wait(0.5)
    assert call.legs()["Max Falk"].pk in call.present()


def listed(call: Call, *names: str) -> list[ParticipantRead]:
    """Return what Telnyx lists of a call with these people in it."""
    return [
        ParticipantRead(
            call_control_id=call.legs()[name].call_control_id,
            call_leg_id="",
            status="joined",
            muted=False,
            on_hold=False,
            whisper_call_control_ids=(),
        )
        for name in names
    ]


def test_somebody_whom_two_readings_do_not_name_is_out_though_they_joined_a_moment_before(skewed: Floor) -> None:
    call = skewed.call(agents=("Ana Ruiz", "Max Falk"))
    for seconds in (1, 7):
        at = skewed.now + timedelta(seconds=seconds)
        note_participants(conference=call.conference, reads=listed(call, "Ana Ruiz"), at=at)
    assert call.legs()["Max Falk"].pk not in call.present()


def test_somebody_whom_a_reading_sees_in_another_call_is_out_of_the_one_they_joined_before(skewed: Floor) -> None:
    first, second = skewed.call(), skewed.call(agents=("Max Falk",))
    note_participants(
        conference=second.conference, reads=listed(first, "Ana Ruiz"), at=skewed.now + timedelta(seconds=1)
    )
    assert first.legs()["Ana Ruiz"].pk not in first.present()
