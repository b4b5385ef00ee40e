"""My ear: its page, its line, following an agent, and its end with the session."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conferences import supervision
from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    Command,
    Ear,
    Line,
    SupervisorSession,
    Team,
    TeamMembership,
)
from conferences.models.account import WhisperReach
from dashboard.desk.ear import my_ear

from .conftest import NewCall

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/ear/"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Record what the views ask the service for; the service itself has tests of its own."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda **given: calls.append((name, given))

    for name in ("connect", "follow", "disconnect"):
        monkeypatch.setattr(supervision, name, note(name))
    return calls


def test_the_page_says_to_staff_alone_what_was_tested(kim: User, lena: User, account: Account, page_of: SignIn) -> None:
    assert "What this account really does" not in page_of(kim).get("/ear/").content.decode()
    page = page_of(lena).get("/ear/").content.decode()
    assert page.count("<li>Not tested:") == 3
    Account.objects.update(whisper_reaches=WhisperReach.LISTED_ONLY, monitor_reads_muted=True, monitor_harms_call=False)
    page = page_of(lena).get("/ear/").content.decode()
    assert page.count("<li>Tested:") == 3


def test_the_line_that_was_chosen_rings(
    kim: User, account: Account, page_of: SignIn, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    mobile = Line.objects.create(user=kim, label="Mobile", address="+4915550100555")
    page_of(kim).post("/ear/connect/", {"line": mobile.pk})
    page_of(kim).post("/ear/connect/")
    assert [(name, given["line"]) for name, given in asked] == [("connect", mobile), ("connect", None)]


def test_nobody_connects_or_prefers_a_line_of_somebody_else(
    kim: User, lena: User, page_of: SignIn, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    for path in ("/ear/connect/", "/ear/line/"):
        assert page_of(kim).post(path, {"line": lena.lines.get().pk}).status_code == 404
    assert asked == []
    assert lena.lines.get().is_default


def test_another_line_can_ring_first(kim: User, page_of: SignIn) -> None:
    mobile = Line.objects.create(user=kim, label="Mobile", address="+4915550100555")
    answer = page_of(kim).post("/ear/line/", {"line": mobile.pk}, headers={"Referer": "http://testserver/ear/"})
    assert answer.headers["Location"] == "/ear/"
    assert [line.label for line in Line.objects.filter(user=kim, is_default=True)] == ["Mobile"]


def test_following_names_the_agent_once_or_for_good_and_nobody_to_stop(
    kim: User, ana: Agent, page_of: SignIn, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    client = page_of(kim)
    for query in (f"?agent={ana.pk}", f"?agent={ana.pk}&once=1", ""):
        client.post(f"/ear/follow/{query}")
    assert [(given["agent"], given["once"]) for _name, given in asked] == [(ana, False), (ana, True), (None, False)]
    assert client.post("/ear/follow/?agent=nonsense").status_code == 400


def test_without_a_connected_line_following_says_what_to_do(kim: User, ana: Agent, page_of: SignIn) -> None:
    answer = page_of(kim).post(f"/ear/follow/?agent={ana.pk}", headers=HTMX)
    assert answer.status_code == 422
    assert "Connect your phone first" in answer.content.decode()


def test_whom_the_ear_follows_stands_on_the_ear_page_and_on_the_desk(
    kim: User, new_call: NewCall, ana: Agent, kim_listens: Callable[..., SupervisorSession], page_of: SignIn
) -> None:
    call = new_call()
    kim_listens(call)
    Ear.objects.update(follows=ana)
    assert "You follow Ana Ruiz: you join each of their calls on Monitor." in page_of(kim).get("/ear/").content.decode()
    assert "You follow Ana Ruiz." in page_of(kim).get(call.url).content.decode()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("asked", "Leaving, checking…"),
        ("accepted", "Leaving, checking…"),
        ("unknown", "Leaving: Telnyx has not confirmed it yet. Trying again."),
        ("rejected", "Leaving: not confirmed, trying again"),
    ],
)
def test_a_leave_counts_only_once_it_is_verified(
    kim: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession], now: datetime, state: str, words: str
) -> None:
    session = kim_listens(new_call(), role="barge")
    SupervisorSession.objects.update(stage=SupervisorSession.Stage.LEAVING)
    Command.objects.create(
        account=session.ear.account,
        kind="leave",
        actor=kim,
        ear=session.ear,
        session=session,
        state=state,
        asked_at=now,
    )
    mine = my_ear(kim, now=now)
    assert (mine.inside, mine.progress and mine.progress.text) == (False, words)
    assert (mine.claim.heard, mine.claim.step) == ("maybe", "leaving")


def test_a_line_that_is_being_hung_up_is_not_called_gone(
    kim: User, account: Account, page_of: SignIn, now: datetime
) -> None:
    ear = Ear.objects.create(account=account, user=kim, kind="sip", call_control_id="v3:kim", created_at=now)
    Ear.objects.update(state=Ear.State.ENDING)
    Command.objects.create(account=account, kind="hangup", actor=kim, ear=ear, state="unknown", asked_at=now)
    page = page_of(kim).get("/ear/").content.decode()
    assert "Hanging up: Telnyx has not confirmed it yet. Trying again." in page
    assert "Connect my phone" not in page


def test_signing_out_hangs_up_the_line_first(
    kim: User, page_of: SignIn, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    client = page_of(kim)
    client.post("/accounts/logout/")
    assert [(name, given["user"]) for name, given in asked] == [("disconnect", kim)]
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("of_a_team", [False, True])
def test_a_phone_does_not_ring_for_somebody_who_may_listen_nowhere(
    omar: User, billing: Team, account: Account, page_of: SignIn, *, of_a_team: bool
) -> None:
    sentence = "You are not allowed to listen to any calls. Ask an admin if you need to."
    Line.objects.create(user=omar, label="Desk phone", kind=Line.Kind.SIP, address="sip:omar@sip.telnyx.com")
    if of_a_team:
        TeamMembership.objects.create(user=omar, team=billing, may_monitor=False)
    client = page_of(omar)
    for path in ("/", "/ear/"):
        page = client.get(path).content.decode()
        connecting = re.findall(r'<button[^>]* formaction="/ear/connect/"[^>]*>', page)
        assert connecting
        assert all(" disabled" in button for button in connecting)
        assert sentence in page
    refused = client.post("/ear/connect/", headers=HTMX)
    assert (refused.status_code, sentence in refused.content.decode()) == (422, True)
    assert not Ear.objects.exists()
    assert AuditEntry.objects.get(action="refused").detail == f"connect: {sentence}"


@pytest.mark.parametrize("mode", ["may_monitor", "may_whisper", "may_barge"])
def test_a_right_to_one_role_is_enough_to_connect(omar: User, billing: Team, page_of: SignIn, mode: str) -> None:
    Line.objects.create(user=omar, label="Desk phone", kind=Line.Kind.SIP, address="sip:omar@sip.telnyx.com")
    TeamMembership.objects.create(user=omar, team=billing, **{"may_monitor": False, mode: True})
    assert " disabled" not in page_of(omar).get("/ear/").content.decode()


def test_whoever_has_no_line_reads_what_a_line_is(omar: User, page_of: SignIn) -> None:
    assert "You have no phone yet." in page_of(omar).get("/ear/").content.decode()


def test_an_agent_whom_nobody_showed_to_a_stranger_cannot_be_followed(
    omar: User, ana: Agent, page_of: SignIn, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    assert page_of(omar).post(f"/ear/follow/?agent={ana.pk}", headers=HTMX).status_code == 404
    assert asked == []


@pytest.mark.parametrize("path", ["/ear/connect/", "/ear/line/"])
def test_nonsense_for_a_line_is_a_bad_request(
    kim: User, page_of: SignIn, asked: list[tuple[str, dict[str, Any]]], path: str
) -> None:
    assert page_of(kim).post(path, {"line": "nonsense"}).status_code == 400
    assert asked == []


@pytest.mark.parametrize("state", [Ear.State.DIALLING, Ear.State.CONFIRMING])
def test_the_name_of_a_phone_that_rings_is_one_harmless_line(
    kim: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession], page_of: SignIn, state: str
) -> None:
    call = new_call()
    kim_listens(call)
    kim.lines.update(label="Desk\u202eenohp\x07")
    Ear.objects.update(state=state)
    SupervisorSession.objects.update(stage=SupervisorSession.Stage.CONNECTING)
    for path in ("/ear/", call.url):
        page = page_of(kim).get(path).content.decode()
        assert "Desk" in page
        assert not [sign for sign in "\u202e\x07" if sign in page]
