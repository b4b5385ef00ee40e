"""Checks a running whisper while people join, leave, or turn out to be somebody else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from conferences.models import Account, Leg
from conferences.models.supervision import Role
from conferences.sandbox.telephony import membership
from conferences.supervision import Refused

from .conftest import Call, Floor, customer_joins

pytestmark = pytest.mark.slow


def whispering(floor: Floor, kim: User, *, to: tuple[str, ...] = ("Ana Ruiz",)) -> Call:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    call.choose(kim, Role.WHISPER, *to)
    floor.wait(6)
    return call


def roles_sent(floor: Floor) -> list[str]:
    return [body["supervisor_role"] for body in floor.sent("/update")]


def agent_joins(floor: Floor, call: Call, name: str) -> None:
    call.scene.connect(call.scene.ring(next(agent for agent in call.scene.team.agents if agent.name == name)))


def test_a_whisper_that_telnyx_does_not_take_again_for_a_new_agent_ends(floor: Floor, kim: User) -> None:
    floor.world.semantics.whisper = "deny-list"
    call = whispering(floor, kim)
    session = kim.supervisor_sessions.get()
    floor.fault("*/actions/update", status=429, code="10011")
    agent_joins(floor, call, "Priya Nair")
    floor.wait(3)
    assert call.who_hears(session) == set()
    assert "did not renew your whisper" in call.state(session).notice
    assert roles_sent(floor) == ["whisper", "whisper", "monitor"]


def test_a_refused_change_of_the_list_does_not_make_a_newcomer_a_listener(floor: Floor, kim: User) -> None:
    """The refused click has seen the newcomer; the whisper that goes on was never asserted against them."""
    floor.world.semantics.whisper = "deny-list"
    call = whispering(floor, kim)
    session = kim.supervisor_sessions.get()
    agent_joins(floor, call, "Priya Nair")
    floor.deliver()
    floor.fault("*/actions/update", status=422, code="10004")
    with pytest.raises(Refused):
        call.choose(kim, Role.WHISPER, "Max Falk")
    floor.wait(3)
    assert call.who_hears(session) <= {"Ana Ruiz"}


def test_a_listener_who_turns_out_to_be_no_agent_is_whispered_to_no_longer(floor: Floor, kim: User) -> None:
    call = whispering(floor, kim, to=("Ana Ruiz", "Max Falk"))
    session = kim.supervisor_sessions.get()
    Leg.objects.filter(agent__name="Max Falk").update(party="unknown", agent=None)
    floor.wait(2)
    assert call.who_hears(session) == {"Ana Ruiz"}
    Leg.objects.filter(agent__name="Ana Ruiz").update(party="customer", agent=None)
    floor.wait(2)
    assert call.who_hears(session) == set()
    assert "Nobody you whispered to is on the call" in call.state(session).notice


def test_another_supervisor_who_joins_has_the_same_list_asserted_again(floor: Floor, kim: User, lena: User) -> None:
    floor.world.semantics.whisper = "deny-list"
    call = whispering(floor, kim)
    session = kim.supervisor_sessions.get()
    call.bring_in(lena)
    floor.wait(3)
    assert roles_sent(floor) == ["whisper", "whisper"]
    assert call.who_hears(session) == {"Ana Ruiz"}
    assert call.state(session).role == Role.WHISPER


def test_a_customer_who_left_and_is_back_between_two_looks_ends_a_whisper(floor: Floor, kim: User) -> None:
    call = whispering(floor, kim)
    customer, conference = call.scene.customer, call.scene.conference
    assert customer is not None
    assert customer.participant is not None
    assert conference is not None
    membership.leave(floor.world, customer.participant)
    membership.join(floor.world, conference, customer)
    floor.wait(2)
    assert call.who_hears(kim.supervisor_sessions.get()) == set()
    assert "not a known agent joined" in call.state(kim.supervisor_sessions.get()).notice


@pytest.mark.parametrize("role", [Role.BARGE, Role.WHISPER])
def test_a_louder_click_that_names_no_audience_is_refused(floor: Floor, kim: User, role: Role) -> None:
    call = floor.call()
    call.bring_in(kim)
    with pytest.raises(Refused, match="Somebody joined or left"):
        call.choose_seeing(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else []), audience=[])
    assert roles_sent(floor) == []


def test_a_line_that_telnyx_says_is_inside_already_is_told_to_be_silent(floor: Floor, kim: User) -> None:
    floor.world.semantics.monitor_reads_muted = False
    Account.objects.update(monitor_reads_muted=False)
    call = floor.call()
    floor.fault("*/actions/join", status=422, code="90044")
    session = call.choose(kim, Role.MONITOR)
    floor.wait(8, until=lambda: call.state(session).ear.call_control_id != "")
    conference, ear = call.scene.conference, call.state(session).ear
    assert conference is not None
    floor.wait(4, until=lambda: floor.world.legs[ear.call_control_id].state == "answered")
    membership.join(floor.world, conference, floor.world.legs[ear.call_control_id], role="none")
    floor.wait(4)
    assert roles_sent(floor) == ["monitor"]
    assert call.who_hears(call.state(session)) == set()


def test_a_customer_who_joins_a_private_whisper_does_not_end_it(floor: Floor, kim: User) -> None:
    Account.objects.update(whisper_reaches="listed")
    call = whispering(floor, kim)
    customer_joins(floor, call)
    floor.wait(3)
    assert call.who_hears(kim.supervisor_sessions.get()) == {"Ana Ruiz"}
    assert roles_sent(floor) == ["whisper", "whisper"]
