"""Checks what is read and sent when a request goes wrong or is pressed twice."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role
from conferences.sandbox.telephony import membership
from conferences.supervision import Refused, leave, live_ear, quieter
from conferences.telnyx.client import Client

from .conftest import Call, Floor

pytestmark = pytest.mark.slow


def roles_sent(floor: Floor) -> list[str]:
    return [body["supervisor_role"] for body in floor.sent("/update")]


def posts(floor: Floor) -> list[str]:
    return [entry["path"].rpartition("/")[2] for entry in floor.api.log if entry["method"] == "POST"]


# --- the dial, and the joining ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "detail", "words"),
    [
        (401, "10009", "", "refuses the API key"),
        (403, "20002", "", "refuses the API key"),
        (403, "20006", "", "refuses the API key"),
        (401, "20008", "", "refuses the API key"),
        (401, "", "", "refuses the API key"),
        (403, "10010", "Connection has no Outbound Profile assigned D38.", "no outbound voice profile"),
        (403, "10010", "Dialed number is not included in whitelisted countries D13.", "country of your phone"),
        (403, "10010", "Caller Origination Number is Invalid D35.", "number that your phone would show"),
        (403, "10010", "User channel limit exceeded D1.", "Too many calls at once for this Telnyx account"),
        (403, "10010", "Service not allowed D99.", r"does not allow this \(HTTP 403, code 10010 D99\)"),
        (403, "10010", "", r"does not allow this \(HTTP 403, code 10010\)"),
        (403, "20012", "", "account is inactive, blocked or not verified"),
        (403, "20013", "", "account is inactive, blocked or not verified"),
        (403, "20017", "", "account is inactive, blocked or not verified"),
        (403, "10038", "", "does not have this feature"),
        (403, "10039", "", "does not have this feature"),
        (429, "10011", "", "too many requests"),
        (422, "10011", "SRTP is not supported towards telephone numbers.", "HTTP 422, code 10011"),
        (404, "10005", "", "HTTP 404, code 10005"),
        (404, "10007", "", "HTTP 404, code 10007"),
        (422, "10004", "", "code 10004"),
        (422, "10006", "You are not authorised to use this id.", "code 10006"),
        (422, "10015", "", "does not accept Floorline's application"),
        (422, "10016", "", "does not accept the number of your phone"),
        (422, "10026", "", "code 10026"),
        (422, "10032", "", "code 10032"),
        (422, "10033", "", "code 10033"),
        (422, "90017", "", "code 90017"),
        (422, "90041", "", "Too many calls at once for this Telnyx account"),
        (422, "90042", "", "Too many calls at once for the outbound voice profile"),
        (422, "90043", "", "Too many calls at once for Floorline's application"),
        (422, "90057", "", "code 90057"),
        (422, "90061", "", "code 90061"),
    ],
)
def test_a_refused_dial_is_told_in_words_and_asked_for_once(
    floor: Floor, kim: User, status: int, code: str, detail: str, words: str
) -> None:
    call = floor.call()
    floor.fault("/calls", status=status, code=code, detail=detail)
    with pytest.raises(Refused, match=words):
        call.choose(kim, Role.MONITOR)
    floor.wait(5)
    assert posts(floor) == ["calls"]
    assert live_ear(kim) is None


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (422, "90019", "has ended"),
        (404, "90058", "no longer knows this call"),
        (404, "10005", "no longer knows this call"),
        (422, "90032", "call is full"),
        (422, "90015", "no longer connected"),
        (422, "90018", "has hung up"),
        (404, "10007", "no longer knows this call"),
        (422, "10004", "code 10004"),
        (422, "10015", "code 10015"),
        (422, "90033", "code 90033"),
        (403, "10010", "does not allow this"),
        (403, "20012", "account is inactive"),
        (429, "10011", "too many requests"),
        (401, "10009", "refuses the API key"),
    ],
)
def test_a_refused_joining_is_told_in_words_and_keeps_the_line(
    floor: Floor, kim: User, status: int, code: str, words: str
) -> None:
    call = floor.call()
    floor.fault("*/actions/join", status=status, code=code)
    session = call.choose(kim, Role.MONITOR)
    floor.wait(10)
    assert words in call.state(session).end_reason
    assert posts(floor) == ["calls", "join"]
    assert live_ear(kim) is not None


def test_a_joining_that_comes_before_the_line_is_up_is_tried_again(floor: Floor, kim: User) -> None:
    call = floor.call()
    floor.fault("*/actions/join", status=422, code="90034", times=3)
    call.bring_in(kim)
    assert posts(floor) == ["calls", "join", "join", "join", "join"]


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": True},
        {"drop": True, "when": "after"},
        {"status": 500},
        {"status": 503, "when": "after"},
        {"when": "late", "delay_s": 2.0},
    ],
)
def test_a_joining_without_an_answer_is_asked_for_again_by_the_same_name(
    floor: Floor, kim: User, fault: dict[str, Any]
) -> None:
    call = floor.call()
    floor.fault("*/actions/join", **fault)
    session = call.choose(kim, Role.MONITOR)
    floor.wait(15, until=lambda: call.state(session).verified_at is not None)
    assert len({body["command_id"] for body in floor.sent("/join")}) == 1
    assert call.state(session).stage == "inside"


# --- a louder role ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.WHISPER, Role.BARGE, Role.NONE])
@pytest.mark.parametrize(
    ("fault", "in_force"),
    [
        ({"drop": True}, False),
        ({"drop": True, "when": "after"}, True),
        ({"status": 500}, False),
        ({"status": 503, "when": "after"}, True),
        ({"when": "late", "delay_s": 2.0}, True),
        ({"when": "late", "delay_s": 20.0}, False),
    ],
)
def test_a_louder_role_without_an_answer_is_sent_once_and_either_found_or_silenced(
    floor: Floor, kim: User, role: Role, fault: dict[str, Any], *, in_force: bool
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", **fault)
    call.choose(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else []))
    asked = call.newest(session)
    assert asked.state == Command.State.UNKNOWN
    assert "has not answered" in asked.outcome
    floor.wait(26 if fault.get("delay_s") == 20.0 else 9)
    assert roles_sent(floor).count(role) == 1
    assert set(roles_sent(floor)) <= {role, "monitor"}
    assert bool(call.who_hears(session)) is in_force
    assert call.state(session).role == (role if in_force else Role.MONITOR)
    asked.refresh_from_db()
    # A role that is executed twenty seconds late is silenced again by whichever reading sees it first.
    late = {Command.State.VERIFIED, Command.State.EXPIRED} if fault.get("delay_s") == 20.0 else {Command.State.EXPIRED}
    assert asked.state in ({Command.State.VERIFIED} if in_force else late)


def test_a_rate_limit_is_waited_for_by_silence_and_told_to_a_louder_role(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", status=429, code="10011", reset_s=2)
    with pytest.raises(Refused, match="Wait a few seconds"):
        call.choose(kim, Role.BARGE)
    floor.wait(4)
    assert roles_sent(floor) == ["barge"]
    call.choose(kim, Role.BARGE)
    floor.wait(2)
    floor.fault("*/actions/update", status=429, code="10011", reset_s=2, times=2)
    quieter(user=kim, now=floor.now)
    floor.wait(4)
    assert call.who_hears(session) == set()
    assert roles_sent(floor)[2:] == ["monitor", "monitor", "monitor"]


def test_a_line_that_drops_while_a_role_is_asked_for_ends_the_stay_in_words(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    really_set = Client.set_role

    def dropped(client: Client, **given: Any) -> None:
        membership.hangup(floor.world, floor.world.legs[session.ear.call_control_id], source="callee")
        really_set(client, **given)

    monkeypatch.setattr(Client, "set_role", dropped)
    with pytest.raises(Refused, match="Your phone has hung up"):
        call.choose(kim, Role.BARGE)
    floor.wait(2)
    assert "Your phone hung up" in call.state(session).end_reason
    assert roles_sent(floor) == ["barge"]
    again = call.bring_in(kim)
    assert (again.role, [body["supervisor_role"] for body in floor.sent("/join")]) == (
        "monitor",
        ["monitor", "monitor"],
    )


def test_a_click_into_a_conference_that_has_ended_meanwhile_is_told(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.webhooks_lost = True
    scene = call.scene
    assert scene.conference is not None
    mine = scene.conference.participants[session.ear.call_control_id]
    membership.leave(floor.world, mine)
    scene.finish()
    with pytest.raises(Refused, match="This call has ended"):
        call.choose(kim, Role.BARGE)
    assert live_ear(kim) is not None


def test_in_the_wrong_region_nothing_is_shown_as_verified(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.go_live()
    before = call.state(session).verified_at
    wrong = {"status": 404, "code": "90058", "times": 999}
    floor.fault("*/actions/update", **wrong)
    floor.faults.arm({"method": "GET", "path": "/conferences/*", **wrong})
    with pytest.raises(Refused, match="no longer knows this call"):
        call.choose(kim, Role.BARGE)
    floor.wait(3)
    assert call.state(session).verified_at == before
    assert call.state(session).role == Role.MONITOR


# --- pressed twice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_a_double_click_sends_one_change(floor: Floor, kim: User, role: Role) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    targets = ["Ana Ruiz"] if role == Role.WHISPER else []
    call.choose(kim, role, *targets)
    call.choose(kim, role, *targets)
    floor.wait(2)
    assert roles_sent(floor) == [role]
    assert call.state(session).role == role


def test_a_form_from_the_history_is_refused_once_its_audience_is_not_there_any_more(floor: Floor, kim: User) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    shown = call.present()
    call.scene.release(call.scene.agents[1])
    floor.wait(2)
    with pytest.raises(Refused, match="Somebody joined or left"):
        call.choose_seeing(kim, Role.BARGE, audience=shown)
    assert roles_sent(floor) == []


def test_a_form_from_the_history_of_a_conference_that_has_ended_rings_nobody(floor: Floor, kim: User) -> None:
    call = floor.call()
    shown = call.present()
    call.scene.finish()
    floor.wait(2)
    with pytest.raises(Refused, match="has ended"):
        call.choose_seeing(kim, Role.BARGE, audience=shown)
    assert posts(floor) == []


@pytest.mark.parametrize("stop", [quieter, leave])
def test_a_stop_pressed_again_outside_sends_nothing(floor: Floor, kim: User, stop: Any) -> None:
    call = floor.call()
    call.bring_in(kim)
    leave(user=kim, now=floor.now)
    floor.wait(3)
    sent = posts(floor)
    stop(user=kim, now=floor.now)
    floor.wait(1)
    assert posts(floor) == sent


def test_two_tabs_on_two_conferences_have_one_ear_in_the_one_chosen_last(floor: Floor, kim: User) -> None:
    first, second = floor.call(), floor.call(agents=("Max Falk",))
    first.choose(kim, Role.MONITOR)
    second.choose(kim, Role.MONITOR)
    floor.wait(12)
    assert posts(floor) == ["calls", "join"]
    assert is_in(second, kim)
    assert not is_in(first, kim)


def is_in(call: Call, user: User) -> bool:
    assert call.scene.conference is not None
    ear = SupervisorSession.objects.filter(user=user).latest("started_at").ear
    return ear.call_control_id in call.scene.conference.participants
