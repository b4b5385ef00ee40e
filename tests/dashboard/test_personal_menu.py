"""Checks what is in one's own menu: the phone, keys, the theme and the password; and who is led to Telnyx' set-up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conferences import audit
from conferences.logins import all_signed_in
from conferences.models import AuditEntry

SignIn = Callable[[User], Client]


def menu_of(client: Client) -> str:
    found = re.search(r'<details class="user">.*?</details>', client.get("/").content.decode(), re.DOTALL)
    assert found
    return found[0]


def test_the_menu_has_the_phone_keys_the_theme_and_the_password(kim: User, page_of: SignIn) -> None:
    menu = menu_of(page_of(kim))
    for wanted in (reverse("my-ear"), "data-open-keys", reverse("theme"), reverse("password"), "Sign out"):
        assert wanted in menu


def test_only_staff_are_led_to_the_set_up_of_telnyx(kim: User, lena: User, page_of: SignIn) -> None:
    assert reverse("setup") not in menu_of(page_of(kim))
    assert reverse("setup") in menu_of(page_of(lena))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_holds_for_every_page_of_this_browser(kim: User, page_of: SignIn, theme: str) -> None:
    client = page_of(kim)
    answer = client.post(reverse("theme"), {"theme": theme}, headers={"Referer": "http://testserver/?sort=newest"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://testserver/?sort=newest")
    for path in ("/", "/ear/", "/accounts/password/", "/conferences/nonsense/"):
        assert f'<html lang="en" data-theme="{theme}">' in client.get(path).content.decode(), path
    client.post("/accounts/logout/")
    assert f'data-theme="{theme}"' in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize("button", ["theme", "density"])
@pytest.mark.parametrize("path", ["/accounts/password/", "/setup/", "/ear/", "/ear/small/", "/?sort=newest"])
def test_how_a_page_looks_is_changed_on_the_page_itself(lena: User, page_of: SignIn, button: str, path: str) -> None:
    client, behind = page_of(lena), f"http://testserver{path}"
    assert client.post(reverse(button), headers={"Referer": behind}).headers["Location"] == behind


@pytest.mark.parametrize("button", ["theme", "density"])
@pytest.mark.parametrize("behind", ["", "https://elsewhere.example/x", "//elsewhere.example", "javascript:alert(1)"])
def test_no_address_of_another_site_is_gone_to(kim: User, page_of: SignIn, button: str, behind: str) -> None:
    assert page_of(kim).post(reverse(button), headers={"Referer": behind}).headers["Location"] == "/"


def test_the_system_decides_again_and_nonsense_is_no_theme(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    client.post(reverse("theme"), {"theme": "dark"})
    client.post(reverse("theme"), {"theme": ""})
    assert "data-theme" not in client.get("/").content.decode()
    assert client.post(reverse("theme"), {"theme": '"><script>'}).status_code == 400
    client.cookies["floorline-theme"] = '"><script>'
    assert "data-theme" not in client.get("/").content.decode()


def change(client: Client, *, old: str = "kim-password", new: str = "correct horse battery", again: str = "") -> str:
    form = {"old_password": old, "new_password1": new, "new_password2": again or new}
    return client.post(reverse("password"), form, follow=True).content.decode()


def test_a_password_is_changed_recorded_and_ends_other_sessions(kim: User) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.login(username="kim", password="kim-password")
    assert "Your password is changed." in change(here)
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert Client().login(username="kim", password="correct horse battery")
    [entry] = AuditEntry.objects.filter(action=AuditEntry.Action.PASSWORD_SET)
    assert entry.actor == kim
    assert "horse" not in entry.detail


def test_who_changes_their_password_counts_as_signed_in_all_the_time(
    kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker looks into the database; whoever it finds signed out is taken out of their call."""
    client, record = page_of(kim), audit.record
    found: list[User] = []

    def look_and_record(*given: Any, **named: Any) -> None:
        keys = Session.objects.values_list("session_key", flat=True)
        found.extend(who.user for who in all_signed_in(list(keys), now=timezone.now()).values())
        record(*given, **named)

    monkeypatch.setattr(audit, "record", look_and_record)
    assert "Your password is changed." in change(client)
    assert found == [kim]


def test_a_password_whose_change_cannot_be_recorded_stays_and_so_does_the_session(
    kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise DatabaseError

    client = page_of(kim)
    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(DatabaseError):
        change(client)
    monkeypatch.undo()
    assert client.get("/").status_code == 200
    assert Client().login(username="kim", password="kim-password")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"old": "wrong"}, "Your old password was entered incorrectly."),
        ({"new": "short"}, "at least 10 characters"),
        ({"again": "something else"}, "fields didn’t match"),
    ],
)
def test_a_password_that_cannot_be_is_refused_beside_its_field(
    kim: User, page_of: SignIn, asked: dict[str, str], sentence: str
) -> None:
    page = change(page_of(kim), **asked)
    assert sentence in page.replace("&#x27;", "'")
    assert "kim-password" not in page
    assert Client().login(username="kim", password="kim-password")


def test_the_page_for_a_password_does_not_load_itself_again_while_one_types(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    assert 'http-equiv="refresh"' in client.get("/ear/").content.decode()
    assert 'http-equiv="refresh"' not in client.get(reverse("password")).content.decode()
    assert 'http-equiv="refresh"' not in change(client, old="wrong")


def test_whoever_is_signed_out_changes_no_password(client: Client) -> None:
    assert client.get(reverse("password")).headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("new", ["", "password"], ids=["asked", "refused for two reasons"])
def test_what_describes_a_field_of_the_password_page_is_there_once(kim: User, new: str) -> None:
    client = Client()
    client.login(username="kim", password="kim-password")
    page = change(client, new=new) if new else client.get(reverse("password")).content.decode()
    described = [name for names in re.findall(r'aria-describedby="([^"]+)"', page) for name in names.split()]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert "id_new_password1_helptext" in described
    assert ("id_new_password2_error" in described) == bool(new)
    assert [name for name in described if ids.count(name) != 1] == []
    assert sorted(set(ids)) == sorted(ids)
    if new:
        assert "too short" in page
        assert "too common" in page
