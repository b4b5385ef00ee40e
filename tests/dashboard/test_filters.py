"""Tiles, filters, search, order and groups: all of it in the address, with and without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from conferences.models import Agent, SupervisorSession
from dashboard.floor.board import board
from dashboard.floor.window import Window
from dashboard.rendering.row_cache import render

from .conftest import NewCall

SignIn = Callable[[User], Client]


def page(client: Client, url: str = "/") -> str:
    return unescape(client.get(url).content.decode())


def rows(html: str) -> list[str]:
    return re.findall(r'<tr id="conference-[^>]* aria-label="([^"]*)"', html)


def tile(html: str, words: str) -> tuple[str, bool]:
    """Return where a tile leads, and whether it is the current one."""
    found = re.search(rf'<a href="([^"]*)"([^>]*)><strong>[^/]*(?:</span>)?</strong><span>{words}</span>', html)
    assert found, words
    return found[1], 'aria-current="true"' in found[2]


def asked(client: Client, url: str, *, behind: str = "/") -> tuple[list[str], dict[str, str]]:
    """Ask as htmx does; return the targets of the answer and its headers."""
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{behind}"}
    answer = client.get(url, headers=headers)
    return re.findall(r'hx-target="#([a-z-]+)"', answer.content.decode()), dict(answer.headers)


def test_a_tile_leads_to_what_it_counts_and_back(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    new_call("Quick", age=now - timezone.now())
    new_call("Long", age=timedelta(days=9000))
    client = page_of(kim)
    assert tile(page(client), "live calls") == ("/?all=1", True)
    needs, current = tile(page(client), "need you")
    assert (needs, current) == ("/?flag=needs", False)
    needing = page(client, needs)
    assert rows(needing) == ["Long"]
    assert tile(needing, "need you") == ("/?all=1", True)


def test_remarks_look_different_and_tile_order_filter_and_row_agree(
    kim: User, ana: Agent, max_falk: Agent, new_call: NewCall, page_of: SignIn, now: datetime
) -> None:
    """Over ten minutes, with a new agent, and just put on hold: three things to know, none that needs somebody."""
    began = timezone.now() - now
    Agent.objects.filter(pk=max_falk.pk).update(created_at=timezone.now() - timedelta(days=90))
    remarked = new_call("Remarked", age=timedelta(minutes=20) - began)
    needing = new_call("Needing", agents=(max_falk,), age=timedelta(minutes=1) - began)
    for call, held in ((remarked, timedelta(seconds=5)), (needing, timedelta(minutes=2))):
        call.conference.participants.filter(leg=call.customer).update(
            on_hold=True, held_since=timezone.now() - held, read_at=timezone.now()
        )
    client = page_of(kim)
    html = page(client)
    marks = {
        name: re.findall(r"<mark( class=\"remark\")?>\s*([^<]*?)(?: \d\d:\d\d)?\s*<", row)
        for name, row in re.findall(r'<tr id="conference-[^>]* aria-label="([^"]*)".*?>(.*?)</tr>', html, re.DOTALL)
    }
    assert {words for kind, words in marks["Remarked"] if kind} == {"on hold since", "over 10 min", "new agent"}
    assert [words for kind, words in marks["Remarked"] if not kind] == []
    assert marks["Needing"] == [("", "on hold since")]
    # The usual order: what needs somebody stands first, however short.
    assert rows(html) == ["Needing", "Remarked"]
    assert re.findall(r'class="conference( attention)?"', html) == [" attention", ""]
    assert re.search(r"<strong>1</strong>\s*<span>need you</span>", html)
    assert rows(page(client, "/?flag=needs")) == ["Needing"]
    assert rows(page(client, "/?sort=longest")) == ["Remarked", "Needing"]
    desk = page(client, remarked.url)
    assert "Good to know" in desk
    assert "Why it needs you" not in desk
    assert "Why it needs you" in page(client, needing.url)


def test_the_tile_of_supervised_calls_keeps_the_other_filters(
    kim: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession], page_of: SignIn
) -> None:
    new_call("Alone")
    kim_listens(new_call("Heard"))
    client = page_of(kim)
    supervised, _current = tile(page(client, "/?team=1&sort=name"), "supervised now")
    assert supervised == "/?team=1&supervised=1&sort=name"
    assert rows(page(client, "/?supervised=1")) == ["Heard"]
    # The form keeps what only the tile switches.
    assert '<input type="hidden" name="supervised" value="1">' in page(client, "/?supervised=1")


def test_clear_filters_drops_every_filter_and_keeps_the_order(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1")
    client = page_of(kim)
    assert "Clear filters" not in page(client, "/?sort=name")
    assert '<a class="button" href="/?sort=name" aria-label="Clear filters">' in page(client, "/?q=bil&sort=name")


def test_the_filters_show_what_the_address_says(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1", age=timedelta(days=9000))
    shown = page(page_of(kim), "/?q=bil&flag=over-30&sort=newest&group=agent")
    assert re.search(r'name="q" type="search" value="bil"', shown)
    assert '<option value="over-30" selected>' in shown
    assert '<option value="newest" selected>' in shown
    assert 'name="group" value="agent" checked' in shown


def test_the_filter_of_a_tile_stays_when_another_filter_is_chosen(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    """The form sends what its fields show: a flag without its option would be dropped by the next letter typed."""
    new_call("Billing-1", age=timedelta(days=9000))
    shown = page(page_of(kim), "/?flag=needs&sort=needs")
    flags = re.findall(r'<select id="f-flag".*?</select>', shown)[0]
    assert '<option value="needs" selected>needs you</option>' in flags


def test_groups_carry_the_agent_s_name(kim: User, new_call: NewCall, ana: Agent, page_of: SignIn) -> None:
    new_call("Billing-1")
    assert re.search(rf'<tr id="group-{ana.pk}" class="group">.*Ana Ruiz', page(page_of(kim), "/?group=agent"))


def test_a_filter_changes_the_list_and_leaves_the_desk_open(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call("Billing-1")
    behind = f"/?conference={call.conference.id}"
    targets, headers = asked(page_of(kim), "/?q=&team=&queue=&flag=needs&sort=needs", behind=behind)
    assert targets == ["conferences", "counters", "toolbar", "waiting", "window", "search-refusal", "stream"]
    assert headers["HX-Push-Url"] == f"/?flag=needs&conference={call.conference.id}"


def test_only_the_desk_s_own_cross_closes_it(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    behind = f"/?q=bil&conference={new_call('Billing-1').conference.id}"
    targets, headers = asked(page_of(kim), "/?q=bil&close=1", behind=behind)
    assert targets == ["desk", "stream"]
    assert headers["HX-Push-Url"] == "/?q=bil"


def test_typing_on_replaces_the_address_instead_of_filling_the_history(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    assert "HX-Push-Url" in asked(client, "/?q=a")[1]
    headers = asked(client, "/?q=an", behind="/?q=a")[1]
    assert headers["HX-Replace-Url"] == "/?q=an"
    assert "HX-Push-Url" not in headers


def test_a_row_opens_beside_the_floor_with_its_filters(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call("Billing-1")
    targets, headers = asked(page_of(kim), call.url, behind="/?q=bil")
    assert targets == ["desk", "stream"]
    assert headers["HX-Push-Url"] == f"/?q=bil&conference={call.conference.id}"


@pytest.mark.parametrize("url", ["/?q=nobody", "/?flag=transfers"])
def test_filters_that_match_nothing_say_how_to_get_out(kim: User, new_call: NewCall, page_of: SignIn, url: str) -> None:
    new_call("Billing-1")
    shown = page(page_of(kim), url)
    assert "No live call matches" in shown
    assert "Show all calls" in shown


def test_a_row_says_why_it_needs_somebody_and_nothing_personal(
    kim: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession]
) -> None:
    kim_listens(new_call("Billing-1", age=timedelta(days=9000)))
    [item] = board(kim, window=Window(), now=timezone.now()).items
    row = render(item, now=timezone.now())
    assert "over 30 min" in row
    assert f'data-supervisors="{kim.pk}"' in row
    assert "You" not in row
    assert len(row.encode()) < 1200
