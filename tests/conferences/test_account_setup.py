"""The pages on which an account's set-up is read from Telnyx, chosen from, corrected and tried; over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences.account_setup.ear_application import application_name, faults_of
from conferences.account_setup.inventory import read_inventory
from conferences.account_setup.trials import try_key, try_webhook_address
from conferences.clients import setup_client_for
from conferences.models import Account, AuditEntry, Connection, Leg, Line
from conferences.sandbox.center import directory
from conferences.sandbox.center.holdings import PROFILE_ID
from conferences.telnyx.setup import Application
from tests.sandbox.conftest import API_KEY, Running, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
WEBHOOKS = "http://127.0.0.1:8000/webhooks/telnyx/"
APPLICATIONS = "/call_control_applications"


@pytest.fixture(scope="module")
def telnyx_process() -> Iterator[Running]:
    with running("--calls", "0", "--webhook-url", WEBHOOKS) as sandbox:
        yield sandbox


@pytest.fixture
def telnyx(telnyx_process: Running, settings: Settings) -> Iterator[Running]:
    settings.TELNYX_API_BASE = f"{telnyx_process.url}/v2"
    settings.TELNYX_API_KEY = API_KEY
    settings.TELNYX_CONNECTION_ID = settings.TELNYX_FROM_NUMBER = ""
    settings.PUBLIC_URL, settings.SANDBOX = "http://127.0.0.1:8000", True
    yield telnyx_process
    telnyx_process.control("DELETE", "/faults")


@pytest.fixture
def as_boss(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(account: Account) -> str:
    return reverse("admin:account_at_telnyx", args=[account.pk])


def trials(account: Account) -> str:
    return reverse("admin:account_trials", args=[account.pk])


def shown(client: Client, address: str, data: dict[str, Any] | None = None) -> str:
    answer = client.get(address) if data is None else client.post(address, data, follow=True)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def chosen(client: Client, account: Account, **more: str) -> dict[str, str]:
    """Return what the form of the page would post, changed by what somebody chooses."""
    form = client.get(page(account)).context["form"]
    posted = {name: str(form[name].value() or "") for name in form.fields}
    return {**posted, "do": "save", **more}


@pytest.mark.usefixtures("telnyx")
def test_the_page_shows_what_the_key_sees_and_no_password(as_boss: Client, account: Account) -> None:
    text = shown(as_boss, page(account))
    for told in ("Calls", "Ear", WEBHOOKS, "Agents&#x27; phones", "internal", directory.FROM_NUMBER, "US, CA, GB, DE"):
        assert told in text
    assert "********" not in text
    assert API_KEY not in text


@pytest.mark.usefixtures("telnyx")
def test_roles_ear_and_number_are_chosen_and_noted_and_legs_are_recognised_by_them(
    as_boss: Client, account: Account, now: datetime
) -> None:
    facts = {"direction": ["1 0 x", "outgoing"], "connection_id": ["1 0 x", directory.EAR_CONNECTION_ID]}
    leg = Leg.objects.create(account=account, call_control_id="v3:a", facts=facts, started_at=now)
    role = f"role-{directory.CALLS_CONNECTION_ID}"
    posted = chosen(
        as_boss, account, ear_connection_id=directory.EAR_CONNECTION_ID, from_number=directory.FROM_NUMBER,
        **{role: "calls"},
    )  # fmt: skip
    assert "Saved." in shown(as_boss, page(account), posted)
    account.refresh_from_db()
    assert (account.ear_connection_id, account.from_number) == (directory.EAR_CONNECTION_ID, directory.FROM_NUMBER)
    roles = dict(Connection.objects.values_list("connection_id", "role"))
    assert roles == {directory.CALLS_CONNECTION_ID: "calls", directory.EAR_CONNECTION_ID: "ear"}
    leg.refresh_from_db()
    assert leg.party == Leg.Party.SUPERVISOR
    told = list(AuditEntry.objects.order_by("pk").values_list("action", "detail"))
    assert ("scope changed", "phone application “Calls”: unassigned → calls") in told
    assert ("set up", "default: chose what Floorline uses") in told
    assert LogEntry.objects.filter(object_id=str(account.pk)).exists()


@pytest.mark.usefixtures("telnyx")
def test_nothing_is_written_where_nothing_was_changed(as_boss: Client, account: Account) -> None:
    shown(as_boss, page(account), chosen(as_boss, account))
    assert not Connection.objects.exists()
    assert not AuditEntry.objects.filter(action__in=["scope changed", "set up"]).exists()


@pytest.mark.usefixtures("telnyx")
def test_staff_without_the_right_to_connections_change_no_role(client: Client, account: Account, lena: User) -> None:
    lena.user_permissions.set(Permission.objects.filter(codename="change_account"))
    client.force_login(lena)
    role = f"role-{directory.CALLS_CONNECTION_ID}"
    shown(client, page(account), chosen(client, account, from_number=directory.FROM_NUMBER, **{role: "calls"}))
    assert not Connection.objects.exists()
    assert Account.objects.get().from_number == directory.FROM_NUMBER


@pytest.mark.usefixtures("telnyx")
def test_an_application_that_customers_call_cannot_become_the_ear_application(
    as_boss: Client, account: Account
) -> None:
    posted = chosen(as_boss, account, ear_connection_id=directory.CALLS_CONNECTION_ID)
    text = shown(as_boss, page(account), posted)
    assert "their callers would be taken for supervisors’ phones" in text
    assert Account.objects.get().ear_connection_id == ""


@pytest.mark.usefixtures("telnyx")
def test_the_ear_application_is_created_as_it_must_be_and_used(as_boss: Client, account: Account) -> None:
    text = shown(as_boss, page(account), {"do": "create", "profile": PROFILE_ID})
    assert f"“{application_name()}” was created" in text
    made = read_inventory(setup_client_for(account)).application(Account.objects.get().ear_connection_id)
    assert made is not None
    assert (made.name, made.profile_id, faults_of(made, webhook_url=account.webhook_url)) == (
        application_name(),
        PROFILE_ID,
        [],
    )
    assert Connection.objects.get().role == "ear"
    Account.objects.update(ear_connection_id="")
    again = shown(as_boss, page(account), {"do": "create", "profile": PROFILE_ID})
    assert "There is an application" in again


@pytest.mark.parametrize("lost", ["before", "after"])
def test_an_unanswered_creation_asks_to_look_before_it_is_repeated(
    as_boss: Client, account: Account, telnyx: Running, settings: Settings, lost: str
) -> None:
    settings.PUBLIC_URL = f"http://{lost}.example.com"
    telnyx.control("POST", "/faults", {"method": "POST", "path": APPLICATIONS, "drop": True, "when": lost})
    text = shown(as_boss, page(account), {"do": "create", "profile": PROFILE_ID})
    assert "Telnyx did not answer" in text
    assert "look at the list before you repeat it" in text
    assert Account.objects.get().ear_connection_id == ""


def test_an_application_is_not_created_for_an_address_that_telnyx_cannot_reach(
    as_boss: Client, account: Account, telnyx: Running, settings: Settings
) -> None:
    settings.SANDBOX, settings.PUBLIC_URL = False, "http://floor.example.com"
    text = shown(as_boss, page(account), {"do": "create", "profile": PROFILE_ID})
    assert "PUBLIC_URL is http://floor.example.com" in text
    assert Account.objects.get().ear_connection_id == ""
    assert application_name() not in read_inventory(setup_client_for(account)).names().values()


def test_an_ear_application_that_is_not_as_it_must_be_is_corrected(
    as_boss: Client, account: Account, telnyx: Running
) -> None:
    wrong = requests.post(
        f"{telnyx.url}/v2{APPLICATIONS}",
        json={
            "application_name": "Mine",
            "webhook_event_url": "https://elsewhere.example.com/",
            "webhook_event_failover_url": "https://failover.example.com/",
            "first_command_timeout": True,
        },
        headers={"Authorization": f"Bearer {API_KEY}"},
        timeout=10,
    ).json()["data"]
    Account.objects.update(ear_connection_id=wrong["id"])
    text = shown(as_boss, page(account))
    for fault in ("API version 1", "another address", "failover address:", "no outbound voice profile", "hangs up"):
        assert fault in text
    assert "“Mine” was corrected." in shown(as_boss, page(account), {"do": "correct", "profile": PROFILE_ID})
    mended = read_inventory(setup_client_for(account)).application(wrong["id"])
    assert mended is not None
    assert (mended.name, faults_of(mended, webhook_url=account.webhook_url)) == ("Mine", [])
    assert "is as it must be" in shown(as_boss, page(account))


@pytest.mark.parametrize("known", [True, False], ids=["with a number", "numbers unknown"])
def test_an_application_that_customers_may_call_is_never_changed(
    as_boss: Client, account: Account, telnyx: Running, settings: Settings, known: bool
) -> None:
    Account.objects.update(ear_connection_id=directory.CALLS_CONNECTION_ID)
    settings.PUBLIC_URL = "http://another.example.com"
    for _ in range(0 if known else 2):
        telnyx.control("POST", "/faults", {"method": "GET", "path": "/phone_numbers", "status": 403, "code": "10010"})
    text = shown(as_boss, page(account), {"do": "correct", "profile": PROFILE_ID})
    assert "Numbers are assigned to it" in text if known else "The numbers of this account cannot be read" in text
    assert "Correct it" not in text
    application = read_inventory(setup_client_for(account)).application(directory.CALLS_CONNECTION_ID)
    assert application is not None
    assert application.webhook_url == WEBHOOKS


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"status": 401, "code": "10009"}, "Telnyx does not know this API key."),
        ({"status": 403, "code": "10010"}, "Applications: Telnyx knows the API key, but the key may not do this."),
        ({"status": 429, "code": "10011"}, "Telnyx limits the requests of this key"),
        ({"status": 403, "code": "20012"}, "The Telnyx account is inactive"),
        ({"drop": True}, "Telnyx did not answer."),
        ({"status": 500}, "Telnyx did not answer."),
    ],
)  # fmt: skip
def test_what_telnyx_refuses_is_told_in_a_sentence(
    as_boss: Client, account: Account, telnyx: Running, fault: dict[str, Any], sentence: str
) -> None:
    telnyx.control("POST", "/faults", {"method": "GET", "path": APPLICATIONS, **fault})
    text = shown(as_boss, page(account))
    assert sentence in text
    assert "Not read: see above." in text
    assert "Create the ear application" not in text, "the list is unknown: there may be one"


def test_a_choice_that_telnyx_lists_no_more_is_not_half_saved(
    as_boss: Client, account: Account, telnyx: Running
) -> None:
    posted = chosen(as_boss, account, from_number=directory.FROM_NUMBER)
    telnyx.control("POST", "/faults", {"method": "GET", "path": APPLICATIONS, "status": 500})
    text = shown(as_boss, page(account), posted)
    assert "Nothing was saved" in text
    assert Account.objects.get().from_number == ""


def test_an_account_without_a_key_is_sent_to_its_own_page(
    as_boss: Client, account: Account, settings: Settings
) -> None:
    settings.TELNYX_API_KEY = ""
    assert "no API key yet" in shown(as_boss, page(account), {})


@pytest.mark.usefixtures("telnyx")
def test_the_key_is_tried(as_boss: Client, account: Account) -> None:
    text = shown(as_boss, trials(account), {"do": "key"})
    assert "The key works" in text
    assert "clock is right" in text
    assert "Calls" in text


@pytest.mark.usefixtures("telnyx")
@pytest.mark.parametrize(("seconds", "told"), [(90, r"\b[89]\d s ahead"), (-90, r"\b[89]\d s behind")])
def test_a_clock_that_is_off_is_told(account: Account, seconds: int, told: str) -> None:
    def clock() -> datetime:
        return timezone.now() + timedelta(seconds=seconds)

    outcomes = try_key(account.credentials(), setup_client_for(account), clock=clock)
    assert any(re.search(told, outcome.text) and not outcome.good for outcome in outcomes)


def test_a_wrong_key_is_told(as_boss: Client, account: Account, telnyx: Running, settings: Settings) -> None:
    settings.TELNYX_API_KEY = "another"
    assert "does not know this API key" in shown(as_boss, trials(account), {"do": "key"})


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks/telnyx/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "good", "told"),
    [
        (401, {}, True, "refused what Telnyx had not signed"),
        (401, {"WWW-Authenticate": "Basic"}, False, "asks for a password"),
        (301, {"Location": "/elsewhere"}, False, "without a redirect"),
        (200, {}, False, "200, not 401"),
        (404, {}, False, "404, not 401"),
    ],
)
def test_the_webhook_address_is_tried(status: int, headers: dict[str, str], good: bool, told: str) -> None:
    with answering(status, headers) as address:
        outcome = try_webhook_address(address)
    assert (outcome.good, told in outcome.text) == (good, True), outcome.text


def test_an_address_where_nothing_answers_is_told() -> None:
    with answering(401, {}) as address:
        pass
    outcome = try_webhook_address(address)
    assert not outcome.good
    assert "Nothing answers" in outcome.text


def test_the_last_webhook_is_told_beside_what_the_test_proves(as_boss: Client, account: Account) -> None:
    assert "No webhook of this account has arrived yet." in shown(as_boss, trials(account))
    Account.objects.update(heard_at=datetime(2026, 8, 21, 14, 3, tzinfo=UTC))
    assert "arrived at 2026-08-21" in shown(as_boss, trials(account))


def test_a_phone_is_registered_or_not(as_boss: Client, account: Account, kim: User, telnyx: Running) -> None:
    line = Line.objects.get(user=kim)
    asked = {"do": "phone", "line": str(line.pk)}
    assert re.search(r"The phone is registered, for 5\d minutes more", shown(as_boss, trials(account), asked))
    telnyx.control("POST", "/phones", {"address": line.address, "behaviour": "not_registered"})
    assert "The phone is not registered." in shown(as_boss, trials(account), asked)
    telnyx.control("POST", "/phones", {"address": line.address, "behaviour": "answers"})
    Line.objects.update(address="sip:nobody@sip.telnyx.com")
    assert "no phone of that user name" in shown(as_boss, trials(account), asked)
    Line.objects.update(address="sip:kim@pbx.example.com")
    assert "does not register at Telnyx" in shown(as_boss, trials(account), asked)


def test_a_role_that_is_changed_on_the_list_is_in_the_audit_as_well(as_boss: Client, account: Account) -> None:
    connection = Connection.objects.create(account=account, connection_id="1", name="Old flow")
    change = reverse("admin:conferences_connection_change", args=[connection.pk])
    as_boss.post(change, {"name": "Old flow", "role": "ignored", "team": ""})
    [entry] = AuditEntry.objects.filter(action="scope changed")
    assert entry.detail == "phone application “Old flow”: unassigned → ignored"


def test_an_application_without_a_fault_has_none() -> None:
    right = Application("1", "Ear", WEBHOOKS, "2", "", "1", first_command_timeout=False)
    assert faults_of(right, webhook_url=WEBHOOKS.rstrip("/")) == []
