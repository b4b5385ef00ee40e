"""The way out while the way in, or another change, is under way: whoever left stays out, and is seen to be out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import AuditEntry, Command, SupervisorSession
from conferences.models.supervision import Role
from conferences.sandbox.telephony import membership
from conferences.supervision import leave, quieter
from conferences.telnyx.client import Client

from .conftest import Call, Floor

pytestmark = pytest.mark.slow


def is_inside(call: Call, session: SupervisorSession) -> bool:
    """Return whether Telnyx has the supervisor's line in the conference."""
    assert call.scene.conference is not None
    return SupervisorSession.objects.get(pk=session.pk).ear.call_control_id in call.scene.conference.participants


def joining(floor: Floor, kim: User, **fault: Any) -> tuple[Call, SupervisorSession]:
    """Choose Monitor, and wait until the joining has been sent and nothing came back."""
    call = floor.call()
    floor.fault("*/actions/join", **fault)
    session = call.choose(kim, Role.MONITOR)
    floor.wait(9, until=lambda: Command.objects.filter(session=session, kind="join", attempts=1).exists())
    return call, session


def test_a_joining_that_got_lost_is_not_sent_again_after_the_leave(floor: Floor, kim: User) -> None:
    call, session = joining(floor, kim, drop=True)
    leave(user=kim, now=floor.now)
    floor.wait(20)
    assert not is_inside(call, session)
    assert call.state(session).ended_at is not None
    assert len(floor.sent("/join")) == 1
    assert kim.ears.get().state == "connected"


@pytest.mark.parametrize("told", [True, False])
def test_a_joining_that_is_executed_after_the_leave_is_undone(floor: Floor, kim: User, *, told: bool) -> None:
    call, session = joining(floor, kim, when="late", delay_s=20)
    leave(user=kim, now=floor.now)
    floor.wait(3)
    assert call.state(session).ended_at is not None
    floor.webhooks_lost = not told
    floor.wait(24)
    assert not is_inside(call, session)
    assert AuditEntry.objects.filter(action="found inside", actor=kim).count() == 1


def test_a_joining_that_telnyx_never_answers_ends_in_words_and_outside(floor: Floor, kim: User) -> None:
    call, session = joining(floor, kim, drop=True, times=99)
    floor.wait(60)
    assert call.state(session).ended_at is not None
    assert "Telnyx did not answer" in call.state(session).end_reason
    assert not is_inside(call, session)


def test_a_right_lost_on_the_way_in_ends_the_joining(floor: Floor, kim: User) -> None:
    call, session = joining(floor, kim, drop=True, times=99)
    kim.team_memberships.all().delete()
    floor.wait(5)
    assert "no longer allowed to listen" in call.state(session).end_reason
    assert not is_inside(call, session)


@pytest.mark.parametrize("click", [quieter, leave])
def test_who_gets_quieter_while_the_line_comes_back_as_whisper_does_not_come_back_as_whisper(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch, click: Callable[..., None]
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", status=200)
    really_leave = Client.leave

    def clicked_meanwhile(client: Client, **given: Any) -> None:
        really_leave(client, **given)
        monkeypatch.setattr(Client, "leave", really_leave)
        click(user=kim, now=floor.now)

    monkeypatch.setattr(Client, "leave", clicked_meanwhile)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(12)
    assert "whisper" not in [body["supervisor_role"] for body in floor.sent("/join")]
    assert call.who_hears(session) == set()
    assert call.state(session).ended_at is not None


def test_a_line_that_took_too_long_to_leave_comes_back_as_monitor(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", status=200)
    really_leave = Client.leave

    def slow(client: Client, **given: Any) -> None:
        really_leave(client, **given)
        floor.world.advance(floor.world.now + 6)
        floor.travel.move_to(floor.now)

    monkeypatch.setattr(Client, "leave", slow)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(6)
    assert [body["supervisor_role"] for body in floor.sent("/join")] == ["monitor", "monitor"]
    assert call.who_hears(session) == set()
    assert "back on Monitor" in call.state(session).notice


@pytest.mark.parametrize(("status", "code"), [(404, "90058"), (404, "10005"), (422, "90015")])
def test_a_leave_that_telnyx_says_is_for_nobody_there_is_believed_only_after_a_look(
    floor: Floor, kim: User, status: int, code: str
) -> None:
    """As where the account's region was changed while somebody was inside."""
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(2)
    floor.fault("*/actions/leave", status=status, code=code, times=99)
    leave(user=kim, now=floor.now)
    assert call.state(session).ended_at is None
    floor.wait(8)
    assert call.who_hears(session) == set()
    assert not is_inside(call, session)
    assert "hung up to make sure" in call.state(session).end_reason


def test_a_line_that_was_out_already_is_seen_to_be_out_and_stays_connected(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.webhooks_lost = True
    assert call.scene.conference is not None
    membership.leave(floor.world, call.scene.conference.participants[session.ear.call_control_id])
    leave(user=kim, now=floor.now)
    floor.wait(1)
    assert call.state(session).ended_at is not None
    assert kim.ears.get().state == "connected"
    assert floor.sent("/hangup") == []
