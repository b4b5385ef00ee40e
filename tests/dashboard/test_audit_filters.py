"""Checks how the audit is filtered and paged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conferences.audit_chain.removal import opened_for_removal
from conferences.models import Agent, AuditEntry, SupervisorSession, Team
from conferences.models.supervision import Role

from .audited import Action, SignIn, lines, read
from .conftest import Listens, NewCall, note
from .test_words import operators_words


def test_each_filter_finds_its_own(
    kim: User, lena: User, max_falk: Agent, new_call: NewCall, listened: Listens, page_of: SignIn, now: datetime
) -> None:
    sales = Team.objects.create(name="Sales")
    listened(kim, new_call("Billing-42"))
    listened(lena, new_call("Sales-7", team=sales, agents=(max_falk,)), begin=now - timedelta(days=3))
    client = page_of(lena)
    for query, found, other in (
        (f"?person={kim.pk}", "Billing-42", "Sales-7"),
        (f"?person={lena.pk}", "Sales-7", "Billing-42"),
        (f"?team={sales.pk}", "Sales-7", "Billing-42"),
        (f"?agent={max_falk.pk}", "Sales-7", "Billing-42"),
        ("?call=billing", "Billing-42", "Sales-7"),
        ("?first_day=2026-08-20&last_day=2026-08-21", "Billing-42", "Sales-7"),
        ("?first_day=2026-08-18&last_day=2026-08-18", "Sales-7", "Billing-42"),
    ):
        told = " ".join(lines(read(client, query)))
        assert found in told, query
        assert other not in told, query


def test_filters_narrow_each_other(
    kim: User, lena: User, max_falk: Agent, new_call: NewCall, listened: Listens, page_of: SignIn, now: datetime
) -> None:
    both, other = new_call("Billing-42"), new_call("Billing-43", agents=(max_falk,))
    for person in (kim, lena):
        for call in (both, other):
            listened(person, call)
    listened(kim, both, begin=now - timedelta(days=3))
    asked = f"?person={kim.pk}&agent={Agent.objects.get(name='Ana Ruiz').pk}&team={both.conference.team_id}"
    asked += "&call=billing&mode=whisper&first_day=2026-08-21&last_day=2026-08-21"
    told = lines(read(page_of(lena), asked))
    assert [line.split(" — ")[0] for line in told] == ["Kim W. whispered to Ana Ruiz in Billing-42"]


def test_each_mode_finds_its_own(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    call, client = new_call("Billing-42"), page_of(kim)
    session = uuid4()
    for second, mode in enumerate(Role.values):
        command = {"session_id": session, "command_id": uuid4(), "role": mode}
        note(kim, "update accepted" if second else "join accepted", now + timedelta(seconds=second), call, **command)
    for mode in Role.values:
        html = read(client, f"?mode={mode}")
        assert len(lines(html)) == 1
        assert f'<li class="role-{mode}">' in html


def test_a_mode_finds_its_spans_and_not_the_others_of_the_same_listening(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"))
    told = lines(read(page_of(kim), "?mode=whisper"))
    assert ["whispered" in line for line in told] == [True]
    assert lines(read(page_of(kim), "?mode=barge")) == []


def test_a_listening_over_midnight_is_found_on_both_days_each_with_its_own_spans(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn, now: datetime
) -> None:
    listened(kim, new_call("Billing-42"), begin=now.replace(hour=23, minute=59, second=30))
    first = lines(read(page_of(kim), "?first_day=2026-08-21&last_day=2026-08-21&call=Billing"))
    second = lines(read(page_of(kim), "?first_day=2026-08-22&last_day=2026-08-22&call=Billing"))
    assert [line.split(" — ")[0] for line in first] == ["Kim W. listened to Billing-42"]
    assert [line.split(" — ")[0] for line in second] == [
        "Kim W. whispered to Ana Ruiz in Billing-42",
        "Kim W. listened to Billing-42",
    ]


def test_who_is_still_listening_is_found_on_a_later_day(
    kim: User,
    new_call: NewCall,
    kim_listens: Callable[..., SupervisorSession],
    listened: Listens,
    page_of: SignIn,
) -> None:
    call = new_call("Billing-42")
    session = kim_listens(call)
    listened(kim, call, ends=False, session=session.pk)
    assert "whispered" in " ".join(lines(read(page_of(kim), "?first_day=2026-08-23&call=Billing")))
    SupervisorSession.objects.all().delete()
    assert lines(read(page_of(kim), "?first_day=2026-08-23&call=Billing")) == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?first_day=yesterday", "“yesterday” is not a day. Write it as year-month-day, for example 2026-08-21."),
        ("?first_day=0001-01-01", "is not a day."),
        ("?last_day=9999-12-31", "is not a day."),
        ("?last_day=%2B4915550100142", "“•••• 142” is not a day."),
        ("?first_day=2026-08-21&last_day=2026-08-20", "This day lies before the first one."),
        ("?person=nobody", "Choose one of the list."),
        ("?mode=shout", "Choose one of the list."),
        ("?page=0", "There is no such page."),
    ],
)
def test_a_wrong_filter_is_told_in_plain_words_and_finds_nothing(
    kim: User, page_of: SignIn, query: str, sentence: str
) -> None:
    answer = page_of(kim).get(f"/audit/{query}")
    page = unescape(answer.content.decode())
    assert answer.status_code == 400
    assert sentence in page
    assert lines(page) == []
    assert operators_words(page) == []


def test_a_telephone_number_does_not_stay_in_the_address(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    answer = client.get("/audit/?call=%2B49+1555+0100142&mode=barge")
    assert answer.headers["Location"] == "/audit/?mode=barge"
    assert "A telephone number finds nothing here." in client.get("/audit/?mode=barge").content.decode()


def test_nothing_found_is_said(kim: User, page_of: SignIn) -> None:
    page = read(page_of(kim), "?call=nothing")
    assert "Nothing found." in page
    assert operators_words(page) == []


def test_pages_hold_a_hundred_and_none_is_lost_or_shown_twice(kim: User, page_of: SignIn, now: datetime) -> None:
    for number in range(203):
        note(kim, Action.FOLLOWED, now - timedelta(seconds=number // 2), detail=f"Agent {number}.")
    client, told = page_of(kim), list[str]()
    with opened_for_removal():
        AuditEntry.objects.filter(action=Action.SIGNED_IN).delete()
    for page, most in ((1, 100), (2, 100), (3, 3)):
        shown = lines(read(client, f"?page={page}"))
        assert len(shown) == most
        told += shown
    assert len(set(told)) == 203
    assert "?page=2" in read(client)
    assert "Older" not in read(client, "?page=3")


def test_a_page_of_many_listenings_asks_the_database_no_more_often_than_one_of_few(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    client, call = page_of(kim), new_call("Billing-42")
    asked = []
    for _round in range(2):
        for _number in range(3):
            listened(kim, call)
        read(client)  # fills the caches of this person
        with CaptureQueriesContext(connection) as queries:
            read(client)
        asked.append(len(queries))
    assert asked[0] == asked[1]
