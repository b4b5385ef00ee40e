"""One's sessions: listed with network and browser, and ended from another one."""

from __future__ import annotations

import re

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.utils import timezone

from conferences import logins
from conferences.models import AuditEntry

SESSIONS = "/accounts/sessions/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0"


def browser(user: User, agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": agent})
    form = {"username": user.username, "password": f"{user.username}-password"}
    assert client.post("/accounts/login/", form).status_code == 302
    return client


def listed(client: Client) -> list[str]:
    """Return the browsers of the list."""
    return re.findall(r"<strong>([^<]+)</strong><span class=\"thin\">", client.get(SESSIONS).content.decode())


def ends(client: Client) -> list[str]:
    """Return the names by which the list ends others."""
    return re.findall(r'name="end" value="(\w+)"', client.get(SESSIONS).content.decode())


def test_each_browser_is_listed_this_one_first(kim: User, omar: User) -> None:
    here, _elsewhere, _stranger = browser(kim, EDGE), browser(kim), browser(omar)
    assert listed(here) == ["Edge, Linux", "Firefox, Windows"]
    assert here.get(SESSIONS).content.decode().count("This one") == 1
    assert len(ends(here)) == 1


def test_a_session_of_an_earlier_version_is_listed_too(kim: User) -> None:
    here, old = browser(kim), browser(kim)
    session = old.session
    del session["opened"]
    session.save()
    assert listed(here) == ["Firefox, Windows", "an unknown browser"]


@pytest.mark.django_db(transaction=True)
def test_the_network_is_named_and_not_the_address(kim: User) -> None:
    async def page() -> str:
        client, headers = AsyncClient(), {"x-forwarded-for": "203.0.113.77"}
        await client.post("/accounts/login/", {"username": "kim", "password": "kim-password"}, headers=headers)
        return str((await client.get(SESSIONS)).content.decode())

    found = async_to_sync(page)()
    assert "from 203.0.113.0/24" in found
    assert "203.0.113.77" not in found


def test_one_of_them_is_ended_and_the_others_go_on(kim: User) -> None:
    here, first, second = browser(kim), browser(kim, EDGE), browser(kim, EDGE)
    here.post(SESSIONS, {"end": ends(here)[0]})
    assert sorted(client.get("/").status_code for client in (here, first, second)) == [200, 200, 302]
    ended = AuditEntry.objects.get(action="session ended")
    assert (ended.actor, ended.detail) == (kim, "Edge, Linux")


def test_all_others_are_ended_at_once(kim: User) -> None:
    here, others = browser(kim), [browser(kim) for _again in range(3)]
    answer = here.post(SESSIONS, {"others": "1"}, follow=True)
    assert "3 other browsers are signed out." in answer.content.decode()
    assert [client.get("/").status_code for client in (here, *others)] == [200, 302, 302, 302]
    assert logins.signed_in_among([kim.pk], now=timezone.now()) == {kim.pk}


def test_nobody_ends_the_session_of_another_person(kim: User, omar: User) -> None:
    kims, also_kims, omars = browser(kim), browser(kim), browser(omar)
    omars.post(SESSIONS, {"end": ends(kims)[0]})
    omars.post(SESSIONS, {"others": "1"})
    assert [client.get("/").status_code for client in (kims, also_kims)] == [200, 200]


def test_no_key_of_a_session_is_on_the_page(kim: User) -> None:
    here, other = browser(kim), browser(kim)
    page = here.get(SESSIONS).content.decode()
    assert all(str(client.session.session_key) not in page for client in (here, other))
