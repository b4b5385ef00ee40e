"""On a floor that is not live a louder click asks Telnyx first who would hear it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import Account, AuditEntry
from conferences.models.supervision import Role
from conferences.sandbox.telephony import membership
from conferences.supervision import Refused, leave, quieter

from .conftest import Call, Floor, customer_joins

pytestmark = pytest.mark.slow

CHANGED = "Somebody joined or left"
UNREADABLE = "Floorline cannot check who is on this call"


def inside(floor: Floor, kim: User) -> Call:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    floor.go_live()
    return call


def outage(floor: Floor) -> None:
    """Let nothing reach the board from here on; the board then says so."""
    floor.webhooks_lost = True
    Account.objects.update(checked_at=floor.now - timedelta(minutes=2), unsure_since=floor.now)


def readings(floor: Floor) -> int:
    return sum(1 for entry in floor.api.log if entry["path"].endswith("/participants"))


def ana_leaves(call: Call) -> None:
    conference = call.scene.conference
    assert conference is not None
    leg = call.legs()["Ana Ruiz"]
    membership.leave(call.floor.world, conference.participants[leg.call_control_id])


@pytest.mark.parametrize("role", [Role.WHISPER, Role.BARGE, Role.NONE])
def test_a_louder_role_is_refused_where_a_reading_shows_somebody_whom_the_page_did_not(
    floor: Floor, kim: User, role: Role
) -> None:
    call = inside(floor, kim)
    outage(floor)
    customer_joins(floor, call)
    with pytest.raises(Refused, match=CHANGED):
        call.choose_seeing(kim, role, "Max Falk", audience=call.present())
    assert floor.sent("/update") == []


def test_a_whisper_to_somebody_whom_the_reading_does_not_name_is_refused(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    outage(floor)
    ana_leaves(call)
    with pytest.raises(Refused, match="has left the call"):
        call.choose(kim, Role.WHISPER, "Ana Ruiz")
    assert floor.sent("/update") == []


def test_somebody_whom_the_reading_only_does_not_name_keeps_no_whisper_from_the_others(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    outage(floor)
    ana_leaves(call)
    session = call.choose(kim, Role.WHISPER, "Max Falk")
    assert call.who_hears(session) == {"Max Falk"}


def test_a_louder_role_is_refused_where_the_call_cannot_be_read_and_a_way_to_silence_never(
    floor: Floor, kim: User
) -> None:
    call = inside(floor, kim)
    session = call.choose(kim, Role.BARGE)
    outage(floor)
    floor.faults.arm({"method": "GET", "path": "*/participants", "drop": True, "times": 99})
    with pytest.raises(Refused, match=UNREADABLE):
        call.choose(kim, Role.WHISPER, "Max Falk")
    assert AuditEntry.objects.get(action="refused", actor=kim).detail.startswith(UNREADABLE)
    quieter(user=kim, now=floor.now)
    assert call.who_hears(session) == set()
    leave(user=kim, now=floor.now)
    assert [len(floor.sent(path)) for path in ("/update", "/leave")] == [2, 1]


def test_where_the_reading_shows_the_same_audience_the_role_is_sent(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    outage(floor)
    before = readings(floor)
    session = call.choose(kim, Role.WHISPER, "Max Falk")
    assert call.who_hears(session) == {"Max Falk"}
    assert readings(floor) == before + 1


def live(floor: Floor) -> None:
    """Nothing is wrong."""


@pytest.mark.parametrize(("role", "before"), [(Role.BARGE, live), (Role.MONITOR, outage)])
def test_a_live_floor_and_a_silent_role_are_not_read_for(
    floor: Floor, kim: User, role: Role, before: Callable[[Floor], Any]
) -> None:
    call = inside(floor, kim)
    before(floor)
    read = readings(floor)
    call.choose(kim, role)
    assert readings(floor) == read


def test_who_may_not_barge_has_nothing_read(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    kim.team_memberships.update(may_barge=False)
    outage(floor)
    read = readings(floor)
    with pytest.raises(Refused, match="You are not allowed to"):
        call.choose(kim, Role.BARGE)
    assert readings(floor) == read
