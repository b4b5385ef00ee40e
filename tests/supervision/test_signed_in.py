"""The end of a right, of a session or of an account ends the ear, within fifteen seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from conferences.models import Agent
from conferences.models.supervision import Role
from conferences.supervision import connect, follow, live_ear

from .conftest import Floor, sign_in

pytestmark = pytest.mark.slow

ENDS: dict[str, Callable[[User], object]] = {
    "ended by an administrator": lambda user: Session.objects.all().delete(),
    "ran out": lambda user: Session.objects.update(expire_date="2026-08-21T14:00:01Z"),
    "password changed": lambda user: User.objects.filter(pk=user.pk).update(password=make_password("another")),
    "deactivated": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
}


@pytest.mark.parametrize("why", list(ENDS))
@pytest.mark.parametrize("role", [Role.MONITOR, Role.BARGE])
def test_the_end_of_a_session_ends_the_ear_within_fifteen_seconds(
    floor: Floor, kim: User, role: Role, why: str
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    if role == Role.BARGE:
        call.choose(kim, role)
    floor.wait(2)
    ENDS[why](kim)
    floor.wait(15, until=lambda: live_ear(kim) is None)
    assert call.who_hears(session) == set()
    assert not floor.world.legs[session.ear.call_control_id].alive
    assert ("signed in" in kim.ears.get().end_reason) is (why != "deactivated")
    assert call.conference.ended_at is None


def test_an_ear_that_follows_an_agent_hops_into_no_call_after_the_session_has_ended(floor: Floor, kim: User) -> None:
    connect(user=kim, now=floor.now)
    floor.wait(4)
    follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)
    Session.objects.all().delete()
    floor.wait(6)
    floor.call()
    floor.wait(3)
    assert floor.sent("/join") == []
    assert live_ear(kim) is None


def test_a_second_sign_in_of_the_same_user_keeps_the_line_open(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    Session.objects.all().delete()
    sign_in(kim)
    floor.wait(15)
    assert call.state(session).ended_at is None


def test_the_sign_in_of_another_user_does_not_keep_a_line_open(floor: Floor, kim: User, lena: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    assert lena.is_active
    Session.objects.update(expire_date=floor.now + timedelta(days=1))
    for stored in Session.objects.all():
        if stored.get_decoded()["_auth_user_id"] == str(kim.pk):
            stored.delete()
    floor.wait(15, until=lambda: live_ear(kim) is None)
