"""Checks the list of who waits in a queue: by queue, since when, for whom, and live."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conferences.models import Account, Connection, Leg, Team
from dashboard.floor.live import floor
from dashboard.floor.queues import CALLERS_LISTED
from dashboard.floor.window import Window
from dashboard.push.channel import Channel

from .conftest import NewCall, announced
from .test_channel import NOTHING, audience_of

SignIn = Callable[[User], Client]
Waits = Callable[..., Leg]


@pytest.fixture
def now() -> datetime:
    """Return the moment itself: a leg that has waited for longer than any can is not listed."""
    return timezone.now()


@pytest.fixture
def waits(account: Account, billing: Team, now: datetime) -> Waits:
    """Return a function that lets somebody wait in a queue, on a connection of Billing where nothing else is said."""
    Connection.objects.create(account=account, connection_id="mine", team=billing)
    Connection.objects.create(account=account, connection_id="theirs", team=Team.objects.create(name="Sales"))

    def wait(queue: str, seconds: int, *, number: str = "+4915550100142", connection_id: str = "mine") -> Leg:
        leg = Leg.objects.create(
            account=account,
            call_control_id=f"v3:{Leg.objects.count()}",
            connection_id=connection_id,
            direction="incoming",
            from_address=number,
            queue=queue,
            enqueued_at=now - timedelta(seconds=seconds),
        )
        announced()
        return leg

    return wait


def queues_on(html: str) -> dict[str, list[str]]:
    """Return who waits, by the name of their queue, both in the order of the page."""
    found = re.findall(r'<div class="queue"><h3><span class="cut">(.*?)</span>.*?<ol>(.*?)</ol>', html, re.DOTALL)
    return {unescape(queue): re.findall(r'<span class="cut">(.*?)</span>', callers) for queue, callers in found}


def test_the_list_names_who_waits_by_queue_the_longest_wait_first(
    kim: User, waits: Waits, page_of: SignIn, now: datetime
) -> None:
    waits("support", 10)
    waits("billing", 30, number="+4915550100143")
    waits("billing", 90, number="+4915550100144")
    waits("sales", 99, connection_id="theirs")
    page = page_of(kim).get("/?waiting=1").content.decode()
    assert queues_on(page) == {"billing": ["+49 •••• 144", "+49 •••• 143"], "support": ["+49 •••• 142"]}
    assert f'data-since="{int((now - timedelta(seconds=90)).timestamp() * 1000)}"' in page
    assert "15550100" not in page  # nobody's whole number


def test_the_tile_opens_the_list_and_closes_it_and_keeps_the_filters(kim: User, waits: Waits, page_of: SignIn) -> None:
    client = page_of(kim)
    waits("billing", 30)

    def tile(address: str) -> str:
        page = unescape(client.get(address).content.decode())
        [found] = re.findall(r'<a href="([^"]*)"[^>]*><strong>\d+</strong><span>waiting', page)
        return str(found)

    assert tile("/?flag=needs&page=2") == "/?flag=needs&waiting=1&page=2"
    assert tile("/?waiting=1") == "/?all=1"
    assert queues_on(client.get("/").content.decode()) == {}
    filtered = client.post("/search/", {"q": "ana", "waiting": "1"}, headers={"Referer": "http://testserver/"})
    assert filtered.headers["Location"] == "/?q=ana&waiting=1"


def test_a_long_queue_names_the_first_and_counts_the_others(kim: User, waits: Waits, page_of: SignIn) -> None:
    for second in range(CALLERS_LISTED + 3):
        waits("billing", second)
    page = page_of(kim).get("/?waiting=1").content.decode()
    assert len(queues_on(page)["billing"]) == CALLERS_LISTED
    assert "3 more waiting" in page


def test_nobody_who_is_out_of_scope_is_named(omar: User, waits: Waits, page_of: SignIn) -> None:
    waits("billing", 30)
    page = page_of(omar).get("/?waiting=1").content.decode()
    assert queues_on(page) == {}
    assert "Nobody is waiting in a queue." in page


def test_a_page_hears_who_comes_and_goes_and_only_where_the_list_is_open(
    kim: User, waits: Waits, new_call: NewCall, now: datetime
) -> None:
    new_call()
    first = waits("billing", 30)
    floor.refresh(now=now)
    listing, other = (Channel(audience_of(kim, window)) for window in (Window(waiting=True), Window()))
    assert "+49 •••• 142" in "".join(listing.snapshot(notices=NOTHING, now=now)[1])
    other.snapshot(notices=NOTHING, now=now)

    def told(channel: Channel, after: int) -> list[str]:
        later = now + timedelta(seconds=after)
        floor.refresh(now=later)
        return [piece for piece in channel.changes(notices=NOTHING, now=later)[1] if 'hx-target="#waiting"' in piece]

    Leg.objects.filter(pk=first.pk).update(dequeued_at=now)
    waits("support", 5)
    [piece] = told(listing, 2)
    assert list(queues_on(piece)) == ["support"]
    assert told(listing, 4) == []
    waits("support", 1)
    assert told(other, 6) == []


def test_who_waits_costs_no_query_more_than_counting_them(
    kim: User, waits: Waits, new_call: NewCall, page_of: SignIn
) -> None:
    new_call()
    for second in range(5):
        waits("billing", second)
    client, counts = page_of(kim), []
    client.get("/")  # some rows are written once in a while: now
    for address in ("/?sort=name", "/?sort=name&waiting=1"):
        floor.forget()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(address)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_who_waits_for_longer_than_their_team_allows_is_marked_at_that_moment(
    kim: User, billing: Team, waits: Waits, now: datetime
) -> None:
    Team.objects.filter(pk=billing.pk).update(waiting_seconds=20)
    waits("billing", 19)
    floor.refresh(now=now)
    channel = Channel(audience_of(kim, Window(waiting=True)))
    before = "".join(channel.snapshot(notices=NOTHING, now=now)[1])
    later = now + timedelta(seconds=1)
    floor.refresh(now=later)
    after = "".join(channel.changes(notices=NOTHING, now=later)[1])
    assert ("too long:" in before, "too long:" in after) == (False, True)
    assert ('class="waiting attention"' in before, 'class="waiting attention"' in after) == (False, True)
