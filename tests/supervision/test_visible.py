"""Checks that no stream can see a command without its effect."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from conferences.changes import hub
from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role

from .conftest import Floor


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, bool]]:
    """Return what a stream reads at each version: the newest command's role and state, the session's role."""
    told: list[tuple[str, str, str, bool]] = []

    def look(version: int) -> None:
        command = Command.objects.filter(kind="update").order_by("-generation").first()
        session = SupervisorSession.objects.order_by("-started_at").first()
        if command is not None and session is not None:
            told.append((command.role, command.state, session.role, session.verified_at is not None))

    monkeypatch.setattr(hub, "notify", look)
    return told


@pytest.mark.slow
@pytest.mark.parametrize("accepted", [True, False])
def test_a_verified_role_is_never_seen_without_its_role_and_time(
    floor: Floor, kim: User, seen: list[tuple[str, str, str, bool]], *, accepted: bool
) -> None:
    call = floor.call()
    call.bring_in(kim)
    if not accepted:
        floor.fault("*/actions/update", drop=True, when="after")
    call.choose(kim, Role.BARGE)
    floor.wait(4)
    verified = [(role, shown, timed) for role, state, shown, timed in seen if state == Command.State.VERIFIED]
    assert verified
    assert set(verified) == {(Role.BARGE, Role.BARGE, True)}


@pytest.mark.slow
def test_every_change_of_what_a_session_shows_wakes_the_streams(
    floor: Floor, kim: User, seen: list[tuple[str, str, str, bool]]
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(4)
    shown = call.state(session)
    assert seen[-1][2:] == (shown.role, shown.verified_at is not None)
