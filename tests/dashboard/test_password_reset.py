"""A forgotten password: a link by mail where mail is sent, else whom to ask."""

from __future__ import annotations

import re
from time import monotonic, sleep

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences import logins
from conferences.models import AuditEntry

RESET = "/accounts/password/reset/"
DONE = "/accounts/password/reset/done/"
NEW = "an entirely new one"


@pytest.fixture(autouse=True)
def mail_is_sent(settings: Settings) -> None:
    settings.CAN_MAIL, settings.PUBLIC_URL = True, "https://floor.example.com"


@pytest.fixture
def kim(kim: User) -> User:
    kim.email = "kim@example.com"
    kim.save()
    return kim


def link() -> str:
    """Return the path of the link in the one mail that was sent."""
    until = monotonic() + 10
    while not mail.outbox and monotonic() < until:
        sleep(0.01)
    [sent] = mail.outbox
    found = re.search(r"https://floor\.example\.com(/\S+/)", str(sent.body))
    assert found
    return found[1]


def test_a_link_by_mail_sets_a_new_password_and_ends_every_session(kim: User, client: Client) -> None:
    elsewhere = Client()
    elsewhere.force_login(kim)
    assert client.post(RESET, {"email": "Kim@example.com"}).headers["Location"] == DONE
    assert mail.outbox == [] or mail.outbox[0].to == ["kim@example.com"]
    form = client.get(path := link(), follow=True).redirect_chain[-1][0]

    assert "too short" in client.post(form, {"password1": "short", "password2": "short"}).content.decode()
    assert client.post(form, {"password1": NEW, "password2": NEW}).status_code == 302

    assert elsewhere.get("/").status_code == 302
    assert logins.signed_in_among([kim.pk], now=timezone.now()) == frozenset()
    assert Client().post("/accounts/login/", {"username": "kim", "password": NEW}).status_code == 302
    assert "not valid" in Client().get(path, follow=True).content.decode()
    set_by = AuditEntry.objects.get(action="password set")
    assert (set_by.actor, set_by.detail) == (kim, "their own, by mail")


def test_the_link_opens_no_session(kim: User, client: Client) -> None:
    client.post(RESET, {"email": "kim@example.com"})
    form = client.get(link(), follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": NEW, "password2": NEW})
    assert client.get("/").headers["Location"].startswith("/accounts/login/")


def test_the_link_is_this_installations_whatever_host_was_named(kim: User, client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    client.post(RESET, {"email": "kim@example.com"}, headers={"host": "evil.example"})
    assert link().startswith("/accounts/password/reset/set/")
    assert "evil" not in str(mail.outbox[0].message())


def test_nobody_learns_whether_an_address_is_known(kim: User, client: Client) -> None:
    answers = [client.post(RESET, {"email": typed}) for typed in ("kim@example.com", "nobody@example.com")]
    assert [answer.headers["Location"] for answer in answers] == [DONE, DONE]
    link()  # exactly one
    assert AuditEntry.objects.count() == 0


def test_a_blocked_account_gets_no_link(kim: User, client: Client) -> None:
    User.objects.update(is_active=False)
    client.post(RESET, {"email": "kim@example.com"})
    client.post(RESET, {"email": "omar@example.com"})
    sleep(0.1)
    assert mail.outbox == []


def test_one_address_is_written_to_three_times_in_ten_minutes(kim: User) -> None:
    statuses = [Client().post(RESET, {"email": "kim@example.com"}).status_code for _again in range(4)]
    assert statuses == [302, 302, 302, 429]


def test_whoever_set_a_password_by_mail_passes_what_strangers_caused(kim: User, client: Client) -> None:
    client.post(RESET, {"email": "kim@example.com"})
    form = client.get(link(), follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": NEW, "password2": NEW})
    for n in range(11):
        Client().post("/accounts/login/", {"username": "kim", "password": f"guess {n}"})
    assert Client().post("/accounts/login/", {"username": "kim", "password": NEW}).status_code == 429
    assert client.post("/accounts/login/", {"username": "kim", "password": NEW}).status_code == 302


def test_without_mail_the_page_names_whom_to_ask(kim: User, client: Client, settings: Settings) -> None:
    settings.CAN_MAIL = False
    assert RESET in client.get("/accounts/login/").content.decode()
    for page in (client.get(RESET), client.post(RESET, {"email": "kim@example.com"})):
        assert "An admin can set a new password for you." in page.content.decode()
    assert mail.outbox == []
