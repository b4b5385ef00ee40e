"""From Monitor to Leave: who hears the supervisor at every step, and what the screen's rows say."""

from __future__ import annotations

from django.contrib.auth.models import User

from conferences.models import Command
from conferences.models.supervision import Role
from conferences.supervision import leave

from .conftest import Floor


def test_monitor_brings_the_line_in_silently_and_is_verified(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    assert session.stage == "inside"
    assert call.who_hears(session) == set()
    assert [body["supervisor_role"] for body in floor.sent("/join")] == ["monitor"]
    assert floor.sent("/join")[0]["beep_enabled"] == "never"


def test_whisper_reaches_the_chosen_agent_and_nobody_else(floor: Floor, kim: User) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    assert call.newest(session).state == Command.State.ACCEPTED
    floor.wait(2)
    assert call.newest(session).state == Command.State.VERIFIED
    assert call.who_hears(session) == {"Ana Ruiz"}


def test_leave_silences_at_once_and_keeps_the_line_and_the_conference(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    leave(user=kim, now=floor.now)
    floor.deliver()
    assert call.who_hears(session) == set()
    floor.wait(3)
    assert call.state(session).ended_at is not None
    assert call.conference.ended_at is None
    assert kim.ears.get().ended_at is None
    assert "none" not in [body["supervisor_role"] for body in floor.sent("/update")]


def test_a_click_that_arrives_after_its_twin_was_verified_is_not_sent_again(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(1)
    assert call.newest(session).state == Command.State.VERIFIED
    call.choose(kim, Role.BARGE)
    assert len(floor.sent("/update")) == 1
