"""The phones of supervisors: who answers, who presses 1, who does not."""

from __future__ import annotations

import pytest

from conferences.sandbox.telephony.phones import Behaviour
from tests.sandbox.conftest import Stage, dial

MOBILE = "+491555010011"
SIP = "sip:kim@sip.telnyx.com"
PRESS_1 = {"payload": "Press 1 to listen.", "voice": "female", "valid_digits": "1", "maximum_digits": 1}


def ask_for_1(stage: Stage, leg: str, **more: object) -> None:
    assert stage.ask("POST", f"/calls/{leg}/actions/gather_using_speak", PRESS_1 | more)[0] == 200


def test_a_sip_phone_answers_after_a_moment(stage: Stage) -> None:
    stage.ask("POST", "/calls", dial(to=SIP))
    stage.wait(0.5)
    assert stage.types() == ["call.initiated"]
    stage.wait(0.2)
    assert stage.types() == ["call.initiated", "call.answered"]


def test_a_mobile_answers_and_presses_1_when_asked(stage: Stage) -> None:
    leg = stage.supervisor(MOBILE)
    ask_for_1(stage, leg)
    stage.wait(2)
    assert stage.types() == ["call.initiated", "call.answered", "call.dtmf.received", "call.gather.ended"]
    assert (stage.events[-1].payload["digits"], stage.events[-1].payload["status"]) == ("1", "valid")


def test_a_mailbox_answers_but_never_presses(stage: Stage) -> None:
    stage.phones.set(address=MOBILE, behaviour="voicemail")
    leg = stage.supervisor(MOBILE)
    ask_for_1(stage, leg, timeout_millis=6000, maximum_tries=3)
    stage.wait(18)
    assert stage.types() == ["call.initiated", "call.answered"]
    stage.wait(5)
    assert stage.types()[-1] == "call.gather.ended"
    assert (stage.events[-1].payload["digits"], stage.events[-1].payload["status"]) == ("", "timeout")


@pytest.mark.parametrize(
    ("behaviour", "cause", "sip"),
    [
        ("busy", "user_busy", "486"),
        ("rejects", "call_rejected", "603"),
        ("not_registered", "unspecified", "480"),
        ("no_answer", "timeout", "487"),
    ],
)
def test_a_phone_that_does_not_answer_says_why(stage: Stage, behaviour: Behaviour, cause: str, sip: str) -> None:
    stage.phones.set(address="SIP:Kim@sip.telnyx.com", behaviour=behaviour)
    stage.ask("POST", "/calls", dial(to=f"{SIP};secure=srtp", timeout_secs=20))
    stage.wait(21)
    assert stage.types() == ["call.initiated", "call.hangup"]
    payload = stage.events[-1].payload
    assert (payload["hangup_cause"], payload["sip_hangup_cause"]) == (cause, sip)
    assert payload["call_quality_stats"] is None


def test_hanging_up_while_it_rings_cancels(stage: Stage) -> None:
    leg = stage.ask("POST", "/calls", dial())[1]["data"]["call_control_id"]
    stage.ask("POST", f"/calls/{leg}/actions/hangup", {})
    stage.wait(60)
    assert stage.types() == ["call.initiated", "call.hangup"]
    assert stage.events[-1].payload["hangup_cause"] == "originator_cancel"


def test_the_time_limit_ends_an_answered_leg(stage: Stage) -> None:
    stage.supervisor(SIP, time_limit_secs=60)
    stage.wait(60)
    assert stage.events[-1].payload["hangup_cause"] == "time_limit"


def test_a_hangup_ends_the_gathering_first(stage: Stage) -> None:
    leg = stage.supervisor(MOBILE)
    ask_for_1(stage, leg)
    stage.ask("POST", f"/calls/{leg}/actions/hangup", {})
    assert stage.types()[-2:] == ["call.gather.ended", "call.hangup"]
    assert stage.events[-2].payload["status"] == "call_hangup"
    stage.wait(5)
    assert stage.types()[-1] == "call.hangup"


def test_a_wrong_digit_is_asked_again_and_then_invalid(stage: Stage) -> None:
    from conferences.sandbox.telephony import calls

    leg = stage.world.legs[stage.supervisor(SIP)]
    ask_for_1(stage, leg.call_control_id, maximum_tries=2)
    calls.press(stage.world, leg, digit="5")
    assert leg.gather is not None
    calls.press(stage.world, leg, digit="5")
    stage.collect()
    assert (stage.events[-1].type, stage.events[-1].payload["status"]) == ("call.gather.ended", "invalid")


def test_digits_end_with_the_terminator_or_a_pause(stage: Stage) -> None:
    from conferences.sandbox.telephony import calls

    leg = stage.world.legs[stage.supervisor(SIP)]
    for ending in ("#", None):
        stage.ask("POST", f"/calls/{leg.call_control_id}/actions/gather", {"minimum_digits": 2})
        calls.press(stage.world, leg, digit="4")
        calls.press(stage.world, leg, digit="2")
        if ending:
            calls.press(stage.world, leg, digit=ending)
        stage.wait(5)
        assert (stage.events[-1].payload["digits"], stage.events[-1].payload["status"]) == ("42", "valid")


def test_a_new_gather_cancels_the_old(stage: Stage) -> None:
    leg = stage.supervisor(SIP)
    for _ in range(2):
        stage.ask("POST", f"/calls/{leg}/actions/gather", {})
    assert (stage.types()[-1], stage.events[-1].payload["status"]) == ("call.gather.ended", "cancelled")


def test_speech_starts_and_ends(stage: Stage) -> None:
    leg = stage.supervisor(SIP)
    stage.ask("POST", f"/calls/{leg}/actions/speak", {"payload": "Hello", "voice": "female"})
    stage.wait(1)
    assert stage.types()[-2:] == ["call.speak.started", "call.speak.ended"]
    assert stage.code("POST", f"/calls/{leg}/actions/speak", {"payload": "Hello"}) == (422, "10004")


def test_a_leg_with_a_webhook_url_of_its_own_tells_only_that(stage: Stage) -> None:
    stage.supervisor(webhook_url="http://127.0.0.1:9/ear")
    assert {event.url for event in stage.events} == {"http://127.0.0.1:9/ear"}


def test_no_webhook_leaves_this_machine(stage: Stage) -> None:
    stage.supervisor(webhook_url="https://floor.example.com/webhooks")
    assert {event.url for event in stage.events} == {stage.world.webhook_url}
