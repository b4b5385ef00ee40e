"""Checks who reads what in the audit, in which words, how it is filtered, and what an export holds."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from conferences.audit_chain.removal import opened_for_removal
from conferences.models import Agent, AuditEntry, Conference, Leg, SupervisorSession, Team
from conferences.models.records import audit_actions
from dashboard.audit import export
from dashboard.audit.export import safe_cell
from dashboard.audit.wording import DETAIL_FOR_ALL, DETAIL_IN_SENTENCE

from .conftest import Call, NewCall
from .test_words import operators_words

SignIn = Callable[[User], Client]
Listens = Callable[..., UUID]
Step = tuple[int, str, dict[str, Any]]
"""The seconds after the beginning, an action, and the other columns."""
Action = AuditEntry.Action


@pytest.fixture
def listened(now: datetime) -> Listens:
    """Return a function that writes what the audit keeps of one listening: a minute of monitor, 2:14 of whisper."""

    def write(
        user: User,
        call: Call,
        *,
        ends: bool = True,
        verified: bool = True,
        begin: datetime = now,
        session: UUID | None = None,
    ) -> UUID:
        session = session or uuid4()
        whisper = {"role": "whisper", "targets": [str(call.agents[0].pk)], "command_id": uuid4(), "cause": "pressed"}
        join = {"role": "monitor", "command_id": uuid4(), "cause": "pressed"}
        proof: list[Step] = [(63, "update verified", whisper)] if verified else []
        leave = {"command_id": uuid4(), "cause": "pressed"}
        way_out: list[Step] = [(196, "leave asked", leave), (196, "ended", {"detail": "You left."})] if ends else []
        steps: list[Step] = [
            (0, "entering", {"role": "monitor"}),
            (1, "join asked", join),
            (2, "join accepted", join),
            (3, "join verified", join),
            (60, "update asked", whisper),
            (62, "update accepted", whisper),
            *proof,
            *way_out,
        ]
        for second, action, more in steps:
            note(user, action, begin + timedelta(seconds=second), call, session_id=session, **more)
        return session

    return write


def note(user: User | None, action: str, at: datetime, call: Call | None = None, **more: object) -> AuditEntry:
    about = {"conference_id": call.conference.pk, "conference_name": str(call.conference)} if call else {}
    return AuditEntry.objects.create(actor=user, action=action, at=at, **about, **more)


def read(client: Client, query: str = "") -> str:
    answer = client.get(f"/audit/{query}")
    assert answer.status_code == 200, query
    return answer.content.decode()


def lines(html: str) -> list[str]:
    """Return what each line says, without what it opens."""
    summaries = re.findall(r"<summary>\s*(<time datetime.*?)</summary>", html, re.DOTALL)
    texts = [re.sub(r"<time.*?</time>|<[^>]+>", " ", summary, flags=re.DOTALL) for summary in summaries]
    return [re.sub(r"\s+", " ", unescape(text)).strip() for text in texts]


# --- In words ---------------------------------------------------------------------------------------------------------


def test_a_listening_reads_as_one_line_for_each_role(
    kim: User, lena: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"))
    told = lines(read(page_of(lena)))
    assert "Kim W. whispered to Ana Ruiz in Billing-42 — pressed on the page 2:14 min verified" in told
    assert "Kim W. listened to Billing-42 — pressed on the page 1:00 min verified" in told


def test_what_was_never_verified_is_told_as_such(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"), verified=False)
    assert "2:14 min not verified" in next(line for line in lines(read(page_of(kim))) if "whispered" in line)


def test_whoever_is_in_a_call_is_still_listening(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call(), ends=False)
    [line] = [line for line in lines(read(page_of(kim))) if "whispered" in line]
    assert "still listening" in line


def test_a_line_opens_to_every_entry_that_it_was_made_of(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    call = new_call("Billing-42")
    listened(kim, call)
    page = read(page_of(kim), "?call=Billing")
    assert (
        page.count('<time datetime="2026-08-21T14:0') == AuditEntry.objects.filter(session_id__isnull=False).count() + 2
    )
    assert f'<a href="{call.url}">Open the call</a>' in page


def test_refusals_sign_ins_passwords_and_searches_are_lines_of_their_own(
    kim: User, lena: User, new_call: NewCall, page_of: SignIn, now: datetime
) -> None:
    note(kim, Action.REFUSED, now, new_call("Billing-42"), role="barge", detail="You are not allowed to barge here.")
    note(kim, Action.SIGNED_IN, now, detail="from 10.0.0.0/24")
    note(kim, Action.PASSWORD_SET, now, detail="their own")
    note(lena, Action.PASSWORD_SET, now, detail="kim")
    note(kim, Action.NUMBER_SEARCHED, now, detail="•••• 142")
    note(None, Action.SIGN_IN_FAILED, now, detail="an unknown user name, from 10.0.0.0/24")
    told = lines(read(page_of(lena)))
    assert "Kim W. was refused: Barge in Billing-42 — You are not allowed to barge here." in told
    assert "Kim W. signed in — from 10.0.0.0/24" in told
    assert "Kim W. changed their password" in told
    assert "Lena S. set the password of kim" in told
    assert "Kim W. searched for a number — •••• 142" in told
    assert "A sign-in failed — an unknown user name, from 10.0.0.0/24" in told


def test_every_action_is_told_without_an_operators_word(
    kim: User, new_call: NewCall, page_of: SignIn, now: datetime
) -> None:
    call, actions = new_call("Billing-42"), [value for value, _label in audit_actions()]
    for action in actions:
        # Details for supervisors are written in their words (test_words.py); the rest is for operators.
        detail = "Told." if action in DETAIL_FOR_ALL | DETAIL_IN_SENTENCE else "the center's call flow: HTTP 200, leg"
        note(kim, action, now, call, role="monitor", detail=detail)
    page = read(page_of(kim), "?call=Billing")
    assert len(lines(page)) == len(actions)
    assert operators_words(page) == []


def test_a_name_that_is_no_longer_stored_is_told_as_such(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"))
    Leg.objects.all().delete()
    assert "Kim W. whispered to somebody whose name is no longer stored in Billing-42" in read(page_of(kim))


def test_names_and_details_from_outside_come_out_as_text_and_without_numbers(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn, now: datetime
) -> None:
    call = new_call("Call of +4915550100142")
    Agent.objects.update(name='<img src=x onerror="alert(1)">\u202e+4915550100142')
    listened(kim, call)
    note(kim, Action.REFUSED, now, call, role="barge", detail='<script>alert("+4915550100142")</script>')
    page = read(page_of(kim))
    assert "5550100" not in page
    assert "\u202e" not in page
    assert "<img" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


# --- Who may read -----------------------------------------------------------------------------------------------------


def test_a_supervisor_reads_their_own_alone(
    kim: User, lena: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    call = new_call("Billing-42")
    listened(kim, call)
    listened(lena, call)
    page = read(page_of(kim))
    assert "Kim W. listened" in page
    assert "Lena S." not in page


def test_a_stranger_reads_of_nobody_but_themselves(
    kim: User, omar: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"))
    client = page_of(omar)
    assert lines(read(client)) == ["Omar H. signed in"]
    for query in (f"?person={kim.pk}", f"?team={Team.objects.get().pk}", f"?agent={Agent.objects.get().pk}"):
        answer = client.get(f"/audit/{query}")
        assert answer.status_code == 400
        assert "Choose one of the list." in answer.content.decode()
        assert lines(answer.content.decode()) == []


def test_whoever_has_nothing_to_read_finds_no_such_page(omar: User, page_of: SignIn) -> None:
    client = page_of(omar)
    with opened_for_removal():
        AuditEntry.objects.all().delete()
    assert client.get("/audit/").status_code == 404
    assert client.post("/audit/export/", {"kind": "csv"}).status_code == 404


def test_whoever_is_signed_out_is_sent_to_sign_in(client: Client) -> None:
    assert client.get("/audit/").headers["Location"] == "/accounts/login/?next=/audit/"


@pytest.fixture
def lead(lena: User) -> User:
    """A lead of Billing who is no staff."""
    User.objects.filter(pk=lena.pk).update(is_staff=False)
    lena.refresh_from_db()
    return lena


def test_a_lead_reads_what_concerns_their_team_and_no_other(
    kim: User, lead: User, new_call: NewCall, listened: Listens, page_of: SignIn, now: datetime
) -> None:
    sales = Team.objects.create(name="Sales")
    rosa = Agent.objects.create(name="Rosa", team=sales)
    listened(kim, new_call("Billing-42"))
    listened(kim, new_call("Sales-7", team=sales, agents=(rosa,)))
    listened(kim, new_call("Shared-8", team=sales))
    note(kim, Action.SIGNED_IN, now)
    page = read(page_of(lead))
    assert "Billing-42" in page
    assert "Shared-8" in page  # Ana of Billing was in it
    assert "Sales-7" not in page
    assert "Kim W. signed in" not in page
    assert "All teams</option>" in page
    assert "Sales</option>" not in page


def test_a_call_that_is_no_longer_stored_is_for_staff_and_the_person_alone(
    kim: User, lead: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"))
    Conference.objects.all().delete()
    assert "Billing-42" not in read(page_of(lead))
    assert "Billing-42" in read(page_of(kim))
    User.objects.filter(pk=lead.pk).update(is_staff=True)
    assert "Billing-42" in read(page_of(lead))


def test_the_menu_leads_there(kim: User, page_of: SignIn) -> None:
    assert 'href="/audit/"' in page_of(kim).get("/").content.decode()


# --- Filters ----------------------------------------------------------------------------------------------------------


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
        ("?first_day=yesterday", "Write the day as year-month-day, for example 2026-08-21."),
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


# --- Export -----------------------------------------------------------------------------------------------------------


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
        "Why it ended, or what was noted": "pressed on the page",
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
