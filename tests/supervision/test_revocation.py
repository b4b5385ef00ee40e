"""Every way to lose a right with a live ear: nobody hears the supervisor, and the ear is out, within fifteen seconds.

The ends of a session are in test_signed_in.py, what an open page shows in tests/dashboard/test_stream.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from conferences.models import Agent, AuditEntry, Connection, Team
from conferences.models.supervision import Role
from conferences.supervision import live_ear

from .conftest import Floor, sign_in
from .test_leaving import is_inside

pytestmark = pytest.mark.slow
Deed = Callable[[User], object]
SECONDS = 15


def nothing(_user: User) -> None: ...


def becomes_superuser(user: User) -> None:
    user.team_memberships.all().delete()
    User.objects.filter(pk=user.pk).update(is_superuser=True)


def calls_belong_to_agents(_user: User) -> None:
    Connection.objects.update(team=None)


def calls_belong_to_their_connection(_user: User) -> None:
    Agent.objects.all().delete()


def in_admin(model: str, row: Any, form: dict[str, object]) -> None:
    """Save a row's page of the admin, as a superuser who listens to nobody."""
    boss = User.objects.create_superuser("boss")
    client = Client()
    client.force_login(boss)
    answer = client.post(reverse(f"admin:conferences_{model}_change", args=[row.pk]), form)
    assert answer.status_code == 302, answer.content.decode()


def agent_moves(_user: User) -> None:
    sales, ana = Team.objects.create(name="Sales"), Agent.objects.get(name="Ana Ruiz")
    in_admin("agent", ana, {"name": ana.name, "sip_username": ana.sip_username, "team": sales.pk})


def connection_moves(_user: User) -> None:
    sales, line = Team.objects.create(name="Sales"), Connection.objects.get(name="calls")
    in_admin("connection", line, {"name": line.name, "role": line.role, "team": sales.pk})


def team_is_dissolved(user: User) -> None:
    """Move the agents and the calls' connection elsewhere, and delete the team."""
    sales = Team.objects.create(name="Sales")
    Agent.objects.update(team=sales)
    Team.objects.get(name="Billing").delete()


def membership(**rights: bool) -> Deed:
    return lambda user: user.team_memberships.update(**rights)


@dataclass(frozen=True, slots=True)
class Loss:
    """A right that somebody has at first, and what takes it away while they are in a role."""

    lose: Deed
    begin: Deed = nothing
    role: Role = Role.MONITOR


LOSSES = {
    "membership removed": Loss(lambda user: user.team_memberships.all().delete()),
    "membership removed while barging": Loss(lambda user: user.team_memberships.all().delete(), role=Role.BARGE),
    "membership moved to another team": Loss(
        lambda user: user.team_memberships.update(team=Team.objects.create(name="Sales")), role=Role.WHISPER
    ),
    "monitor taken": Loss(membership(may_monitor=False)),
    "whisper taken": Loss(membership(may_whisper=False), role=Role.WHISPER),
    "barge taken": Loss(membership(may_barge=False), role=Role.BARGE),
    "every mode taken": Loss(
        membership(may_monitor=False, may_whisper=False, may_barge=False), role=Role.BARGE
    ),
    "superuser demoted": Loss(
        lambda user: User.objects.filter(pk=user.pk).update(is_superuser=False), becomes_superuser, Role.BARGE
    ),
    "deactivated": Loss(lambda user: User.objects.filter(pk=user.pk).update(is_active=False), role=Role.WHISPER),
    "agent moved to another team": Loss(agent_moves, calls_belong_to_agents, Role.BARGE),
    "connection moved to another team": Loss(connection_moves, calls_belong_to_their_connection, Role.BARGE),
    "team dissolved": Loss(team_is_dissolved, role=Role.BARGE),
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_lost_right_silences_the_ear_and_takes_it_out_within_fifteen_seconds(
    floor: Floor, kim: User, loss: Loss
) -> None:
    loss.begin(kim)
    kim.refresh_from_db()
    call = floor.call()
    session = call.bring_in(kim)
    if loss.role != Role.MONITOR:
        call.choose(kim, loss.role, *(["Ana Ruiz"] if loss.role == Role.WHISPER else []))
        floor.wait(4)
        assert call.who_hears(session), "not audible before, so nothing is shown"
    loss.lose(kim)
    floor.wait(SECONDS, until=lambda: not is_inside(call, session))
    assert call.who_hears(session) == set()
    floor.wait(2)
    assert call.state(session).ended_at is not None
    assert call.conference.ended_at is None
    assert AuditEntry.objects.filter(actor=kim, session_id=session.pk).exclude(cause="pressed").exists()


@pytest.mark.parametrize("role", [Role.MONITOR, Role.BARGE])
def test_signing_out_hangs_up_at_once(floor: Floor, kim: User, role: Role) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    if role == Role.BARGE:
        call.choose(kim, role)
        floor.wait(3)
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = sign_in(kim).session_key or ""
    assert client.post("/accounts/logout/").status_code == 302
    floor.wait(1, until=lambda: not call.who_hears(session))
    floor.wait(SECONDS, until=lambda: live_ear(kim) is None)


def test_nobody_is_deleted_of_whom_the_audit_tells(floor: Floor, kim: User) -> None:
    """Signing in is in the audit: so there is no ear and no page without its person, who is deactivated instead."""
    floor.call().bring_in(kim)
    with pytest.raises(ProtectedError):
        kim.delete()
