"""Checks what happens to a live ear while nobody clicks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import Account, Agent, AuditEntry, Presence
from conferences.models.supervision import Role
from conferences.sandbox.telephony import calls
from conferences.supervision import Refused, connect, disconnect, follow, leave, live_ear

from .conftest import Call, Floor


def talking(floor: Floor, kim: User, role: Role) -> Call:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else []))
    floor.wait(3)
    return call


def roles_sent(floor: Floor) -> list[str]:
    return [body["supervisor_role"] for body in floor.sent("/update")]


@pytest.mark.slow
def test_a_connected_line_is_parked_and_the_next_conference_needs_no_dialling(floor: Floor, kim: User) -> None:
    connect(user=kim, now=floor.now)
    floor.wait(5, until=lambda: kim.ears.get().state == "connected")
    call = floor.call()
    call.choose(kim, Role.MONITOR)
    assert [len(floor.sent("/calls")), len(floor.sent("/join"))] == [1, 1]


def test_no_line_is_free_when_the_budget_of_ears_is_used_up(floor: Floor, kim: User, lena: User) -> None:
    Account.objects.update(max_ears=1)
    connect(user=kim, now=floor.now)
    with pytest.raises(Refused, match="All 1 supervisor phones are in use"):
        connect(user=lena, now=floor.now)


@pytest.mark.slow
@pytest.mark.parametrize(("role", "seconds"), [(Role.WHISPER, 60), (Role.BARGE, 120)])
def test_without_an_open_page_a_voice_falls_back_to_monitor(floor: Floor, kim: User, role: Role, seconds: int) -> None:
    talking(floor, kim, role)
    Presence.objects.filter(user=kim).update(seen_at=floor.now)
    floor.wait(seconds - 2)
    assert "monitor" not in roles_sent(floor)
    floor.wait(5)
    assert roles_sent(floor)[-1] == "monitor"


@pytest.mark.slow
def test_an_open_page_keeps_the_voice(floor: Floor, kim: User) -> None:
    talking(floor, kim, Role.WHISPER)
    Presence.objects.filter(user=kim).update(seen_at=floor.now + timedelta(seconds=80))
    floor.wait(80)
    assert "monitor" not in roles_sent(floor)


@pytest.mark.slow
def test_hold_on_the_own_phone_means_monitor_at_once(floor: Floor, kim: User) -> None:
    call = talking(floor, kim, Role.BARGE)
    calls.set_sip_hold(floor.world, floor.world.legs[kim.ears.get().call_control_id], held=True)
    floor.wait(1)
    assert roles_sent(floor)[-1] == "monitor"
    assert "pressed hold" in kim.supervisor_sessions.get().notice
    assert call.conference.ended_at is None


@pytest.mark.slow
@pytest.mark.parametrize("keys", ["*0", "*9"])
def test_keys_on_the_phone_quieten_and_leave(floor: Floor, kim: User, keys: str) -> None:
    call = talking(floor, kim, Role.WHISPER)
    session = kim.supervisor_sessions.get()
    for digit in keys:
        calls.press(floor.world, floor.world.legs[session.ear.call_control_id], digit=digit)
    floor.wait(3)
    assert call.who_hears(session) == set()
    assert (call.state(session).ended_at is not None) is (keys == "*9")


@pytest.mark.slow
def test_a_single_0_on_the_phone_changes_nothing(floor: Floor, kim: User) -> None:
    call = talking(floor, kim, Role.WHISPER)
    session = kim.supervisor_sessions.get()
    calls.press(floor.world, floor.world.legs[session.ear.call_control_id], digit="0")
    floor.wait(2)
    assert call.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
def test_an_idle_line_is_released(floor: Floor, kim: User) -> None:
    Account.objects.update(ear_idle_minutes=1)
    connect(user=kim, now=floor.now)
    floor.wait(70)
    assert "not used" in kim.ears.get().end_reason


@pytest.mark.slow
def test_an_idle_line_is_renewed_before_telnyx_ends_it(floor: Floor, kim: User) -> None:
    Account.objects.update(ear_idle_minutes=600)
    connect(user=kim, now=floor.now)
    floor.wait(5)
    kim.ears.update(connected_at=floor.now - timedelta(hours=3, minutes=50))
    Presence.objects.create(user=kim, seen_at=floor.now + timedelta(seconds=30))
    floor.wait(5)
    assert len(floor.sent("/calls")) == 2
    ear = live_ear(kim)
    assert ear is not None
    assert ear.state == "connected"


@pytest.mark.slow
def test_following_an_agent_hops_into_the_next_call_as_monitor(floor: Floor, kim: User) -> None:
    first = floor.call()
    first.bring_in(kim)
    follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)
    first.scene.finish()
    floor.wait(3)
    second = floor.call()
    floor.wait(3, until=lambda: kim.supervisor_sessions.filter(conference=second.conference, stage="inside").exists())
    assert {body["supervisor_role"] for body in floor.sent("/join")} == {"monitor"}
    assert len(floor.sent("/calls")) == 1


@pytest.mark.slow
def test_a_single_shot_follows_into_one_call_only(floor: Floor, kim: User) -> None:
    connect(user=kim, now=floor.now)
    floor.wait(3)
    follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), once=True, now=floor.now)
    floor.call()
    floor.wait(3)
    leave(user=kim, now=floor.now)
    floor.wait(2)
    floor.call()
    floor.wait(3)
    assert len(floor.sent("/join")) == 1


def test_omar_may_not_follow_ana(floor: Floor, omar: User) -> None:
    with pytest.raises(Refused, match="Connect your phone"):
        follow(user=omar, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)


@pytest.mark.slow
def test_disconnecting_hangs_up_our_own_leg_only(floor: Floor, kim: User) -> None:
    call = talking(floor, kim, Role.BARGE)
    mine = kim.ears.get().call_control_id
    disconnect(user=kim, now=floor.now)
    floor.wait(2)
    assert not floor.world.legs[mine].alive
    assert all(leg.alive for leg in [call.scene.customer, *call.scene.agents] if leg)


@pytest.mark.slow
def test_a_barge_for_another_audience_than_the_page_showed_is_refused(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    shown = call.present()
    call.scene.connect(call.scene.ring(next(a for a in call.scene.team.agents if a.name == "Max Falk")))
    floor.wait(1)
    with pytest.raises(Refused, match="Somebody joined or left"):
        call.choose_seeing(kim, Role.BARGE, audience=shown)
    assert floor.sent("/update") == []


@pytest.mark.slow
def test_a_line_that_follows_an_agent_is_renewed_too_and_goes_on_following(floor: Floor, kim: User) -> None:
    connect(user=kim, now=floor.now)
    floor.wait(5)
    follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)
    kim.ears.update(connected_at=floor.now - timedelta(hours=3, minutes=50), idle_since=floor.now - timedelta(hours=2))
    Presence.objects.create(user=kim, seen_at=floor.now + timedelta(seconds=30))
    floor.wait(6)
    assert len(floor.sent("/calls")) == 2
    call = floor.call()
    floor.wait(3, until=lambda: kim.supervisor_sessions.filter(conference=call.conference, stage="inside").exists())
    assert {body["supervisor_role"] for body in floor.sent("/join")} == {"monitor"}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["busy", "rejects"])
def test_a_line_that_does_not_answer_its_renewal_is_rung_once(floor: Floor, kim: User, behaviour: str) -> None:
    Account.objects.update(ear_idle_minutes=600)
    connect(user=kim, now=floor.now)
    floor.wait(5)
    floor.phones.set(address="sip:kim@sip.telnyx.com", behaviour=behaviour)  # type: ignore[arg-type]
    kim.ears.update(connected_at=floor.now - timedelta(hours=3, minutes=50))
    Presence.objects.create(user=kim, seen_at=floor.now + timedelta(seconds=60))
    floor.wait(40)
    assert len(floor.sent("/calls")) == 2
    assert live_ear(kim) is None


@pytest.mark.slow
def test_a_renewal_that_telnyx_refuses_is_asked_for_once(floor: Floor, kim: User) -> None:
    Account.objects.update(ear_idle_minutes=600)
    connect(user=kim, now=floor.now)
    floor.wait(5)
    floor.fault("/calls", status=422, code="90041", times=99)
    kim.ears.update(connected_at=floor.now - timedelta(hours=3, minutes=50))
    Presence.objects.create(user=kim, seen_at=floor.now + timedelta(seconds=60))
    floor.wait(10)
    assert AuditEntry.objects.filter(action="not renewed").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"drop": True, "when": "after"}, {"when": "late", "delay_s": 15}])
def test_a_line_disconnected_before_telnyx_named_its_leg_does_not_stay_up(
    floor: Floor, kim: User, fault: dict[str, Any]
) -> None:
    floor.fault("/calls", times=9, **fault)
    connect(user=kim, now=floor.now)
    disconnect(user=kim, now=floor.now)
    floor.wait(50)
    assert live_ear(kim) is None
    assert len(floor.world_legs_to("sip:kim@sip.telnyx.com")) == 1
    assert not any(leg.alive for leg in floor.world_legs_to("sip:kim@sip.telnyx.com"))


@pytest.mark.slow
def test_a_line_whose_dial_never_arrived_is_free_again_once_disconnected(floor: Floor, kim: User) -> None:
    floor.fault("/calls", drop=True, times=9)
    connect(user=kim, now=floor.now)
    disconnect(user=kim, now=floor.now)
    floor.wait(50)
    assert live_ear(kim) is None
    assert len(floor.sent("/calls")) == 1


def test_who_may_not_follow_an_agent_is_refused_in_the_audit(floor: Floor, kim: User) -> None:
    connect(user=kim, now=floor.now)
    kim.team_memberships.all().delete()
    with pytest.raises(Refused, match="You are not allowed to listen to this agent"):
        follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)
    assert "Ana Ruiz" in AuditEntry.objects.get(action="refused", actor=kim).detail
