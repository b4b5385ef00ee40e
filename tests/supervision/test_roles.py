"""Checks who hears the supervisor at every step from Monitor to Leave, and what the screen's rows say."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conferences.changes import board_change
from conferences.models import AuditEntry, Command, TeamMembership
from conferences.models.supervision import Role
from conferences.supervision import Refused, choose_role, leave
from conferences.supervision.commands import store, transmit
from conferences.supervision.outbound import send_role
from conferences.telnyx.client import Client

from .conftest import Floor

MOST = 17  # one of them reads the stops of the same person


@pytest.mark.slow
def test_monitor_brings_the_line_in_silently_and_is_verified(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    assert session.stage == "inside"
    assert call.who_hears(session) == set()
    assert [body["supervisor_role"] for body in floor.sent("/join")] == ["monitor"]
    assert floor.sent("/join")[0]["beep_enabled"] == "never"


@pytest.mark.slow
def test_whisper_reaches_the_chosen_agent_and_nobody_else(floor: Floor, kim: User) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    assert call.newest(session).state == Command.State.ACCEPTED
    floor.wait(2)
    assert call.newest(session).state == Command.State.VERIFIED
    assert call.who_hears(session) == {"Ana Ruiz"}


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_click_that_arrives_after_its_twin_was_verified_is_not_sent_again(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(1)
    assert call.newest(session).state == Command.State.VERIFIED
    call.choose(kim, Role.BARGE)
    assert len(floor.sent("/update")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("clock_is_off_by", [timedelta(milliseconds=50), timedelta(0), timedelta(seconds=-3)])
def test_a_barge_that_was_held_up_is_not_sent_after_the_quieter_click(
    floor: Floor, kim: User, clock_is_off_by: timedelta
) -> None:
    """The order of storing decides: the second click may come by a node whose clock is behind."""
    call = floor.call()
    session = call.bring_in(kim)

    def stored(role: str, *, at: datetime) -> Command:
        with board_change(now=at) as change:
            return store(
                kind=Command.Kind.UPDATE, ear=session.ear, session=session, role=role, version=change.version, now=at
            )

    barge = stored(Role.BARGE, at=floor.now)
    monitor = stored(Role.MONITOR, at=floor.now + clock_is_off_by)
    transmit(monitor, send_role)
    transmit(barge, send_role)
    assert barge.state == Command.State.EXPIRED
    assert [body["supervisor_role"] for body in floor.sent("/update")] == ["monitor"]
    assert call.who_hears(session) == set()


@pytest.mark.slow
def test_a_right_withdrawn_while_the_click_waited_for_its_turn_sends_nothing(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = floor.call()
    session = call.bring_in(kim)

    def withdrawn_meanwhile(**given: Any) -> Any:
        TeamMembership.objects.filter(user=kim).update(may_barge=False)
        return board_change(**given)

    monkeypatch.setattr("conferences.supervision.roles.board_change", withdrawn_meanwhile)
    with pytest.raises(Refused):
        call.choose(kim, Role.BARGE)
    assert floor.sent("/update") == []
    assert call.who_hears(session) == set()
    assert AuditEntry.objects.get(action="refused").actor == kim


@pytest.mark.slow
def test_a_click_asks_the_database_no_more_often_than_it_needs_before_its_request(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    floor.wait(3)  # within two seconds of Monitor on another page, Monitor wins
    floor.go_live()
    before: list[str] = []
    set_role = Client.set_role

    def counted(client: Client, **given: Any) -> None:
        before.extend(query["sql"] for query in queries.captured_queries)
        set_role(client, **given)

    monkeypatch.setattr(Client, "set_role", counted)
    conference, ana, seen = call.conference, call.legs()["Ana Ruiz"].pk, call.present()
    with CaptureQueriesContext(connection) as queries:
        choose_role(user=kim, conference=conference, role=Role.WHISPER, targets=[ana], audience=seen, now=floor.now)
    # PostgreSQL wakes the other nodes by a statement of its own.
    asked = [sql for sql in before if "pg_notify" not in sql]
    assert 0 < len(asked) <= MOST, "\n".join(asked)


@pytest.mark.slow
def test_the_audit_tells_what_was_before_what_telnyx_answered_and_how_long_it_took(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(2)
    rows = AuditEntry.objects.filter(role=Role.WHISPER, actor=kim).order_by("id")
    assert [row.action for row in rows] == ["update asked", "update accepted", "update verified"]
    assert rows[0].detail == "before: monitor"
    assert re.fullmatch(r"HTTP 200 · \d+ ms", rows[1].detail)
    assert rows[0].targets == [str(call.legs()["Ana Ruiz"].pk)]
    assert {row.conference_id for row in rows} == {call.conference.pk}


@pytest.mark.slow
def test_a_refusal_by_telnyx_is_in_the_audit_with_its_status_and_code(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    floor.fault("*/actions/update", status=422, code="90034")
    with pytest.raises(Refused):
        call.choose(kim, Role.BARGE)
    assert "HTTP 422 90034" in AuditEntry.objects.get(action="update rejected").detail


@pytest.mark.slow
def test_a_click_for_another_audience_is_refused_in_the_audit_too(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    with pytest.raises(Refused):
        call.choose_seeing(kim, Role.BARGE, audience=[call.legs()["Ana Ruiz"].pk])
    assert "Somebody joined or left" in AuditEntry.objects.get(action="refused", actor=kim).detail
