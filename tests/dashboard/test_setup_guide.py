"""The guide of the set-up: what is stored ticks a step, and each page tells it to those alone whom it concerns."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from conferences.models import Account, Agent, Command, Connection, Ear, Line, Team, TeamMembership
from conferences.models.account import Feed
from conferences.models.supervision import Role
from dashboard.setup_guide.milestones import Milestone

SignIn = Callable[[User], Client]
A_KEY = "NxfkWvrm0xIvlQdXLt1YoH3SldVBcNTqSm50cl2nRxo="
ORDER = [milestone.value for milestone in Milestone]


@pytest.fixture
def ada(db: None, settings: Settings) -> User:
    """Return an administrator of a new installation, whose environment names nothing of Telnyx."""
    settings.TELNYX_API_KEY = settings.TELNYX_CONNECTION_ID = settings.TELNYX_FROM_NUMBER = ""
    settings.TELNYX_PUBLIC_KEYS = []
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    return User.objects.create_superuser("ada")


def states(client: Client) -> dict[str, str]:
    """Return the state of each step, in the order of the page."""
    page = client.get("/setup/").content.decode()
    return dict(re.findall(r'data-step="([a-z-]+)" data-state="([a-z-]+)"', page))


def done(client: Client) -> list[str]:
    return [name for name, state in states(client).items() if state == "done"]


def command(account: Account, user: User, kind: str, state: str, **more: object) -> Command:
    now = timezone.now()
    return Command.objects.create(account=account, actor=user, kind=kind, state=state, asked_at=now, **more)


def ear(account: Account, user: User, **more: object) -> Ear:
    now = timezone.now()
    return Ear.objects.create(account=account, user=user, kind=Line.Kind.PHONE, created_at=now, **more)


def test_a_new_installation_has_every_step_before_it(ada: User, account: Account, page_of: SignIn) -> None:
    assert states(page_of(ada)) == dict.fromkeys(ORDER, "to-do")
    assert "10 of 10 steps left" in page_of(ada).get("/setup/").content.decode()


def test_each_step_ticks_itself_by_what_is_stored(ada: User, account: Account, page_of: SignIn) -> None:
    client, now = page_of(ada), timezone.now()
    rows = Account.objects.all()

    def people() -> None:
        team = Team.objects.create(name="Billing")
        Agent.objects.create(name="Ana Ruiz", team=team, sip_username="gencredAna")
        TeamMembership.objects.create(user=ada, team=team, may_whisper=True)
        Line.objects.create(user=ada, label="Mobile", address="+491555010011")

    def phone() -> None:
        ear(account, ada, connected_at=now, call_control_id="v3:ada")
        command(account, ada, "dial", "accepted", http_status=200, answered_at=now)

    deeds: tuple[tuple[str, Callable[[], object]], ...] = (
        ("api-key", lambda: rows.update(api_key="x", checked_at=now)),
        ("public-key", lambda: rows.update(public_keys=A_KEY)),
        ("feed", lambda: rows.update(heard_at=now)),
        ("ear-application", lambda: rows.update(ear_connection_id="1")),
        ("caller-number", lambda: rows.update(from_number="+15551230000")),
        ("connections", lambda: Connection.objects.create(account=account, connection_id="2", role="calls")),
        ("people", people),
        ("phone", phone),
        ("probe", lambda: rows.update(probed_at=now)),
        ("whisper", lambda: command(account, ada, "update", "verified", role=Role.WHISPER, settled_at=now)),
    )
    for number, (name, deed) in enumerate(deeds):
        deed()
        expected = ORDER[: number + 1]
        if "phone" not in expected and "ear-application" in expected:
            assert states(client)["ear-application"] == "unknown"  # whether it has a profile shows with the first dial
            expected.remove("ear-application")
        assert done(client) == expected, name
    assert "All steps are done" in client.get("/setup/").content.decode()


def test_a_polled_account_needs_no_webhook_of_calls(ada: User, account: Account, page_of: SignIn) -> None:
    Account.objects.update(feed=Feed.POLLING, api_key="x", checked_at=timezone.now())
    assert done(page_of(ada)) == ["api-key", "feed", "connections"]
    assert "Telnyx was asked 0 s ago." in page_of(ada).get("/setup/").content.decode()


def test_a_key_that_nobody_has_read_with_is_neither_done_nor_to_do(
    ada: User, account: Account, page_of: SignIn
) -> None:
    Account.objects.update(api_key="x")
    assert states(page_of(ada))["api-key"] == "unknown"
    Account.objects.update(checked_at=timezone.now(), check_problem="Telnyx refuses the API key.")
    assert states(page_of(ada))["api-key"] == "problem"


def test_a_key_can_be_pasted_only_where_it_is_encrypted(
    ada: User, account: Account, page_of: SignIn, settings: Settings
) -> None:
    first = "First set FIELD_KEYS"
    assert first not in page_of(ada).get("/setup/").content.decode()
    settings.FIELD_KEYS = []
    assert first in page_of(ada).get("/setup/").content.decode()


def test_the_age_of_what_shows_a_step_is_told(ada: User, account: Account, page_of: SignIn) -> None:
    for age, said in (
        (timedelta(seconds=12), r"Last webhook 1[2-9] s ago"),
        (timedelta(minutes=5), r"Last webhook 5 min ago"),
        (timedelta(days=2), r"Last webhook on \d{4}-\d\d-\d\d \d\d:\d\d"),
    ):
        Account.objects.update(heard_at=timezone.now() - age)
        assert re.search(said, page_of(ada).get("/setup/").content.decode()), said


def test_a_refused_dial_counts_until_a_phone_is_answered(ada: User, account: Account, page_of: SignIn) -> None:
    Account.objects.update(ear_connection_id="1")
    command(account, ada, "dial", "rejected", http_status=403, telnyx_code="10010", carrier_code="D38")
    client = page_of(ada)
    assert states(client)["ear-application"] == "problem"
    assert "has no outbound voice profile (D38)" in client.get("/setup/").content.decode()

    ear(account, ada, connected_at=timezone.now(), call_control_id="v3:ada")
    assert states(client)["ear-application"] == "unknown"


def test_each_account_has_steps_of_its_own(ada: User, account: Account, page_of: SignIn) -> None:
    Account.objects.create(name="<b>Second</b>", heard_at=timezone.now())
    page = page_of(ada).get("/setup/").content.decode()
    assert re.findall(r"<h2[^>]*>(.*?) of 10 steps left", page) == [
        "default: 10",
        "&lt;b&gt;Second&lt;/b&gt;: 9",
    ]
    assert "Set up: 19 left" in page_of(ada).get("/").content.decode()


def test_staff_are_led_to_those_places_alone_that_they_may_open(lena: User, account: Account, page_of: SignIn) -> None:
    lena.is_staff = True
    lena.save()
    place = reverse("admin:conferences_account_change", args=[account.pk])
    assert place not in page_of(lena).get("/setup/").content.decode()
    lena.user_permissions.add(Permission.objects.get(codename="view_account"))
    assert place in page_of(lena).get("/setup/").content.decode()


def test_the_bar_tells_staff_how_many_steps_are_left_and_nobody_else(
    ada: User, kim: User, account: Account, page_of: SignIn
) -> None:
    assert "Set up: 10 left" in page_of(ada).get("/").content.decode()
    assert "Set up:" not in page_of(kim).get("/").content.decode()
    assert "data-step" not in page_of(kim).get("/setup/").content.decode()


def test_the_bar_costs_one_query_now_and_then(ada: User, account: Account, page_of: SignIn) -> None:
    client = page_of(ada)
    client.get("/audit/")  # counts them, and keeps the number
    with CaptureQueriesContext(connection) as kept:
        client.get("/audit/")
    assert [query["sql"] for query in kept.captured_queries if "has_whispered" in query["sql"]] == []


def test_the_guide_opens_where_the_keys_of_fields_are_lost(
    ada: User, account: Account, page_of: SignIn, settings: Settings
) -> None:
    Account.objects.update(api_key="x")
    settings.FIELD_KEYS = []
    assert states(page_of(ada))["api-key"] == "unknown"
