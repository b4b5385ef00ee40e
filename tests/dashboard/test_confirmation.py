"""Exports and changes of rights ask again who it is, some time after the sign-in."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django.fixtures import Settings

from conferences.models import Account, Leg, Protection
from tests.authenticator import code_of

EXPORT = {"kind": "csv", "call": "Billing"}
CONFIRMING = "/accounts/reauthenticate/?next="


@pytest.fixture(autouse=True)
def everybody_is_asked(settings: Settings) -> None:
    settings.CONFIRMED_SECONDS = 15 * 60


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password="boss-password")


def signed_in(user: User) -> Client:
    client = Client()
    form = {"username": user.username, "password": f"{user.username}-password"}
    assert client.post("/accounts/login/", form).status_code == 302
    return client


def test_an_export_just_after_the_sign_in_asks_nothing(kim: User) -> None:
    assert signed_in(kim).post("/audit/export/", EXPORT).status_code == 200


def test_an_export_later_asks_and_then_goes_on(kim: User) -> None:
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client = signed_in(kim)
        clock.shift(16 * 60)
        answer = client.post("/audit/export/", EXPORT)
        assert answer.headers["Location"] == CONFIRMING + "%2Faudit%2F%3Fcall%3DBilling"

        confirming = answer.headers["Location"]
        assert "This is not your password." in client.post(confirming, {"password": "guess"}).content.decode()
        assert client.post("/audit/export/", EXPORT).status_code == 302
        back = client.post(confirming, {"password": "kim-password", "next": "/audit/?call=Billing"})

        assert back.headers["Location"] == "/audit/?call=Billing"
        assert "Now send it once more." in client.get("/audit/?call=Billing").content.decode()
        assert client.post("/audit/export/", EXPORT).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "auth/user/{0}/change/",
        "auth/user/{0}/password/",
        "auth/user/add/",
        "auth/group/add/",
        "conferences/team/add/",
        "conferences/teamrule/add/",
        "conferences/protection/add/",
        "conferences/agent/add/",
        "conferences/connection/add/",
        "conferences/account/add/",
        "conferences/team/directory/supervisors/",
        "conferences/supervisor/{0}/change/",
        "conferences/supervisor/add/",
    ],
)
def test_rights_are_not_changed_long_after_the_sign_in(boss: User, kim: User, path: str) -> None:
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client, address = signed_in(boss), "/admin/" + path.format(kim.pk)
        assert client.get(address).status_code == 200
        clock.shift(16 * 60)
        assert client.get(address).headers["Location"].startswith(CONFIRMING)
        clock.shift(40 * 60)
        client.post("/still-here/")
        clock.shift(20 * 60)
        assert client.post(address, {}).headers["Location"].startswith(CONFIRMING)
        assert client.get("/admin/auth/user/").status_code == 200


def by_hand(client: Client, path: str, **form: Any) -> Any:
    """Post what stands in a list; return the answer."""
    return client.post(f"/admin/{path}", {"index": "0", "select_across": "0", **form})


def test_what_is_deleted_in_a_list_asks_and_then_goes_on(boss: User) -> None:
    protection = Protection.objects.create(kind="queue", pattern="works council")
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client = signed_in(boss)
        clock.shift(16 * 60)
        chosen = {"action": "delete_selected", "_selected_action": protection.pk, "post": "yes"}
        answer = by_hand(client, "conferences/protection/?q=works", **chosen)
        assert answer.headers["Location"] == CONFIRMING + "%2Fadmin%2Fconferences%2Fprotection%2F%3Fq%3Dworks"
        assert Protection.objects.exists()

        client.post(answer.headers["Location"], {"password": "boss-password"})
        assert "Now send it once more." in client.get("/admin/conferences/protection/?q=works").content.decode()
        by_hand(client, "conferences/protection/", **chosen)
    assert not Protection.objects.exists()


def test_what_is_changed_in_a_list_and_who_a_leg_is_ask_too(boss: User, account: Account) -> None:
    connection = account.connections.create(connection_id="1", role="unassigned")
    leg = Leg.objects.create(account=account, call_control_id="v3:one")
    rows = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": connection.pk, "form-0-role": "agents"}
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client = signed_in(boss)
        clock.shift(16 * 60)
        answer = by_hand(client, "conferences/connection/", **rows, _save="Save")
        assert answer.headers["Location"].startswith(CONFIRMING)
        for page in (f"leg/{leg.pk}/agent/", f"account/{account.pk}/telnyx/"):
            assert client.get(f"/admin/conferences/{page}").headers["Location"].startswith(CONFIRMING)
        assert client.get("/admin/conferences/connection/").status_code == 200
    assert account.connections.get().role == "unassigned"


def test_a_file_of_people_is_not_exported_long_after_the_sign_in(boss: User) -> None:
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client, page = signed_in(boss), "/admin/conferences/team/directory/supervisors/"
        assert client.post(f"{page}export/").status_code == 200
        clock.shift(16 * 60)
        answer = client.post(f"{page}export/")
        assert answer.headers["Location"] == CONFIRMING + page.replace("/", "%2F")


def test_a_form_that_took_half_an_hour_is_still_taken(boss: User) -> None:
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client = signed_in(boss)
        clock.shift(30 * 60)
        client.post("/admin/auth/group/add/", {"name": "Leads"})
    assert Group.objects.filter(name="Leads").exists()


def test_guesses_at_the_confirmation_are_counted(kim: User) -> None:
    client = signed_in(kim)
    told = [client.post("/accounts/reauthenticate/", {"password": f"guess {n}"}) for n in range(11)]
    assert [answer.status_code for answer in told] == [200] * 10 + [429]


def test_the_old_password_is_not_guessed_where_it_is_changed(kim: User) -> None:
    client, form = signed_in(kim), {"new_password1": "correct horse", "new_password2": "correct horse"}
    told = [client.post("/accounts/password/", {"old_password": f"guess {n}", **form}) for n in range(6)]
    assert [answer.status_code for answer in told] == [200] * 5 + [429]
    assert "Too many attempts." in told[-1].content.decode()


def test_recovery_codes_are_shown_after_a_confirmation_only(kim: User) -> None:
    with time_machine.travel("2026-08-21 14:00:00Z") as clock:
        client = signed_in(kim)
        key = re.search(r'<code class="key">(\w+)<', client.get("/accounts/second-factor/add/").content.decode())
        assert key
        client.post("/accounts/second-factor/add/", {"code": code_of(key[1])})
        assert client.get("/accounts/recovery-codes/").status_code == 200
        clock.shift(6 * 60)
        for path in ("recovery-codes/", "recovery-codes/new/", "second-factor/remove/"):
            assert client.get(f"/accounts/{path}").headers["Location"].startswith(CONFIRMING)
        confirming = CONFIRMING + "/accounts/recovery-codes/"
        assert client.post(confirming, {"password": "kim-password"}).headers["Location"] == "/accounts/recovery-codes/"
        assert client.get("/accounts/recovery-codes/").status_code == 200
