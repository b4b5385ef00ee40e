"""Signing in: the form and what it answers, the throttle, the one way in."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences import logins
from conferences.models import AuditEntry

LOGIN = "/accounts/login/"
WRONG = "Wrong user name or password."
TOO_MANY = "Too many attempts failed."


def sign_in(client: Client, username: str = "kim", password: str = "kim-password", address: str = "192.0.2.1") -> int:
    """Post the form once; return the status."""
    form = {"username": username, "password": password}
    return client.post(LOGIN, form, REMOTE_ADDR=address).status_code


def guess(times: int, *, username: str = "kim", address: Callable[[int], str] = "192.0.2.{}".format) -> list[int]:
    """Guess passwords as strangers, each time without a cookie; return the statuses."""
    return [sign_in(Client(), username, f"guess {n}", address(n)) for n in range(times)]


def test_the_form_keeps_its_names_and_its_token(kim: User) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get(LOGIN).content.decode()
    names = re.findall(r'<input[^>]* name="([^"]+)"', page)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)

    # The form for a passkey stands below it.
    assert names[:4] == ["csrfmiddlewaretoken", "next", "username", "password"]
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": "kim", "password": "kim-password"}
    assert client.post(LOGIN, form).headers["Location"] == "/"
    assert client.post(LOGIN, {"username": "kim", "password": "kim-password"}).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [("/ear/", "/ear/"), ("https://evil.example/", "/"), ("//evil.example/", "/"), ("javascript:alert(1)", "/")],
)
def test_signing_in_leads_to_a_page_of_ours_and_nowhere_else(kim: User, wanted: str, reached: str) -> None:
    form = {"username": "kim", "password": "kim-password", "next": wanted}
    assert Client().post(LOGIN, form).headers["Location"] == reached


def test_a_wrong_name_a_wrong_password_and_a_blocked_account_are_told_alike(kim: User, omar: User) -> None:
    User.objects.filter(pk=omar.pk).update(is_active=False)
    tried = [("kim", "wrong"), ("nobody", "wrong"), ("KIM", "kim-password"), ("omar", "omar-password")]
    answers = [Client().post(LOGIN, {"username": name, "password": word}) for name, word in tried]

    assert {answer.status_code for answer in answers} == {200}
    assert all(WRONG in answer.content.decode() for answer in answers)
    changing = r"""value="[^"]*"|"X-CSRFToken": "[^"]*\""""
    told = [re.sub(changing, "", answer.content.decode()) for answer in answers]
    assert len(set(told)) == 1


@pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/email/", "/accounts/password/set/"])
def test_nobody_makes_an_account_for_themselves(db: None, client: Client, path: str) -> None:
    assert client.get(path).status_code in {302, 404}
    assert client.post(path, {}).status_code in {302, 404}
    assert not User.objects.exists()


def test_the_admin_has_no_sign_in_of_its_own(client: Client, kim: User, lena: User) -> None:
    assert client.get("/admin/", follow=True).redirect_chain[-1] == ("/accounts/login/?next=%2Fadmin%2F", 302)
    assert client.post("/admin/login/", {"username": "lena", "password": "lena-password"}).status_code == 302
    assert client.get("/admin/").status_code == 302
    form = {"username": "lena", "password": "lena-password", "next": "/admin/"}
    assert client.post(LOGIN, form).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/login/?next=//evil.example/").headers["Location"] == "/admin/"

    sign_in(stranger := Client())
    assert stranger.get("/admin/login/").status_code == 403


# --- The throttle -----------------------------------------------------------------------------------------------------


def test_strangers_from_many_addresses_get_ten_attempts_at_one_account(kim: User) -> None:
    assert guess(12) == [200] * 10 + [429] * 2
    assert guess(1, username="omar") == [200]
    page = Client().post(LOGIN, {"username": "kim", "password": "kim-password"})
    assert (page.status_code, TOO_MANY in page.content.decode()) == (429, True)


def test_a_refused_attempt_is_not_told_apart_for_a_name_that_nobody_has(kim: User) -> None:
    assert guess(12, username="nobody") == guess(12)


def test_a_browser_that_its_owner_has_used_passes_what_strangers_caused(kim: User) -> None:
    known = Client()
    assert sign_in(known) == 302
    known.post("/accounts/logout/")
    guess(12)

    assert sign_in(Client()) == 429
    assert sign_in(known) == 302


def test_a_known_browser_has_ten_attempts_of_its_own(kim: User, omar: User) -> None:
    known = Client()
    sign_in(known)
    known.post("/accounts/logout/")

    assert [sign_in(known, "kim", "guess") for _again in range(12)] == [200] * 10 + [429] * 2
    assert sign_in(known, "omar", "omar-password") == 302


def test_a_cookie_that_is_not_ours_makes_no_browser_known(kim: User) -> None:
    forged = Client()
    forged.cookies["floorline-device"] = "eyJraW0iOiJ4In0:1:forged"
    guess(12)
    assert sign_in(forged) == 429


def test_an_office_behind_one_address_gets_in_one_after_the_other(db: None) -> None:
    people = [User.objects.create_user(f"agent-{n}", password="a-password-for-all") for n in range(40)]
    answers = []
    for person in people:
        answers += [
            sign_in(Client(), person.username, "mistyped"),
            sign_in(Client(), person.username, "a-password-for-all"),
        ]
    assert answers == [200, 302] * 40


def test_one_address_gets_a_hundred_attempts_at_whichever_accounts(db: None) -> None:
    statuses = [sign_in(Client(), f"person-{n}", "guess") for n in range(102)]
    assert statuses == [200] * 100 + [429] * 2
    assert sign_in(Client(), "person-0", "guess", "198.51.100.1") == 200


@pytest.mark.django_db(transaction=True)
def test_the_address_is_the_one_that_a_trusted_proxy_names(kim: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "password_failed": "2/10m/ip"}

    async def tried(address: str) -> int:
        form = {"username": "kim", "password": "guess"}
        answer = await AsyncClient().post(LOGIN, form, headers={"x-forwarded-for": f"10.9.9.9, {address}"})
        return answer.status_code

    addresses = ["203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"]
    assert [async_to_sync(tried)(address) for address in addresses] == [200, 200, 429, 200]


def test_what_was_not_checked_is_in_the_audit_as_such(kim: User) -> None:
    guess(11)
    newest = AuditEntry.objects.filter(action="sign-in failed").order_by("-pk").values_list("detail", flat=True)
    assert (len(newest), newest[0]) == (11, "kim, not checked, too many attempts")


# --- Sessions of before -----------------------------------------------------------------------------------------------


def test_another_backend_beside_djangos_ends_no_session(kim: User, settings: Settings) -> None:
    client = Client()
    client.force_login(kim)
    key = client.session.session_key
    settings.AUTHENTICATION_BACKENDS = [
        "allauth.account.auth_backends.AuthenticationBackend",
        *settings.AUTHENTICATION_BACKENDS,
    ]

    assert key
    assert client.get("/").status_code == 200
    assert logins.signed_in(key) == kim
    assert kim.pk in logins.signed_in_among([kim.pk], now=timezone.now())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_thousands_of_guesses_from_as_many_addresses_ten_are_checked(kim: User) -> None:
    guesses = 2_000 if connection.vendor == "sqlite" else 200  # there each count is some statements
    statuses = guess(guesses, address=lambda n: f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")

    assert statuses.count(200) == 10
    assert AuditEntry.objects.filter(action="sign-in failed").count() <= 200
    assert sign_in(Client()) == 429
