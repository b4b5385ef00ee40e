"""Checks what of passkeys needs no authenticator: where there are none, what is refused, and what is told."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django.fixtures import Settings

from conferences.models import AuditEntry

pytestmark = pytest.mark.django_db

SIGN_IN = "/accounts/login/passkey/"


@pytest.fixture(autouse=True)
def known_here(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://floor.example.com"
    settings.ALLOWED_HOSTS = ["floor.example.com", "other.example.com", "testserver"]


def test_the_question_is_for_the_address_that_people_know(client: Client) -> None:
    for host in ("floor.example.com", "other.example.com"):
        asked = json.loads(client.post(SIGN_IN, headers={"Host": host}).content)["publicKey"]
        assert (asked["rpId"], asked["userVerification"]) == ("floor.example.com", "required")


def test_opening_the_page_makes_no_session(client: Client) -> None:
    assert client.get("/accounts/login/").status_code == 200
    assert client.get(SIGN_IN).headers["Location"] == "/accounts/login/"
    assert not Session.objects.exists()


@pytest.mark.parametrize("credential", ["{}", "[]", "null", "x", '{"id": "AA", "response": {"userHandle": "MQ"}}'])
def test_what_is_no_signature_is_refused_and_told_in_the_audit(client: Client, kim: User, credential: str) -> None:
    client.post(SIGN_IN)
    answer = client.post(SIGN_IN, {"credential": credential}, follow=True)
    assert "This passkey is not known here." in answer.content.decode()
    assert not answer.context["user"].is_authenticated
    [entry] = AuditEntry.objects.all()
    assert (entry.action, "by a passkey" in entry.detail) == (AuditEntry.Action.SIGN_IN_FAILED, True)


@pytest.mark.parametrize("credential", ["{}", "[]", '{"id": "AA", "response": {}}'])
def test_what_is_no_passkey_is_not_added(client: Client, kim: User, credential: str) -> None:
    client.post("/accounts/login/", {"username": "kim", "password": "kim-password"})
    client.get("/accounts/passkeys/add/")
    asked = {"name": "x", "passwordless": "on", "credential": credential}
    assert client.post("/accounts/passkeys/add/", asked).status_code == 200
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("path", [SIGN_IN, "/accounts/passkeys/add/"])
def test_where_browsers_have_none_there_are_none(client: Client, kim: User, settings: Settings, path: str) -> None:
    settings.PASSKEYS = False
    client.force_login(kim)
    assert client.post(path).status_code == 404
    assert "asskey" not in client.get("/accounts/second-factor/").content.decode()
    client.logout()
    assert "asskey" not in client.get("/accounts/login/").content.decode()


def test_nobody_removes_the_passkey_of_another(client: Client, kim: User, omar: User) -> None:
    his = Authenticator.objects.create(user=omar, type=Authenticator.Type.WEBAUTHN, data={"name": "His"})
    client.post("/accounts/login/", {"username": "kim", "password": "kim-password"})
    assert client.post(f"/accounts/passkeys/{his.pk}/remove/").status_code == 404
    assert Authenticator.objects.get() == his
