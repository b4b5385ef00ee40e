"""Checks under every profile of an account that nobody hears a supervisor who should not."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import Account, Agent, AuditEntry, Command
from conferences.models.supervision import Role
from conferences.supervision import Refused, connect, follow, quieter

from .conftest import Floor, customer_joins

pytestmark = pytest.mark.slow


def profile(floor: Floor, **fields: Any) -> None:
    Account.objects.update(**fields)
    floor.account.refresh_from_db()


@pytest.mark.parametrize(
    ("reaches", "whisper", "goes_on"),
    [
        ("listed", "allow-list", True),
        ("later", "deny-list", False),
        ("unproven", "allow-list", False),
        ("unproven", "deny-list", False),
    ],
)
def test_a_whisper_goes_on_with_a_new_customer_only_where_it_is_proven_private(
    floor: Floor, kim: User, reaches: str, whisper: Any, *, goes_on: bool
) -> None:
    floor.world.semantics.whisper = whisper
    profile(floor, whisper_reaches=reaches)
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(3)
    customer_joins(floor, call)
    floor.wait(3)
    assert call.who_hears(session) == ({"Ana Ruiz"} if goes_on else set())
    assert call.state(session).role == (Role.WHISPER if goes_on else Role.MONITOR)


@pytest.mark.parametrize(
    ("reaches", "whisper"), [("listed", "allow-list"), ("later", "deny-list"), ("unproven", "deny-list")]
)
def test_a_whisper_goes_on_when_an_agent_joins_under_every_profile(
    floor: Floor, kim: User, reaches: str, whisper: Any
) -> None:
    floor.world.semantics.whisper = whisper
    profile(floor, whisper_reaches=reaches)
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(3)
    max_falk = next(agent for agent in call.scene.team.agents if agent.name == "Max Falk")
    call.scene.connect(call.scene.ring(max_falk))
    floor.wait(4)
    assert call.who_hears(session) == {"Ana Ruiz"}
    assert call.state(session).role == Role.WHISPER


@pytest.mark.parametrize(
    ("proven", "actual", "state"),
    [
        (None, True, Command.State.VERIFIED),  # seen muted once on this very leg
        (None, False, Command.State.UNCONFIRMED),
        (True, True, Command.State.VERIFIED),
        (False, False, Command.State.UNCONFIRMED),
    ],
)
@pytest.mark.parametrize("role", [Role.MONITOR, Role.BARGE])
def test_monitor_and_barge_are_verified_where_muted_tells_them_apart(
    floor: Floor, kim: User, role: Role, proven: bool | None, *, actual: bool, state: str
) -> None:
    floor.world.semantics.monitor_reads_muted = actual
    profile(floor, monitor_reads_muted=proven)
    call = floor.call()
    session = call.choose(kim, Role.MONITOR)
    floor.wait(12)
    if role == Role.BARGE:
        call.choose(kim, role)
        floor.wait(9)
    assert call.newest(session).state == state


def test_where_unmuted_is_proven_to_mean_audible_a_lying_monitor_is_caught_on_a_fresh_leg(
    floor: Floor, kim: User
) -> None:
    profile(floor, monitor_reads_muted=True)
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    floor.fault("*/actions/update", status=200, times=99)
    quieter(user=kim, now=floor.now)
    floor.wait(12)
    assert call.who_hears(session) == set()


@pytest.mark.parametrize("role", list(Role))
def test_where_a_monitor_harms_the_call_nobody_is_let_in(floor: Floor, kim: User, role: Role) -> None:
    floor.world.semantics.monitor_harms_call = True
    profile(floor, monitor_harms_call=True)
    call = floor.call()
    with pytest.raises(Refused, match="cuts the sound between customer and agent"):
        call.choose(kim, role, "Ana Ruiz")
    assert [entry for entry in floor.api.log if entry["method"] == "POST"] == []
    assert "cuts the sound" in AuditEntry.objects.get(action="refused").detail


@pytest.mark.parametrize("harms", [None, False])
def test_only_a_proven_harm_keeps_supervisors_out(floor: Floor, kim: User, *, harms: bool | None) -> None:
    profile(floor, monitor_harms_call=harms)
    floor.call().bring_in(kim)


def test_where_a_monitor_turns_out_to_harm_the_call_quieter_means_out(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    profile(floor, monitor_harms_call=True)
    quieter(user=kim, now=floor.now)
    floor.wait(4)
    assert [body["supervisor_role"] for body in floor.sent("/update")] == ["barge"]
    assert "your phone was taken out" in call.state(session).end_reason
    assert call.who_hears(session) == set()


def test_following_ends_where_a_monitor_harms_the_call(floor: Floor, kim: User) -> None:
    profile(floor, monitor_harms_call=True)
    connect(user=kim, now=floor.now)
    floor.wait(4)
    follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)
    floor.call()
    floor.wait(3)
    assert floor.sent("/join") == []
    assert kim.ears.get().follows is None
