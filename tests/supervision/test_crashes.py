"""The process that sent a command dies before it can store the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User

from conferences.clients import client_for
from conferences.models import Command
from conferences.models.supervision import Role
from conferences.supervision import commands, leave, outbound, roles

from .conftest import Floor

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """kill -9, as far as a test can bear it."""


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Let the next command of a kind be the last thing its process does: before sending, or right after."""

    def arm(kind: str, *, sent: bool) -> None:
        real = client_for
        armed = [kind]

        def dying(account: Any) -> Any:
            client = real(account)
            newest = Command.objects.latest("asked_at")
            if armed and newest.kind == armed[0]:
                armed.clear()
                if sent:
                    {"update": outbound.send_role, "leave": outbound.send_leave, "join": outbound.send_join}[kind](
                        client, newest
                    )
                raise Killed
            return client

        monkeypatch.setattr(commands, "client_for", dying)

    return arm


@pytest.mark.parametrize("sent", [False, True])
def test_a_louder_command_of_a_dead_process_is_never_sent_later(
    floor: Floor, kim: User, kill: Callable[..., Any], sent: bool
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    kill("update", sent=sent)
    with pytest.raises(Killed):
        call.choose(kim, Role.BARGE)
    floor.wait(25)
    assert [body["supervisor_role"] for body in floor.sent("/update")].count("barge") == int(sent)
    state = call.state(session)
    assert (state.role == Role.BARGE) is (call.who_hears(session) != set())


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(("role", "targets"), [(Role.BARGE, []), (Role.WHISPER, ["Ana Ruiz"])])
def test_a_louder_role_whose_process_dies_with_the_answer_stored_is_the_sessions(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch, role: Role, targets: list[str], *, readable: bool
) -> None:
    floor.world.semantics.monitor_reads_muted = readable
    call = floor.call()
    session = call.choose(kim, Role.MONITOR)
    floor.wait(8)
    with monkeypatch.context() as dying:
        dying.setattr(roles, "is_replaced", Mock(side_effect=Killed))  # asked once the answer is stored
        with pytest.raises(Killed):
            call.choose(kim, role, *targets)
    assert call.newest(session).state == Command.State.ACCEPTED
    assert call.state(session).role == Role.MONITOR
    floor.wait(10)
    assert call.who_hears(session)
    assert (call.state(session).role, len(call.state(session).targets)) == (role, len(targets))


@pytest.mark.parametrize("sent", [False, True])
def test_a_leave_of_a_dead_process_is_finished_by_another(
    floor: Floor, kim: User, kill: Callable[..., Any], sent: bool
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(1)
    kill("leave", sent=sent)
    with pytest.raises(Killed):
        leave(user=kim, now=floor.now)
    floor.wait(20)
    assert call.who_hears(session) == set()
    assert call.state(session).ended_at is not None


@pytest.mark.parametrize("sent", [False, True])
def test_a_join_of_a_dead_process_is_finished_by_another(
    floor: Floor, kim: User, kill: Callable[..., Any], sent: bool
) -> None:
    call = floor.call()
    session = call.choose(kim, Role.MONITOR)
    kill("join", sent=sent)
    with pytest.raises(Killed):
        floor.wait(5)
    floor.wait(20)
    assert call.state(session).stage == "inside"
    assert call.state(session).verified_at is not None
