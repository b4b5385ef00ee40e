"""Checks what an export of the audit holds, and when it is refused."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient

from conferences.models import Agent, AuditEntry
from conferences.spreadsheets import safe_cell
from dashboard.audit import export

from .audited import Action, SignIn
from .conftest import Listens, NewCall, note


def exported(user: User, kind: str, **asked: str) -> bytes:
    """Return what a person's export holds, asked for as a served floor is asked."""

    async def ask() -> bytes:
        client = AsyncClient()
        await client.aforce_login(user)
        answer: Any = await client.post("/audit/export/", {"kind": kind, **asked})
        assert answer.status_code == 200, answer.content
        assert f".{kind}" in answer.headers["Content-Disposition"]
        if answer.streaming:
            return b"".join([part async for part in answer])
        return bytes(answer.content)

    return async_to_sync(ask)()


def rows_of(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"))))


@pytest.mark.django_db(transaction=True)
def test_a_csv_holds_what_the_filter_shows(kim: User, new_call: NewCall, listened: Listens) -> None:
    listened(kim, new_call("Billing-42"))
    listened(kim, new_call("Sales-7"))
    first, second = rows_of(exported(kim, "csv", call="Billing"))
    assert first == {
        "From (UTC)": "2026-08-21 14:04:02",
        "Until (UTC)": "2026-08-21 14:06:16",
        "Seconds": "134",
        "Who": "Kim W.",
        "What": "Kim W. whispered to Ana Ruiz in Billing-42",
        "Mode": "Whisper",
        "To": "Ana Ruiz",
        "Call": "Billing-42",
        "Verified": "verified",
        "Why it ended, or what was noted": "ended by a press on the page",
    }
    assert (second["Mode"], second["Seconds"]) == ("Monitor", "60")


@pytest.mark.django_db(transaction=True)
def test_an_export_holds_no_more_than_the_reader_may_read(
    kim: User, omar: User, new_call: NewCall, listened: Listens
) -> None:
    listened(kim, new_call("Billing-42"))
    told = [row["What"] for row in rows_of(exported(omar, "csv"))]
    assert told == ["Omar H. signed in"]


@pytest.mark.django_db(transaction=True)
def test_no_cell_is_a_formula_and_no_number_is_whole(kim: User, new_call: NewCall, listened: Listens) -> None:
    call = new_call("=HYPERLINK(1)")
    Agent.objects.update(name="@SUM(1)")
    listened(kim, call)
    User.objects.filter(pk=kim.pk).update(first_name="=1+1", last_name="")
    [row, _monitor] = rows_of(exported(kim, "csv", call="HYPER"))
    assert (row["Who"], row["To"], row["Call"]) == ("'=1+1", "'@SUM(1)", "'=HYPERLINK(1)")
    with zipfile.ZipFile(io.BytesIO(exported(kim, "xlsx", call="HYPER"))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "'=HYPERLINK(1)" in sheet
    assert "<f>" not in sheet
    assert "<v>134</v>" in sheet


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "  =1", "\x01x", "\r\n1", "＝1"])
def test_what_could_be_a_formula_is_quoted(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Ana", "2026-08-21 14:03:00", "a=1", "’=1"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_each_export_is_in_the_audit_with_its_filter(
    kim: User, new_call: NewCall, listened: Listens, kind: str
) -> None:
    listened(kim, new_call("Billing-42"))
    exported(kim, kind, call="Billing", mode="whisper", first_day="2026-08-21")
    [entry] = AuditEntry.objects.filter(action=Action.AUDIT_EXPORTED)
    assert entry.actor == kim
    assert entry.detail == f"{kind}, 1 found; call Billing; mode whisper; from 2026-08-21"


def test_an_export_that_would_be_too_large_is_refused_in_plain_words(
    kim: User, page_of: SignIn, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST", 2)
    client = page_of(kim)
    for number in range(3):
        note(kim, Action.FOLLOWED, now, detail=f"Agent {number}")
    answer = client.post("/audit/export/", {"kind": "xlsx", "mode": ""}, follow=True)
    assert "This is more than one export holds (2). Choose fewer days, then export again." in answer.content.decode()
    assert not AuditEntry.objects.filter(action=Action.AUDIT_EXPORTED).exists()


def test_too_many_exports_are_refused_in_plain_words(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    for _number in range(export.MOST_EXPORTS):
        assert client.post("/audit/export/", {"kind": "xlsx", "call": "none"}).status_code == 200
    answer = client.post("/audit/export/", {"kind": "xlsx", "call": "none"}, follow=True)
    assert "You have exported 10 times within 10 minutes." in answer.content.decode()
    assert answer.redirect_chain == [("/audit/?call=none", 302)]


@pytest.mark.parametrize(
    "asked", [{}, {"kind": "pdf"}, {"kind": "csv", "call": "+4915550100142"}, {"kind": "csv", "person": "0"}]
)
def test_a_malformed_export_is_refused(kim: User, page_of: SignIn, asked: dict[str, str]) -> None:
    assert page_of(kim).post("/audit/export/", asked).status_code == 400


def test_an_export_is_posted(kim: User, page_of: SignIn) -> None:
    assert page_of(kim).get("/audit/export/?kind=csv").status_code == 405
