"""A search for a telephone number: in no address, no view and no log; counted and audited, whatever way it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations import RunPython
from django.test import Client
from django.utils import timezone

from conferences import retention
from conferences.models import AuditEntry, NumberSearch, SavedView

from .conftest import NewCall
from .test_snapshot import poll

SignIn = Callable[[User], Client]
NUMBER = "+49 (155) 501-00142"
DIGITS = "15550100142"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=number=)[\w-]{22}")
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


def shown(page: str) -> list[str]:
    return re.findall(r'<tr id="conference-[^>]* aria-label="([^"]*)"', page)


def searched(client: Client, query: str, **other: str) -> str:
    """Search without a script; return the address that the browser then shows."""
    answer = client.post("/search/", {"q": query, **other})
    assert answer.status_code == 302
    return str(answer["Location"])


SPELT = [
    "004915550100142",
    "tel:+4915550100142",
    "＋４９１５５５０１００１４２",
    "+49.155.501.00142",
]


@pytest.mark.parametrize("query", [NUMBER, *SPELT])
def test_a_number_is_found_and_stands_in_no_address(kim: User, new_call: NewCall, page_of: SignIn, query: str) -> None:
    new_call("Billing-1")
    new_call("Billing-2", number="+4915550100143")
    client = page_of(kim)
    for address in (searched(client, query), client.get("/", {"q": query})["Location"]):
        assert re.fullmatch(r"/\?number=[\w-]{22}", address)
        page = client.get(address).content.decode()
        assert shown(page) == ["Billing-1"]
        addresses = re.findall(r'(?:href|hx-get|hx-post|action|data-stream)="([^"]*)"', page)
        # An id may hold three digits of a number by chance.
        assert not [one for one in addresses if "142" in ID.sub("", one)]


HOLDING = ["%2B4915550100142", f"Jane {NUMBER}", "call-15550100142", "155 5010 0142 13125550143"]


@pytest.mark.parametrize("query", HOLDING)
def test_what_only_holds_a_number_stands_in_no_address_either(kim: User, page_of: SignIn, query: str) -> None:
    assert re.fullmatch(r"/\?number=[\w-]{22}", searched(page_of(kim), query))


def test_with_a_script_the_history_gets_a_token_and_the_stream_too(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    new_call("Billing-1")
    answer = page_of(kim).post("/search/", {"q": NUMBER, "sort": "name"}, headers=HTMX)
    assert answer.status_code == 200
    pushed = answer["HX-Push-Url"]
    assert re.fullmatch(r"/\?number=[\w-]{22}&sort=name", pushed)
    html = answer.content.decode()
    assert shown(html) == ["Billing-1"]
    stream = re.search(r'data-stream="([^"]*)"', html)
    assert stream
    assert stream[1].replace("&amp;", "&") == f"/stream/{pushed.removeprefix('/')}"


def test_typing_on_replaces_the_address_and_is_one_search(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1")
    client, behind = page_of(kim), "/"
    for end in range(5, 15):
        headers = {**HTMX, "HX-Current-URL": f"http://testserver{behind}"}
        answer = client.post("/search/", {"q": "004915550100142"[: end + 1]}, headers=headers)
        assert ("HX-Push-Url" in answer) is (end == 5)  # the first one; what is typed on is no new page
        behind = answer.get("HX-Replace-Url") or answer["HX-Push-Url"]
    assert shown(answer.content.decode()) == ["Billing-1"]
    assert NumberSearch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_stream_finds_a_number_by_its_token_and_never_by_its_address(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    """Else it would be the way around the count."""
    new_call("Billing-1")
    new_call("Billing-2", number="+4915550100143")
    client = page_of(kim)
    token = searched(client, NUMBER).removeprefix("/?")
    assert shown(poll(client, token).text) == ["Billing-1"]
    assert sorted(shown(poll(client, f"q=%2B{DIGITS}").text)) == ["Billing-1", "Billing-2"]
    assert shown(poll(client, "number=guessed").text) == []


def test_a_token_is_worth_nothing_to_a_colleague_and_does_not_show_the_floor(
    kim: User, lena: User, new_call: NewCall, page_of: SignIn
) -> None:
    new_call("Billing-1")
    address = searched(page_of(kim), NUMBER)
    page = page_of(lena).get(address).content.decode()
    assert shown(page) == []
    assert "This search for a number has expired." in page
    assert NUMBER not in page


def test_a_token_lives_as_long_as_a_page_asks_for_it(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_call("Billing-1")
    client, began = page_of(kim), timezone.now()
    address = searched(client, NUMBER)
    for minutes, found in ((20, ["Billing-1"]), (45, ["Billing-1"]), (80, [])):
        monkeypatch.setattr(timezone, "now", lambda minutes=minutes: began + timedelta(minutes=minutes))
        assert shown(client.get(address).content.decode()) == found
    retention.delete_old_rows(now=timezone.now())
    assert not NumberSearch.objects.exists()


def test_the_answer_to_a_stop_writes_nothing_of_a_search(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    address = searched(client, NUMBER)
    NumberSearch.objects.update(used_at=timezone.now() - timedelta(minutes=5))
    before = NumberSearch.objects.get().used_at
    answer = client.post("/quieter/", headers={**HTMX, "HX-Current-URL": f"http://testserver{address}"})
    assert answer.status_code == 200
    assert NumberSearch.objects.get().used_at == before


@pytest.mark.parametrize("token", ["\0", "a\0b", "x" * 33, "%00", "é"])
def test_what_is_no_token_stands_for_no_number(kim: User, page_of: SignIn, token: str) -> None:
    assert page_of(kim).get("/", {"number": token}).status_code == 200


def test_three_hundred_guesses_are_twenty(kim: User, lena: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1", number="+4915550100299")
    client = page_of(kim)
    found = [
        guess
        for guess in range(300)
        if "Billing-1" in client.post("/search/", {"q": f"+49155501{guess:05}"}, headers=HTMX).content.decode()
    ]
    assert found == []
    refused = client.post("/search/", {"q": "+4915550100299"}, headers=HTMX)
    assert refused.status_code == 429
    assert "You have searched for 20 numbers within 10 minutes." in refused.content.decode()
    plainly = client.post("/search/", {"q": "+4915550100299"}, follow=True).content.decode()
    assert "You have searched for 20 numbers" in plainly
    assert AuditEntry.objects.filter(actor=kim, action="number searched").count() == 20
    assert AuditEntry.objects.filter(actor=kim, action="number search refused").count() == 1
    assert not AuditEntry.objects.filter(detail__contains="155501").exists()
    # Names are searched for as before, and a colleague is not concerned.
    assert shown(client.post("/search/", {"q": "billing"}, follow=True).content.decode()) == ["Billing-1"]
    assert shown(page_of(lena).post("/search/", {"q": "+4915550100299"}, follow=True).content.decode()) == ["Billing-1"]


def test_the_same_number_again_is_the_same_search(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1")
    client = page_of(kim)
    assert len({searched(client, NUMBER, sort=sort) for sort in ("longest", "longest", "longest")}) == 1
    for _again in range(30):
        searched(client, NUMBER)
    assert AuditEntry.objects.filter(action="number searched", detail="•••• 142").count() == 1


def test_a_search_by_name_stands_in_the_address_as_before(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1")
    assert searched(page_of(kim), "bil", team="0") == "/?q=bil"
    assert not NumberSearch.objects.exists()


def test_a_view_keeps_no_number(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call("Billing-1")
    client = page_of(kim)
    behind = "http://testserver" + searched(client, NUMBER)
    answer = client.post("/views/", {"name": "Them"}, headers={"Referer": behind}, follow=True)
    assert "A view cannot keep a phone number." in answer.content.decode()
    client.post("/views/", {"name": "Mine"}, headers={"Referer": f"http://testserver/?q={DIGITS}&sort=name"})
    assert [view.query for view in SavedView.objects.all()] == ["sort=name"]


def test_a_view_saved_before_loses_its_number_and_keeps_its_order(transactional_db: None, kim: User) -> None:
    for name, query in (("Number", "q=%2B4915550100142&team=1"), ("Order", "q=ana&sort=name"), ("Usual", "")):
        SavedView.objects.create(user=kim, name=name, query=query)
    executor = MigrationExecutor(connection)
    migration = executor.loader.get_migration("conferences", "0011_number_searches")
    [step] = [step for step in migration.operations if isinstance(step, RunPython)]
    step.code(executor.loader.project_state([("conferences", "0011_number_searches")]).apps, connection.schema_editor())
    assert dict(SavedView.objects.values_list("name", "query")) == {
        "Number": "team=1&sort=longest",
        "Order": "q=ana&sort=name",
        "Usual": "sort=longest",
    }
