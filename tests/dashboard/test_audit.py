"""Checks in which words the audit's page tells what was done, and who reads what."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conferences.audit_chain.removal import opened_for_removal
from conferences.models import Agent, AuditEntry, Cause, Conference, Leg, Team
from conferences.models.records import audit_actions
from dashboard.audit.wording import DETAIL_FOR_ALL, DETAIL_IN_SENTENCE

from .audited import Action, SignIn, lines, read
from .conftest import Listens, NewCall, note
from .test_words import operators_words

# --- In words ---------------------------------------------------------------------------------------------------------


def test_a_listening_reads_as_one_line_for_each_role(
    kim: User, lena: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"))
    told = lines(read(page_of(lena)))
    assert "Kim W. whispered to Ana Ruiz in Billing-42 — ended by a press on the page 2:14 min verified" in told
    assert "Kim W. listened to Billing-42 — ended by a press on the page 1:00 min verified" in told


def test_what_was_never_verified_is_told_as_such(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn
) -> None:
    listened(kim, new_call("Billing-42"), verified=False)
    assert "2:14 min not verified" in next(line for line in lines(read(page_of(kim))) if "whispered" in line)


def test_what_was_short_is_told_in_seconds(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    for session, lasted in ((uuid4(), 400), (uuid4(), 3_900), (uuid4(), 42_000)):
        call, end = new_call(), now + timedelta(milliseconds=lasted)
        note(kim, "join accepted", now, call, session_id=session, command_id=uuid4(), role="monitor")
        note(kim, Action.ENDED, end, call, session_id=session)
    told = " ".join(lines(read(page_of(kim), "?call=Billing")))
    for duration in ("under a second not verified", " 3 s not verified", " 42 s not verified"):
        assert duration in told
    assert "0:" not in told


@pytest.mark.parametrize("cause", Cause.values)
def test_a_line_says_why_it_ended(
    kim: User, new_call: NewCall, listened: Listens, page_of: SignIn, now: datetime, cause: str
) -> None:
    call, session = new_call("Billing-42"), uuid4()
    note(kim, "join accepted", now, call, session_id=session, command_id=uuid4(), role="monitor")
    note(kim, "leave asked", now + timedelta(minutes=1), call, session_id=session, command_id=uuid4(), cause=cause)
    note(kim, Action.ENDED, now + timedelta(minutes=1), call, session_id=session)
    [line] = lines(read(page_of(kim), "?call=Billing"))
    assert line.startswith("Kim W. listened to Billing-42 — ended ")


def test_a_phone_that_rang_is_told_so(kim: User, page_of: SignIn, now: datetime) -> None:
    command = uuid4()
    for second, state in enumerate(("asked", "accepted", "verified")):
        note(kim, f"dial {state}", now + timedelta(seconds=second), command_id=command)
    note(kim, "dial asked", now, command_id=uuid4())
    told = lines(read(page_of(kim)))
    assert "Kim W.’s phone rang" in told
    assert "Kim W.’s phone: ring – asked for" in told


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
