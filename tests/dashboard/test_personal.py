"""Checks supervisors' notes on a conference, saved views of the floor and keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conferences.models import Note, Preferences, SavedView, Team, TeamMembership
from dashboard.preferences.keyboard import ACTIONS

from .conftest import Call, NewCall

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def write(client: Client, call: Call, text: str, *, htmx: bool = True) -> tuple[int, str]:
    headers = {**HTMX, "HX-Current-URL": f"http://testserver/?conference={call.conference.id}"} if htmx else {}
    answer = client.post(f"{call.url}notes/", {"text": text}, headers=headers)
    return answer.status_code, answer.content.decode()


def test_a_note_stands_on_the_desk_of_everybody_who_may_see_the_call(
    kim: User, lena: User, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call()
    write(page_of(kim), call, "Wants a refund.\nCall back.")
    page = page_of(lena).get(call.url).content.decode()
    assert "<strong>Kim W.</strong><p>Wants a refund.\nCall back.</p>" in page


def test_a_stranger_can_neither_write_nor_read_a_note(
    kim: User, omar: User, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call()
    write(page_of(kim), call, "Between us.")
    assert write(page_of(omar), call, "Me too.")[0] == 404
    assert page_of(omar).get(call.url).status_code == 404
    assert Note.objects.count() == 1


def test_a_hostile_note_comes_out_as_text(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call()
    write(page_of(kim), call, "<img src=x onerror=alert(1)>\u202e\x00 end")
    page = page_of(kim).get(call.url).content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt; end" in page
    assert "\u202e" not in page


def test_a_note_of_two_thousand_characters_fits_with_crlf_line_breaks(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    text = "a\r\n" * 999 + "bc"
    assert write(page_of(kim), new_call(), text)[0] == 200
    assert Note.objects.get().text == "a\n" * 999 + "bc"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" \r\n ", "Write something first."),
        ("x\n" * 1100, "A note has at most 2000 characters; this one has 2199."),
    ],
)
def test_an_invalid_note_is_refused_beside_its_field(
    kim: User, new_call: NewCall, page_of: SignIn, text: str, sentence: str
) -> None:
    status, answer = write(page_of(kim), new_call(), text)
    assert status == 422
    assert 'hx-target="#note-error"' in answer
    assert sentence in unescape(answer)
    assert not Note.objects.exists()


def test_a_note_needs_no_script(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    client, call = page_of(kim), new_call()
    answer = client.post(f"{call.url}notes/", {"text": "Plain."}, headers={"Referer": f"http://testserver{call.url}"})
    assert answer.headers["Location"] == call.url
    assert "Plain." in client.get(call.url).content.decode()


def views_of(client: Client) -> list[str]:
    return re.findall(r'<div class="view"><a class="plain" href="([^"]*)">', unescape(client.get("/").content.decode()))


def test_a_saved_view_keeps_the_filters_and_the_order_but_not_the_page(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    behind = "http://testserver/?q=ana&flag=needs&sort=needs&page=3"
    client.post("/views/", {"name": "Trouble"}, headers={"Referer": behind})
    assert views_of(client) == ["/?q=ana&flag=needs"]


def test_a_shared_view_is_offered_to_people_of_a_common_team_only(
    kim: User, lena: User, omar: User, page_of: SignIn
) -> None:
    TeamMembership.objects.create(user=omar, team=Team.objects.create(name="Sales"))
    client = page_of(kim)
    for name, shared in (("Ours", "1"), ("Mine", "")):
        client.post("/views/", {"name": name, "shared": shared}, headers={"Referer": f"http://testserver/?q={name}"})
    assert views_of(page_of(lena)) == ["/?q=Ours"]
    assert views_of(page_of(omar)) == []
    assert views_of(client) == ["/?q=Mine", "/?q=Ours"]


def test_a_view_can_be_renamed_shared_and_deleted_by_its_owner_alone(kim: User, lena: User, page_of: SignIn) -> None:
    view = SavedView.objects.create(user=kim, name="Old", query="q=ana")
    assert page_of(lena).post(f"/views/{view.pk}/", {"delete": "1"}).status_code == 404
    page_of(kim).post(f"/views/{view.pk}/", {"name": "New", "shared": "1"})
    view.refresh_from_db()
    assert (view.name, view.shared, view.query) == ("New", True, "q=ana")
    page_of(kim).post(f"/views/{view.pk}/", {"delete": "1"})
    assert not SavedView.objects.exists()


def test_two_views_of_one_person_never_have_the_same_name(kim: User, page_of: SignIn) -> None:
    for name in ("First", "Second"):
        SavedView.objects.create(user=kim, name=name)
    second = SavedView.objects.get(name="Second")
    answer = page_of(kim).post(f"/views/{second.pk}/", {"name": "First"}, follow=True)
    assert "Another of your views has this name." in answer.content.decode()


def default_of(client: Client) -> str:
    """Return where the bare address of the floor leads; nothing where it shows every call."""
    answer = client.get("/")
    return str(answer.headers.get("Location", "")) if answer.status_code == 302 else ""


def test_the_floor_opens_with_the_default_view_until_it_is_no_default_any_more(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    view = SavedView.objects.create(user=kim, name="Trouble", query="flag=needs")
    assert default_of(client) == ""
    client.post(f"/views/{view.pk}/default/", {"default": "1"})
    assert default_of(client) == "/?flag=needs"
    boosted = client.get("/", headers={**HTMX, "HX-Current-URL": "http://testserver/?sort=name"})
    assert boosted.headers["HX-Push-Url"] == "/?flag=needs"
    client.post(f"/views/{view.pk}/default/", {})
    assert default_of(client) == ""


def test_every_call_is_one_click_away_from_a_default_view(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    client, call = page_of(kim), new_call(name="Everything")
    view = SavedView.objects.create(user=kim, name="Trouble", query="supervised=1")
    client.post(f"/views/{view.pk}/default/", {"default": "1"})
    page = client.get("/", follow=True).content.decode()
    assert call.conference.name not in page
    [everything] = re.findall(r'<a href="([^"]*)"><strong>1</strong><span>live calls', page)
    assert call.conference.name in client.get(everything).content.decode()
    behind = {"HX-Current-URL": f"http://testserver{everything}&conference={call.conference.id}"}
    closed = client.get("/?all=1&close=1", headers={**HTMX, **behind})
    assert closed.headers["HX-Push-Url"] == "/?all=1"
    cleared = client.post("/search/", {"q": ""}, headers={**HTMX, "HX-Current-URL": "http://testserver/?q=a"})
    assert cleared.headers["HX-Replace-Url"] == "/?all=1"


def test_closing_the_desk_leaves_all_calls_where_they_are(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    client, call = page_of(kim), new_call(name="Everything")
    view = SavedView.objects.create(user=kim, name="Trouble", query="supervised=1")
    client.post(f"/views/{view.pk}/default/", {"default": "1"})
    address = f"/?conference={call.conference.id}"
    page = client.get(address).content.decode()
    assert re.findall(r'<a class="close" href="([^"]*)" hx-get="\1" hx-vals', page) == ["/?all=1"]
    closed = client.get("/?close=1", headers={**HTMX, "HX-Current-URL": f"http://testserver{address}"})
    assert closed.headers["HX-Push-Url"] == "/?all=1"
    assert 'hx-target="#conferences"' not in closed.content.decode()


def test_a_colleagues_view_is_my_default_only_while_it_is_shared_with_me(
    kim: User, lena: User, omar: User, page_of: SignIn
) -> None:
    view = SavedView.objects.create(user=kim, name="Ours", query="flag=needs", shared=True)
    assert page_of(omar).post(f"/views/{view.pk}/default/", {"default": "1"}).status_code == 404
    client = page_of(lena)
    client.post(f"/views/{view.pk}/default/", {"default": "1"})
    assert default_of(client) == "/?flag=needs"
    SavedView.objects.update(shared=False)
    assert default_of(client) == ""
    SavedView.objects.update(shared=True)
    view.delete()
    assert default_of(client) == ""


def test_the_view_that_the_floor_shows_is_named_whatever_its_page(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    for name, query in (("Trouble", "flag=needs"), ("Longest", "sort=longest"), ("Everything", "")):
        SavedView.objects.create(user=kim, name=name, query=query)
    for address, name in (("/?flag=needs&page=2", "Trouble"), ("/?sort=longest", "Longest"), ("/", "Everything")):
        page = client.get(address).content.decode()
        assert re.findall(r'<span class="cut">([^<]*)</span>', page) == [name]
        assert re.findall(r'aria-current="true">([^<]*)</a>', page) == [name]
    page = client.get("/?flag=needs&sort=longest").content.decode()
    assert 'aria-current="true">Trouble' not in page
    answer = client.get("/?flag=needs", headers={**HTMX, "HX-Current-URL": "http://testserver/"})
    assert '<span class="cut">Trouble</span>' in answer.content.decode()


def keys_on(client: Client) -> str:
    [found] = re.findall(r'data-keys="([^"]*)"', client.get("/").content.decode())
    return unescape(found)


def test_a_changed_key_reaches_the_page_and_the_list_of_keys(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    assert '"m": "monitor"' in keys_on(client)
    client.post("/keyboard/", {"on": "1", "monitor": "d"})
    assert '"d": "monitor"' in keys_on(client)
    assert '"m"' not in keys_on(client)
    assert Preferences.objects.get(user=kim).keys == {"monitor": "d"}


def test_a_key_that_somebody_chose_before_a_newer_action_wanted_it_stays_theirs(kim: User, page_of: SignIn) -> None:
    Preferences.objects.create(user=kim, keys={"leave": "h"})
    keys = json.loads(keys_on(page_of(kim)))
    assert keys["h"] == "leave"
    assert sorted(keys.values()) == sorted(action.name for action in ACTIONS)


def test_keys_can_be_switched_off_and_brought_back(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    client.post("/keyboard/", {"monitor": "d"})
    assert keys_on(client) == "{}"
    client.post("/keyboard/", {"reset": "1"})
    assert '"m": "monitor"' in keys_on(client)


@pytest.mark.parametrize("key", ["mm", "3", "\u202e"])
def test_a_key_that_cannot_work_is_refused_and_nothing_changes(kim: User, page_of: SignIn, key: str) -> None:
    answer = page_of(kim).post("/keyboard/", {"on": "1", "monitor": key}, follow=True)
    assert "cannot be a shortcut" in answer.content.decode()
    assert not Preferences.objects.exists()


def test_two_actions_cannot_have_the_same_key(kim: User, page_of: SignIn) -> None:
    answer = page_of(kim).post("/keyboard/", {"on": "1", "monitor": "x"}, follow=True)
    assert "is used twice" in answer.content.decode()
    assert not Preferences.objects.exists()


def test_low_rows_are_kept_by_the_browser_until_they_are_taken_back(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)

    answer = client.post("/density/", {"compact": "1"}, headers={"Referer": "http://testserver/?sort=longest"})
    assert answer["Location"] == "http://testserver/?sort=longest"
    assert 'class="density compact"' in client.get("/").content.decode()

    client.post("/density/", {"compact": "0"})
    assert 'class="density"' in client.get("/").content.decode()
