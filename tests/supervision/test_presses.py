"""A press has a time of its own: the later press wins, and a stop makes void what the same person pressed before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.urls import reverse

from conferences.models import Ear, Stop
from conferences.models.supervision import Role
from conferences.sandbox.telephony import calls
from conferences.supervision import Press, Refused, connect, disconnect, follow, leave, quieter
from conferences.supervision.presses import read_press
from conferences.telnyx.client import Client
from conferences.telnyx.errors import Unanswered

from .conftest import Call, Floor

During = Callable[..., None]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def during_the_leave(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> During:
    """Let something be pressed while the line leaves one call for another."""

    def arm(press: Callable[[], Any], *, answered: bool = True) -> None:
        really_leave = Client.leave

        def leaving(client: Client, **given: Any) -> None:
            monkeypatch.setattr(Client, "leave", really_leave)
            really_leave(client, **given)
            press()
            if not answered:
                raise Unanswered

        monkeypatch.setattr(Client, "leave", leaving)

    return arm


def two_calls(floor: Floor, kim: User) -> tuple[Call, Call]:
    """Kim inside the first of two calls."""
    first, second = floor.call(), floor.call(agents=("Max Falk",))
    first.bring_in(kim)
    return first, second


def roles_sent(floor: Floor) -> list[str]:
    return [body["supervisor_role"] for body in floor.sent("/update")]


# --- a stop on the way from one call to the next ----------------------------------------------------------------------


@pytest.mark.slow
def test_quieter_pressed_during_a_hop_makes_the_whisper_void(floor: Floor, kim: User, during_the_leave: During) -> None:
    _first, second = two_calls(floor, kim)
    during_the_leave(lambda: quieter(user=kim, press=floor.press(), now=floor.now))
    session = second.choose(kim, Role.WHISPER, "Max Falk")
    assert second.state(session).wanted_role == Role.MONITOR
    floor.wait(8)
    assert roles_sent(floor) == []
    assert second.state(session).stage == "inside"
    assert second.who_hears(session) == set()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [leave, disconnect])
@pytest.mark.parametrize("answered", [True, False])
def test_leaving_during_a_hop_ends_outside_both_calls(
    floor: Floor, kim: User, during_the_leave: During, stop: Callable[..., None], *, answered: bool
) -> None:
    first, second = two_calls(floor, kim)
    during_the_leave(lambda: stop(user=kim, press=floor.press(), now=floor.now), answered=answered)
    with pytest.raises(Refused):
        second.choose(kim, Role.WHISPER, "Max Falk")
    floor.wait(12)
    assert roles_sent(floor) == []
    assert not kim.supervisor_sessions.filter(ended_at=None).exists()
    for call in (first, second):
        assert call.scene.conference is not None
        assert len(call.scene.conference.participants) == 2


@pytest.mark.slow
def test_monitor_pressed_for_the_same_call_during_a_hop_makes_the_whisper_void(
    floor: Floor, kim: User, during_the_leave: During
) -> None:
    _first, second = two_calls(floor, kim)

    def monitor() -> None:
        with pytest.raises(Refused):
            second.choose(kim, Role.MONITOR)

    during_the_leave(monitor)
    second.choose(kim, Role.WHISPER, "Max Falk")
    floor.wait(8)
    assert roles_sent(floor) == []


@pytest.mark.slow
def test_a_whisper_pressed_after_the_stop_of_its_page_is_done(
    floor: Floor, kim: User, during_the_leave: During
) -> None:
    _first, second = two_calls(floor, kim)
    quieter(user=kim, press=floor.press(), now=floor.now)
    session = second.choose(kim, Role.WHISPER, "Max Falk")
    floor.wait(8)
    assert second.who_hears(session) == {"Max Falk"}


@pytest.mark.slow
def test_a_stop_of_another_page_wins_within_two_seconds_and_not_later(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.wait(3)
    quieter(user=kim, press=Press(at=floor.now, page=uuid4(), number=1), now=floor.now)
    floor.wait(1.5)
    with pytest.raises(Refused, match="asked for silence"):
        call.choose(kim, Role.BARGE)
    floor.wait(1)
    call.choose(kim, Role.BARGE)
    assert call.who_hears(session) != set()


# --- the order of presses is not the order of requests ----------------------------------------------------------------


@pytest.mark.slow
def test_a_barge_that_is_stored_after_a_stop_that_was_pressed_later_is_not_sent(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    barge = floor.press()
    quieter(user=kim, press=floor.press(), now=floor.now)
    with pytest.raises(Refused, match="asked for silence"):
        call.choose_at(kim, Role.BARGE, press=barge)
    floor.wait(3)
    assert roles_sent(floor) == ["monitor"]
    assert call.who_hears(session) == set()


@pytest.mark.slow
def test_a_stop_that_is_stored_after_a_barge_that_was_pressed_later_changes_nothing(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    stop = floor.press()
    call.choose(kim, Role.BARGE)
    quieter(user=kim, press=stop, now=floor.now)
    floor.wait(3)
    assert roles_sent(floor) == ["barge"]
    assert call.who_hears(session) != set()


@pytest.mark.slow
def test_of_two_louder_presses_the_later_one_stays(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    barge = floor.press()
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    with pytest.raises(Refused, match="something else after this"):
        call.choose_at(kim, Role.BARGE, press=barge)
    assert call.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
@pytest.mark.parametrize("first", [Role.WHISPER, Role.BARGE])
def test_of_two_louder_presses_on_two_pages_at_once_the_quieter_one_stays(floor: Floor, kim: User, first: Role) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    targets = {Role.WHISPER: ["Ana Ruiz"], Role.BARGE: []}
    call.choose(kim, first, *targets.pop(first))
    floor.wait(1.5)
    [(other, named)] = targets.items()
    with contextlib.suppress(Refused):
        call.choose_at(kim, other, *named, press=Press(at=floor.now, page=uuid4(), number=1))
    assert call.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
def test_a_barge_gives_way_to_the_same_whisper_that_another_page_has_just_pressed_again(
    floor: Floor, kim: User
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(4)
    call.choose_at(kim, Role.WHISPER, "Ana Ruiz", press=Press(at=floor.now, page=uuid4(), number=1))
    assert roles_sent(floor) == ["whisper"]
    floor.wait(1)
    with pytest.raises(Refused, match="You pressed something else"):
        call.choose(kim, Role.BARGE)
    assert call.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "heard"), [(1.5, set()), (3, {"Ana Ruiz"})])
def test_a_whisper_gives_way_to_the_monitor_that_another_page_has_pressed_at_once(
    floor: Floor, kim: User, seconds: float, heard: set[str]
) -> None:
    two_calls(floor, kim)[1].bring_in(kim)  # the line is up
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    session = call.choose(kim, Role.MONITOR)
    floor.wait(seconds)
    refused = pytest.raises(Refused, match="Monitor was pressed on another page, so you stay on Monitor")
    with contextlib.nullcontext() if heard else refused:
        call.choose_at(kim, Role.WHISPER, "Ana Ruiz", press=Press(at=floor.now, page=uuid4(), number=1))
    floor.wait(3)
    assert call.who_hears(session) == heard


@pytest.mark.slow
def test_a_whisper_that_is_stored_after_a_barge_of_another_page_a_moment_later_takes_its_place(
    floor: Floor, kim: User
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    whisper = Press(at=floor.now, page=uuid4(), number=1)
    floor.wait(1.5)
    call.choose(kim, Role.BARGE)
    call.choose_at(kim, Role.WHISPER, "Ana Ruiz", press=whisper)
    assert call.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
@pytest.mark.parametrize(("role", "targets"), [(Role.WHISPER, ["Max Falk"]), (Role.MONITOR, [])])
def test_a_press_for_another_call_that_is_stored_after_a_later_one_for_this_call_changes_nothing(
    floor: Floor, kim: User, role: Role, targets: list[str]
) -> None:
    first, second = two_calls(floor, kim)
    late = floor.press()
    session = first.choose(kim, Role.WHISPER, "Ana Ruiz")
    with pytest.raises(Refused, match="something else after this"):
        second.choose_at(kim, role, *targets, press=late)
    floor.wait(3)
    assert floor.sent("/leave") == []
    assert first.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.WHISPER, Role.MONITOR])
def test_a_press_that_is_stored_after_a_later_one_for_a_call_that_telnyx_refused_brings_nobody_in(
    floor: Floor, kim: User, role: Role
) -> None:
    first, second = two_calls(floor, kim)
    first.bring_in(kim)
    late = floor.press()
    floor.fault("*/actions/join", status=422, times=1)
    second.choose(kim, Role.MONITOR)
    floor.wait(1)
    joined = len(floor.sent("/join"))
    with pytest.raises(Refused, match="something else after this"):
        first.choose_at(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else []), press=late)
    floor.wait(3)
    assert len(floor.sent("/join")) == joined
    assert first.choose(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else [])).conference == first.conference


# --- the age of a press -----------------------------------------------------------------------------------------------


def page_posts(kim: User, path: str, floor: Floor, *, ago: float, **fields: Any) -> int:
    """Post what a page sends for a press so many seconds ago; return the status."""
    browser = Browser()
    browser.force_login(kim)
    pressed_at = int((floor.now - timedelta(seconds=ago)).timestamp() * 1000)
    form = {"page": str(floor.page), "press": str(floor.press().number), "pressed_at": str(pressed_at), **fields}
    return browser.post(path, form, headers=HTMX).status_code


@pytest.mark.slow
@pytest.mark.parametrize(("ago", "status"), [(4.5, 200), (5.5, 422), (90, 422)])
def test_a_barge_is_refused_once_its_press_is_five_seconds_old(
    floor: Floor, kim: User, ago: float, status: int
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.go_live()
    seen = [str(pk) for pk in call.present()]
    path = reverse("role", args=[call.conference.pk])
    assert page_posts(kim, path, floor, ago=ago, role="barge", confirmed="barge", audience=seen) == status
    assert bool(call.who_hears(session)) is (status == 200)


@pytest.mark.slow
def test_monitor_into_another_call_is_refused_once_its_press_is_five_seconds_old(floor: Floor, kim: User) -> None:
    first, second = two_calls(floor, kim)
    assert page_posts(kim, reverse("monitor"), floor, ago=6, monitor=str(second.conference.pk)) == 422
    assert floor.sent("/leave") == []
    assert kim.supervisor_sessions.get(ended_at=None).conference == first.conference


@pytest.mark.slow
@pytest.mark.parametrize("path", ["quieter", "leave", "disconnect"])
def test_a_stop_is_never_too_old(floor: Floor, kim: User, path: str) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    assert page_posts(kim, reverse(path), floor, ago=30) == 200
    floor.wait(3)
    assert call.who_hears(session) == set()


@pytest.mark.parametrize(
    ("given", "before_receipt"),
    [
        ({}, 0.0),
        ({"pressed_at": "-3000"}, 3.0),
        ({"pressed_at": "-3600000"}, 60.0),
        ({"pressed_at": "+20000"}, 0.0),
        ({"pressed_at": "yesterday"}, 0.0),
    ],
)
def test_the_time_of_a_press_lies_within_the_minute_before_its_receipt(
    floor: Floor, given: dict[str, str], before_receipt: float
) -> None:
    fields = dict(given)
    if fields.get("pressed_at", "")[:1] in {"-", "+"}:
        fields["pressed_at"] = str(int(floor.now.timestamp() * 1000) + int(fields["pressed_at"]))
    press = read_press(fields, received=floor.now)
    assert (floor.now - press.at).total_seconds() == before_receipt


@pytest.mark.slow
def test_monitor_in_ones_own_call_is_a_stop_that_needs_no_right(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    kim.team_memberships.all().delete()
    call.choose(kim, Role.MONITOR)
    assert call.who_hears(session) == set()
    assert Stop.objects.get(user=kim).way == "quieter"


@pytest.mark.slow
def test_monitor_while_the_line_is_leaving_is_stored_as_a_stop(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    floor.fault("*/actions/leave", drop=True, times=99)
    leave(user=kim, press=floor.press(), now=floor.now)
    with pytest.raises(Refused, match="leaving a call"):
        call.choose(kim, Role.MONITOR)
    assert set(Stop.objects.filter(user=kim).values_list("way", flat=True)) == {"leave", "quieter"}


# --- the phone, and following -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_key_on_the_phone_counts_from_the_time_that_telnyx_gives_it(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    pressed_at = floor.now
    for digit in "*0":
        calls.press(floor.world, floor.world.legs[session.ear.call_control_id], digit=digit)
    floor.world.advance(floor.world.now + 3)  # the webhooks are late
    floor.wait(1)
    stop = Stop.objects.get(user=kim)
    assert abs((stop.pressed_at - pressed_at).total_seconds()) < 1
    assert (stop.way, stop.page) == ("quieter", session.ear_id)
    assert call.who_hears(session) == set()


@pytest.mark.slow
@pytest.mark.parametrize("key", ["0", "9"])
def test_a_key_on_the_phone_that_a_locked_database_stopped_is_obeyed_in_the_next_step(
    floor: Floor, kim: User, key: str
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)

    def refuse_stops(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        if "conferences_stop" in sql:
            raise OperationalError("database is locked")
        return execute(sql, *given)

    for digit in f"*{key}":
        calls.press(floor.world, floor.world.legs[session.ear.call_control_id], digit=digit)
    with connection.execute_wrapper(refuse_stops), pytest.raises(OperationalError):
        floor.wait(1)
    floor.wait(3)
    assert call.who_hears(session) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("key", "stage"), [("0", "inside"), ("9", "ended")])
def test_a_key_is_obeyed_on_a_phone_that_is_on_hold_while_a_whisper_is_pending(
    floor: Floor, kim: User, key: str, stage: str
) -> None:
    _first, second = two_calls(floor, kim)
    leg = floor.world.legs[kim.supervisor_sessions.get().ear.call_control_id]
    calls.set_sip_hold(floor.world, leg, held=True)
    floor.wait(3)
    session = second.choose(kim, Role.WHISPER, "Max Falk")
    for digit in f"*{key}":
        calls.press(floor.world, leg, digit=digit)
    floor.wait(8)
    assert roles_sent(floor) == []
    assert second.state(session).stage == stage


@pytest.mark.slow
def test_hold_on_the_phone_makes_a_whisper_void_that_is_still_on_its_way(
    floor: Floor, kim: User, during_the_leave: During
) -> None:
    _first, second = two_calls(floor, kim)
    ear = kim.supervisor_sessions.get().ear

    def hold() -> None:
        leg = floor.world.legs[ear.call_control_id]
        calls.set_sip_hold(floor.world, leg, held=True)
        floor.wait(1)
        calls.set_sip_hold(floor.world, leg, held=False)

    during_the_leave(hold)
    session = second.choose(kim, Role.WHISPER, "Max Falk")
    floor.wait(8)
    assert Stop.objects.filter(user=kim, page=ear.pk).count() == 1
    assert roles_sent(floor) == []
    assert second.who_hears(session) == set()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [leave, disconnect])
def test_whoever_leaves_does_not_follow_any_more(floor: Floor, kim: User, stop: Callable[..., None]) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    follow(user=kim, agent=call.legs()["Ana Ruiz"].agent, press=floor.press(), now=floor.now)
    stop(user=kim, press=floor.press(), now=floor.now)
    floor.wait(4)
    assert Ear.objects.get(pk=session.ear_id).follows is None


@pytest.mark.slow
def test_following_that_reaches_us_after_the_leave_is_refused(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    late = floor.press()
    leave(user=kim, press=floor.press(), now=floor.now)
    with pytest.raises(Refused, match="left since"):
        follow(user=kim, agent=call.legs()["Ana Ruiz"].agent, press=late, now=floor.now)


def test_a_line_is_not_rung_for_a_press_before_the_disconnect(floor: Floor, kim: User) -> None:
    late = floor.press()
    disconnect(user=kim, press=floor.press(), now=floor.now)
    with pytest.raises(Refused, match="left since"):
        connect(user=kim, press=late, now=floor.now)
    assert floor.sent("/calls") == []
