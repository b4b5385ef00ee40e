"""The second factor: who needs one and has none adds it first; who has one is asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences import logins, second_factor
from conferences.models import AuditEntry
from dashboard.push.stream import subscriber_of
from tests.authenticator import code_of

LOGIN, CODE, ADD = "/accounts/login/", "/accounts/login/code/", "/accounts/second-factor/add/"
STOPS = ("/leave/", "/quieter/", "/ear/disconnect/")


@pytest.fixture(autouse=True)
def everybody_concerned_needs_one(settings: Settings) -> None:
    settings.SECOND_FACTOR_FOR = frozenset({"staff", "barge"})


def signed_in(user: User) -> Client:
    """Type user name and password; a second factor may still be to come."""
    client = Client()
    form = {"username": user.username, "password": f"{user.username}-password"}
    assert client.post(LOGIN, form).status_code == 302
    return client


def add_app(client: Client) -> str:
    """Add an authenticator app as a person does; return its key."""
    key = re.search(r'<code class="key">([A-Z2-7]+)</code>', client.get(ADD).content.decode())
    assert key
    answer = client.post(ADD, {"code": code_of(key[1])})
    assert answer.headers["Location"] == "/accounts/recovery-codes/", answer.content.decode()
    return key[1]


def recovery_codes(client: Client) -> list[str]:
    return re.findall(r"<li><code>(\d{8})</code></li>", client.get("/accounts/recovery-codes/").content.decode())


@pytest.fixture
def kims_app(kim: User) -> tuple[str, list[str]]:
    """Kim has an authenticator app: its key, and her recovery codes."""
    client = signed_in(kim)
    key = add_app(client)
    return key, recovery_codes(client)


# --- To add one -------------------------------------------------------------------------------------------------------


def test_who_needs_one_adds_it_and_is_in(kim: User) -> None:
    client = signed_in(kim)
    assert client.get("/").headers["Location"] == ADD
    page = client.get(ADD).content.decode()
    svg = page[page.index('<svg class="qr"') : page.index("</svg>", page.index('<svg class="qr"'))]
    assert "<path" in svg
    assert "style" not in svg
    assert "data:" not in svg

    assert "not valid" in client.post(ADD, {"code": "000000"}).content.decode()
    add_app(client)

    assert len(recovery_codes(client)) == 10
    assert client.get("/").status_code == 200


def test_signing_in_asks_for_the_code_of_the_app(kim: User, kims_app: tuple[str, list[str]]) -> None:
    client = signed_in(kim)
    assert client.get("/").headers["Location"] == "/accounts/login/?next=/"
    assert client.get(LOGIN).headers["Location"] == CODE

    assert "not valid" in client.post(CODE, {"code": "000000"}).content.decode()
    assert client.post(CODE, {"code": code_of(kims_app[0])}).headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_where_somebody_wanted_to_go_is_kept_over_the_code(kim: User, kims_app: tuple[str, list[str]]) -> None:
    client = Client()
    client.post(LOGIN, {"username": "kim", "password": "kim-password", "next": "/ear/"})
    assert client.post(CODE, {"code": code_of(kims_app[0])}).headers["Location"] == "/ear/"


def test_a_code_works_once_and_so_does_a_recovery_code(kim: User, kims_app: tuple[str, list[str]]) -> None:
    key, codes = kims_app
    for typed in (code_of(key), codes[0]):
        assert signed_in(kim).post(CODE, {"code": typed}).status_code == 302
        assert signed_in(kim).post(CODE, {"code": typed}).status_code == 200
    assert signed_in(kim).post(CODE, {"code": codes[1]}).status_code == 302


def test_codes_are_not_guessed(kim: User, kims_app: tuple[str, list[str]]) -> None:
    for n in range(6):
        assert "not valid" in signed_in(kim).post(CODE, {"code": f"{n:06}"}).content.decode()
    client = signed_in(kim)
    assert "Too many attempts failed." in client.post(CODE, {"code": code_of(kims_app[0])}).content.decode()
    assert client.get("/").status_code == 302


def test_whoever_waits_for_a_code_can_begin_again(kim: User, omar: User, kims_app: tuple[str, list[str]]) -> None:
    client = signed_in(kim)
    assert client.post("/accounts/login/again/").headers["Location"] == LOGIN
    assert client.get(LOGIN).status_code == 200
    assert client.post(LOGIN, {"username": "omar", "password": "omar-password"}).headers["Location"] == "/"


def test_with_a_new_app_the_old_one_is_worth_nothing(kim: User, kims_app: tuple[str, list[str]]) -> None:
    client = signed_in(kim)
    client.post(CODE, {"code": code_of(kims_app[0])})
    assert client.post("/accounts/second-factor/remove/").headers["Location"] == "/accounts/second-factor/"
    assert client.get("/").headers["Location"] == ADD
    new = add_app(client)

    assert signed_in(kim).post(CODE, {"code": code_of(kims_app[0], step=1)}).status_code == 200
    assert signed_in(kim).post(CODE, {"code": kims_app[1][0]}).status_code == 200
    assert signed_in(kim).post(CODE, {"code": code_of(new, step=1)}).status_code == 302


# --- Who needs one ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needing", "led"),
    [
        ({"staff", "barge"}, {"kim", "lena", "boss"}),
        ({"staff"}, {"lena", "boss"}),
        ({"barge"}, {"kim", "boss"}),
        (set(), set()),
    ],
)
def test_it_is_asked_of_those_that_the_setting_names(
    settings: Settings, needing: set[str], led: set[str], kim: User, lena: User, omar: User
) -> None:
    settings.SECOND_FACTOR_FOR = frozenset(needing)
    boss = User.objects.create_superuser("boss", password="boss-password")
    paths = {user.username: signed_in(user).get("/").headers.get("Location") for user in (kim, lena, omar, boss)}
    assert {name for name, path in paths.items() if path == ADD} == led


def test_a_session_of_before_goes_on_until_it_ends(kim: User) -> None:
    client = signed_in(kim)
    session = client.session
    del session[second_factor.ASKED]
    session.save()

    assert client.get("/").status_code == 200
    assert session.session_key
    assert logins.signed_in(session.session_key) == kim
    assert logins.signed_in_among([kim.pk], now=timezone.now()) == {kim.pk}


def test_whoever_is_given_barge_needs_one_from_then_on(kim: User) -> None:
    kim.team_memberships.update(may_barge=False)
    client = signed_in(kim)
    assert client.get("/").status_code == 200
    kim.team_memberships.update(may_barge=True)
    assert client.get("/").headers["Location"] == ADD


# --- What may not be done without -------------------------------------------------------------------------------------


def addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    """Yield an address for every route, with something in the place of what it wants."""
    for pattern in resolver.url_patterns:
        route = prefix + re.sub(r"<uuid:\w+>", "0" * 8 + "-0000-4000-8000-" + "0" * 12, str(pattern.pattern))
        route = re.sub(r"<(int:)?\w+>", "1", route)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, route)
        elif "^" not in route and "(" not in route:
            yield route


def test_a_session_that_owes_one_reaches_nothing_else(lena: User) -> None:
    client = signed_in(lena)
    reached = {
        path
        for path in addresses(get_resolver())
        for answer in (client.get(path), client.post(path) if path != "/accounts/logout/" else None)
        if answer is not None and answer.headers.get("Location") != ADD
    }
    assert reached == {
        ADD,
        "/accounts/passkeys/add/",
        "/accounts/reauthenticate/",
        "/accounts/logout/",
        "/theme/",
        "/still-here/",
        *STOPS,
    }


@pytest.mark.parametrize("path", STOPS)
def test_stops_work_without_one(kim: User, path: str) -> None:
    answer = signed_in(kim).post(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_whoever_adds_none_can_sign_out(kim: User) -> None:
    client = signed_in(kim)
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get(ADD).headers["Location"].startswith(LOGIN)


def test_a_page_that_is_open_is_led_there_too(kim: User) -> None:
    answer = signed_in(kim).get("/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, ADD)


@pytest.mark.parametrize("has_app", [False, True])
def test_no_call_is_streamed_to_half_a_sign_in(kim: User, has_app: bool, request: pytest.FixtureRequest) -> None:
    if has_app:
        request.getfixturevalue("kims_app")
    client = signed_in(kim)  # with an app: it waits for the code
    cookie = f"floorline={client.session.session_key}".encode()
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/stream/", "query_string": b""}
    assert subscriber_of({**scope, "headers": [(b"cookie", cookie)]}, now=0) == 401


def test_half_a_sign_in_keeps_no_line_and_no_stream(kim: User) -> None:
    client = signed_in(kim)
    key = client.session.session_key
    assert key
    now = timezone.now() + timedelta(seconds=1)
    assert (logins.all_signed_in([key], now=now), logins.signed_in_among([kim.pk], now=now)) == ({}, frozenset())
    add_app(client)
    assert logins.all_signed_in([key], now=now)[key].user == kim
    assert logins.signed_in_among([kim.pk], now=now) == {kim.pk}


# --- Secrets, and ways back in ----------------------------------------------------------------------------------------


def test_the_database_holds_no_secret_in_the_clear(kim: User, kims_app: tuple[str, list[str]]) -> None:
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert kims_app[0] not in stored
    assert not any(one in stored for one in kims_app[1])


def test_a_lost_key_lets_nobody_in_and_breaks_nothing(
    kim: User, kims_app: tuple[str, list[str]], settings: Settings
) -> None:
    settings.FIELD_KEYS, settings.SECRET_KEY = [Fernet.generate_key().decode()], "another one " * 5
    for typed in (code_of(kims_app[0]), code_of("A" * 32), kims_app[1][0]):
        assert signed_in(kim).post(CODE, {"code": typed}).status_code == 200


def test_an_administrator_takes_a_lost_one_away_by_a_command(kim: User, kims_app: tuple[str, list[str]]) -> None:
    call_command("remove_second_factor", "kim", stdout=(said := StringIO()))
    assert said.getvalue() == "The second factor of kim is removed.\n"
    assert signed_in(kim).get("/").headers["Location"] == ADD
    call_command("remove_second_factor", "kim", stdout=(said := StringIO()))
    assert said.getvalue() == "kim has no second factor.\n"
    with pytest.raises(CommandError, match="no user 'kym'"):
        call_command("remove_second_factor", "kym")
    removed = AuditEntry.objects.get(action="second factor removed")
    assert (removed.actor, removed.detail) == (None, "kim, by a command on the server")


@pytest.mark.django_db(transaction=True)
def test_everything_about_it_is_in_the_audit(kim: User) -> None:
    client = signed_in(kim)
    key = add_app(client)
    codes = recovery_codes(client)
    client.post("/accounts/logout/")
    for typed in ("000000", code_of(key)):
        signed_in(kim).post(CODE, {"code": typed})
    client = signed_in(kim)
    client.post(CODE, {"code": codes[0]})
    client.post("/accounts/recovery-codes/new/")
    client.post("/accounts/second-factor/remove/")

    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor", "detail")
    assert [(action, detail) for action, _actor, detail in entries] == [
        ("signed in", ""),
        ("second factor added", ""),
        ("recovery codes made", ""),
        ("recovery codes viewed", ""),
        ("signed out", ""),
        ("sign-in failed", "kim, wrong code"),
        ("second factor used", ""),
        ("signed in", ""),
        ("recovery code used", ""),
        ("signed in", ""),
        ("recovery codes made", ""),
        ("second factor removed", "kim"),
    ]
    assert {actor for _action, actor, _detail in entries} == {kim.pk, None}
