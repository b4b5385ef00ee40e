"""Every way to lose a session or a right with an open stream: the screen is cleared, within ten seconds.

What happens to a live ear is in tests/supervision/test_revocation.py and test_signed_in.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conferences.models import Account, Agent, Conference, Connection, Team
from dashboard.push import broadcast

from .conftest import Call, NewCall
from .test_stream import SignIn, no_thread_outlives_its_test, reading

__all__ = ["no_thread_outlives_its_test"]
pytestmark = pytest.mark.django_db(transaction=True)


def _set_password(user: User) -> None:
    user.set_password("correct horse")
    user.save()


def _sign_out(user: User) -> None:
    client = Client()
    [session] = Session.objects.all()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert client.post("/accounts/logout/").status_code == 302


ENDS: dict[str, Callable[[User], object]] = {
    "signed out": _sign_out,
    "session deleted": lambda user: Session.objects.all().delete(),
    "session ran out": lambda user: Session.objects.update(expire_date=timezone.now()),
    "password set by somebody else": _set_password,
    "deactivated": lambda user: User.objects.filter(id=user.id).update(is_active=False),
}


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_screen_is_cleared_however_the_session_ends(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch, end: Callable[[User], object]
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    new_call("Billing-4312")
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        reader.forget()
        end(kim)
        assert "You are signed out." in reader.until('hx-target="#page"')
        assert reader.over.wait(20)
        assert "Billing-4312" not in reader.text


@pytest.mark.slow
def test_the_screen_is_cleared_within_ten_seconds(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-4312")
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        lost = time.monotonic()
        Session.objects.all().delete()
        reader.until("You are signed out.")
        assert time.monotonic() - lost < 10


def _move_call(call: Call, team: Team | None) -> None:
    """Give a call, and the agents in it, to a team; no version tells of it."""
    Conference.objects.filter(id=call.conference.id).update(team=team)
    Agent.objects.all().update(team=team) if team else Agent.objects.all().delete()


def _as_administrator(user: User, call: Call) -> None:
    user.team_memberships.all().delete()
    User.objects.filter(id=user.id).update(is_superuser=True)


def _as_staff(user: User, call: Call) -> None:
    _move_call(call, None)
    user.team_memberships.all().delete()
    User.objects.filter(id=user.id).update(is_staff=True)


def _as_lead(user: User, call: Call) -> None:
    _move_call(call, None)
    user.team_memberships.update(is_lead=True)


def _as_member(user: User, call: Call) -> None:
    pass


def _users(**fields: bool) -> Callable[[User, Call], None]:
    return lambda user, call: (User.objects.filter(id=user.id).update(**fields), None)[1]


def _without_team(user: User, call: Call) -> None:
    _move_call(call, None)
    Team.objects.get(name="Billing").delete()


def _begin_with_connection(user: User, call: Call) -> None:
    """Let the call be Billing's by its connection alone."""
    account = Account.objects.get()
    team = Team.objects.get(name="Billing")
    Connection.objects.create(account=account, connection_id="77", team=team, role="calls")
    Conference.objects.filter(id=call.conference.id).update(connection_id="77")
    Agent.objects.all().delete()


def _move_connection(user: User, call: Call) -> None:
    _save_in_admin(Connection.objects.get(), {"role": "calls"})


def _save_in_admin(row: Agent | Connection, form: dict[str, object]) -> None:
    """Move something to another team on its page of the admin."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse(f"admin:conferences_{row._meta.model_name}_change", args=[row.pk])
    answer = client.post(address, {**form, "name": "Moved", "team": Team.objects.create(name="Sales").pk})
    assert answer.status_code == 302


def _move_agent(user: User, call: Call) -> None:
    _save_in_admin(Agent.objects.get(), {"sip_username": "gencredAna"})


LOSSES: list[tuple[str, Callable[[User, Call], object], Callable[[User, Call], object]]] = [
    ("administrator", _as_administrator, _users(is_superuser=False)),
    ("staff", _as_staff, _users(is_staff=False)),
    ("lead", _as_lead, lambda user, call: user.team_memberships.update(is_lead=False)),
    ("membership", _as_member, lambda user, call: user.team_memberships.all().delete()),
    ("team", _as_member, _without_team),
    ("connection moved", _begin_with_connection, _move_connection),
    ("agent moved", lambda user, call: Conference.objects.update(team=None), _move_agent),
    ("the call's team", _as_member, lambda user, call: _move_call(call, Team.objects.create(name="Sales"))),
]


@pytest.mark.parametrize("alone", ["", "&alone=1"], ids=["floor", "conference page"])
@pytest.mark.parametrize(("begin", "lose"), [loss[1:] for loss in LOSSES], ids=[loss[0] for loss in LOSSES])
def test_the_open_desk_is_cleared_however_the_right_to_see_it_is_lost(
    kim: User,
    new_call: NewCall,
    page_of: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    begin: Callable[[User, Call], object],
    lose: Callable[[User, Call], object],
    alone: str,
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(broadcast, "THOROUGH_BEATS", 1000)
    call = new_call("Billing-4312")
    begin(kim, call)
    with reading(page_of(kim), f"conference={call.conference.id}{alone}") as reader:
        reader.until('<h2 id="desk-title" tabindex="-1">Billing-4312</h2>')
        reader.until("event: heartbeat")
        reader.forget()
        lose(kim, call)
        # The desk from before may still be on its way.
        reader.until_newest('hx-target="#desk"', without="Billing-4312")


@pytest.mark.parametrize("right", ["may_monitor", "may_whisper", "may_barge"])
def test_a_right_that_is_taken_away_leaves_the_open_desk(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch, right: str
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(broadcast, "THOROUGH_BEATS", 1000)
    call = new_call("Billing-4312")
    with reading(page_of(kim), f"conference={call.conference.id}&alone=1") as reader:
        reader.until("event: heartbeat")
        reader.forget()
        kim.team_memberships.update(**{right: False})
        reader.until(f"You are not allowed to {right.removeprefix('may_')} in this team.")
