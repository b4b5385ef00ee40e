"""The demo's people, and a board without ghosts."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from conferences import changes
from conferences.management.commands.demo import PASSWORD, PLAYED, SIGN_INS, set_passwords
from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    Command,
    Conference,
    Connection,
    DatabaseStamp,
    Ear,
    Leg,
    Line,
    Participant,
    SupervisorSession,
    Team,
    TeamMembership,
    WebhookEvent,
)
from conferences.permissions import LEADS, is_agent_only, own_agent, rights_book
from conferences.recognition import directory_for, marks_of, recognise
from conferences.sandbox.center import directory


@pytest.fixture
def sandbox(settings: Settings, db: None) -> None:
    settings.SANDBOX = True


def demo(**options: int) -> str:
    printed = StringIO()
    call_command("demo", stdout=printed, **options)
    return printed.getvalue()


def counts() -> list[int]:
    models = (Account, Connection, Team, Agent, User, TeamMembership, Line)
    return [model.objects.count() for model in models]


@pytest.mark.usefixtures("sandbox")
def test_everybody_on_the_banner_can_sign_in(client: Client) -> None:
    printed = demo()
    for person in SIGN_INS:
        assert f"{person.username:<6} {PASSWORD}" in printed
        assert client.login(username=person.username, password=PASSWORD)


@pytest.mark.usefixtures("sandbox")
def test_kim_supervises_two_teams_lena_leads_all_and_omar_sees_nothing() -> None:
    demo()
    ana = User.objects.get(username="ana")
    assert is_agent_only(ana)
    assert own_agent(ana) == Agent.objects.get(name="Ana Ruiz")
    kim, lena, omar, admin = (User.objects.get(username=name) for name in ("kim", "lena", "omar", "admin"))
    billing, sales = (frozenset({Team.objects.get(name=name).pk}) for name in ("Billing", "Sales"))
    assert rights_book(kim).in_teams(billing).barge
    assert not rights_book(kim).scope.sees(sales)
    assert rights_book(lena).scope.sees(sales)
    assert rights_book(lena).scope.sees(frozenset({LEADS}))
    assert not rights_book(lena).scope.sees(frozenset())
    assert not rights_book(omar).scope.sees(billing)
    assert admin.is_superuser


@pytest.mark.usefixtures("sandbox")
def test_kims_desk_phone_rings_first_and_omar_has_no_line() -> None:
    demo()
    lines = Line.objects.exclude(user__username="mara").values_list("user__username", "kind", "is_default")
    assert sorted(lines) == [("kim", "phone", False), ("kim", "sip", True), ("lena", "sip", True)]


@pytest.mark.usefixtures("sandbox")
def test_a_second_run_changes_nobody_and_takes_few_queries() -> None:
    demo()
    User.objects.filter(username="kim").update(first_name="Kimberly")
    before = counts()
    with CaptureQueriesContext(connection) as queries:
        demo()
    assert counts() == before
    assert User.objects.get(username="kim").first_name == "Kimberly"
    assert len(queries) < 50


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(("options", "at_least"), [({}, 66), ({"calls": 500}, 731), ({"agents": 900}, 900)])
def test_there_are_agents_for_every_call(options: dict[str, int], at_least: int) -> None:
    demo(**options)
    assert Agent.objects.count() >= at_least


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(("calls", "reads"), [(40, 5), (3_000, 6)])
def test_a_larger_floor_is_read_faster_within_what_the_worker_can_read(calls: int, reads: int) -> None:
    demo(calls=calls, agents=1)
    assert Account.objects.get().reads_per_second == reads


@pytest.mark.usefixtures("sandbox")
def test_the_demos_agents_are_recognised_on_its_connections() -> None:
    demo()
    account, agent = Account.objects.get(), directory.TEAMS[0].agents[0]
    facts = {"direction": ["1", "outgoing"], "connection_id": ["1", directory.CALLS_CONNECTION_ID]}
    leg = marks_of("v3:x", facts | {"to": ["1", agent.address]})
    caller = marks_of("v3:y", facts | {"direction": ["1", "incoming"], "from": ["1", "+13125550142"]})
    found = directory_for(account, [leg, caller])
    assert recognise(leg, found).agent_id == Agent.objects.get(name=agent.name).pk
    assert recognise(caller, found).party == Leg.Party.CUSTOMER


@pytest.mark.usefixtures("sandbox")
def test_what_an_earlier_sandbox_left_is_cleared_and_the_screens_are_told(now: datetime) -> None:
    demo()
    version = changes.current().version
    account, kim = Account.objects.get(), User.objects.get(username="kim")
    conference = Conference.objects.create(account=account, telnyx_id="x")
    leg = Leg.objects.create(account=account, call_control_id="v3:x")
    Participant.objects.create(account=account, conference=conference, leg=leg)
    ear = Ear.objects.create(account=account, user=kim, kind="sip", created_at=now)
    session = SupervisorSession.objects.create(
        user=kim, ear=ear, conference=conference, wanted_at=now, started_at=now
    )  # fmt: skip
    Command.objects.create(account=account, kind="join", actor=kim, session=session, ear=ear, asked_at=now)
    AuditEntry.objects.create(at=now, actor=kim, action="join asked", account=account)
    WebhookEvent.objects.create(account=account, event_id="x", occurred_at=now, received_at=now, state="unknown")
    connection.check_constraints()  # PostgreSQL empties no table whose rows it has yet to check
    demo()
    assert not [model for model in PLAYED if model.objects.exists()]
    assert changes.current().version > version


def test_rows_that_refer_to_a_played_row_are_cleared_with_it() -> None:
    hanging = {relation.related_model for model in PLAYED for relation in model._meta.related_objects}
    assert hanging <= set(PLAYED)


def test_outside_the_sandbox_it_refuses_in_a_sentence(db: None, settings: Settings) -> None:
    settings.SANDBOX = False
    with pytest.raises(CommandError, match="The demo belongs to the sandbox"):
        demo()
    assert not User.objects.exists()


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("stamped", [True, False])
def test_the_database_of_a_real_account_is_not_changed(account: Account, kim: User, *, stamped: bool) -> None:
    if stamped:
        DatabaseStamp.objects.create(sandbox=False)
    with pytest.raises(CommandError, match="not the sandbox's"):
        demo()
    assert User.objects.count() == 1


@pytest.mark.usefixtures("sandbox")
def test_back_on_loopback_the_known_password_returns_and_a_chosen_one_stays(client: Client) -> None:
    demo()
    drawn = set_passwords(in_the_open=True)
    assert drawn.keys() == {person.username for person in SIGN_INS}
    assert not client.login(username="admin", password=PASSWORD)
    assert client.login(username="admin", password=drawn["admin"])
    omar = User.objects.get(username="omar")
    omar.set_password("chosen-by-omar")
    omar.save()

    assert set_passwords(in_the_open=False) == {}

    assert client.login(username="admin", password=PASSWORD)
    assert client.login(username="omar", password="chosen-by-omar")
