"""Supervisors read call, phone, agent, customer and hold; the words of operators stay on the pages of staff."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from conferences.models import (
    Account,
    Agent,
    Cause,
    Command,
    Conference,
    Ear,
    Leg,
    Line,
    Participant,
    SupervisorSession,
    UnsteeredLine,
)
from conferences.models.account import Feed
from conferences.models.supervision import Role
from dashboard.rendering import fragments

from .conftest import Call, NewCall

ROOT = Path(__file__).parents[2]
SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]

OPERATORS = re.compile(
    r"\b(conferences?|legs?|ears?|lines?|webhooks?|readings?|read back|reconcil\w*|participants?|listings?|probe[ds]?"
    r"|contradict\w*|ingest\w*|polling|feeds?|client_state|call[ _]control\w*|connections?|evidence|unsteered|adopted"
    r"|parked|targets?|projected|events?|sessions?)\b",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(r"%\(\w+\)[ds]")
SPOKEN = {"alt", "aria-label", "content", "placeholder", "title"}
SILENT = {"script", "style"}


class Page(HTMLParser):
    """Collects what a page says: its texts, its names for assistive technology, and the sentences its script shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag if tag in SILENT else self._silent
        for name, value in attrs:
            # An attribute for the script alone holds no sentence: one word, ids, or JSON.
            is_sentence = name.startswith("data-") and " " in (value or "") and not (value or "").startswith("{")
            if value and (is_sentence or (name in SPOKEN and tag != "meta")):
                self.said.append(value)

    def handle_endtag(self, tag: str) -> None:
        self._silent = "" if tag == self._silent else self._silent

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(" ".join(data.split()))


def operators_words(html: str) -> list[str]:
    """Return what a page says with a word that only an operator knows."""
    return [said for said in Page(html).said if OPERATORS.search(said)]


# --- The state of the supervisor, and of the floor --------------------------------------------------------------------


@pytest.fixture
def call(new_call: NewCall, ana: Agent, max_falk: Agent, account: Account, now: datetime) -> Call:
    """A call with whatever a row and a desk can tell: an unknown caller, a hold, a transfer, one voice, a colleague."""
    told = new_call("Billing-4312", agents=(ana, max_falk), age=timedelta(hours=1))
    stranger = Leg.objects.create(account=account, call_control_id="who", from_address="sip:desk@pbx.example.com")
    Participant.objects.create(account=account, conference=told.conference, leg=stranger, present=True, joined_at=now)
    for leg, changed in (
        (told.customer, {"on_hold": True, "held_since": now - timedelta(minutes=3), "read_at": now}),
        (told.agents[0], {"muted": True, "read_at": now}),
    ):
        Participant.objects.filter(leg=leg).update(**changed)
    Leg.objects.filter(pk=told.agents[1].pk).update(phone_held_since=now)
    Leg.objects.create(
        account=account, call_control_id="waits", from_address="+12025550143", direction="incoming",
        party=Leg.Party.CUSTOMER, queue="support", enqueued_at=now,
    )  # fmt: skip
    Conference.objects.update(
        speaker_call_control_id=told.agents[0].call_control_id, speaker_since=now - timedelta(minutes=2)
    )
    return told


def commanded(session: SupervisorSession, state: str, now: datetime, **more: object) -> None:
    """Store one command of each kind in a state; the newest asks for the session's own role."""
    for second, kind in enumerate(
        (Command.Kind.DIAL, Command.Kind.GATHER, Command.Kind.LEAVE, Command.Kind.JOIN, Command.Kind.UPDATE)
    ):
        Command.objects.create(
            account=session.ear.account, actor=session.user, ear=session.ear, session=session, kind=kind, state=state,
            conference=session.conference, role=session.role if kind in {"join", "update"} else "",
            targets=session.targets, asked_at=now + timedelta(seconds=second), sent_at=now, **more,
        )  # fmt: skip


def pages(client: Client, call: Call, *, personal: bool) -> Iterator[tuple[str, str]]:
    """Yield every page that a supervisor can open, or those alone that show their own phone, with its address."""
    own = (f"/?conference={call.conference.id}", f"{call.url}?armed=none", "/ear/", "/ear/small/")
    others = (
        "/",
        "/?q=nothing",
        "/?group=agent",
        "/?waiting=1",
        call.url,
        f"{call.url}?note=1",
        f"{call.url}?armed=barge",
        "/audit/",
        "/setup/",
    )
    for address in own if personal else own + others:
        answer = client.get(address)
        assert answer.status_code == 200, address
        yield address, answer.content.decode()


def all_said(client: Client, call: Call, *, personal: bool = False) -> list[tuple[str, str]]:
    """Return every sentence with an operator's word, with the address of its page."""
    read = pages(client, call, personal=personal)
    return [(address, said) for address, html in read for said in operators_words(html)]


def test_the_reader_of_pages_finds_words_in_texts_titles_names_and_sentences_of_the_script() -> None:
    html = (
        '<p data-leg="leg-1" id="ear">On a leg</p><a title="My ear">x</a><b aria-label="a reading"></b>'
        '<i data-why="No webhook came" data-since="2026"></i><script>conference</script>'
    )
    assert operators_words(html) == ["On a leg", "My ear", "a reading", "No webhook came"]


@pytest.mark.slow
def test_the_pages_of_staff_keep_their_words(lena: User, call: Call, page_of: SignIn) -> None:
    """The test of the others would find nothing on a page that was not there."""
    said = {address for address, _words in all_said(page_of(lena), call)}
    assert {"/ear/", "/setup/"} <= said


@pytest.mark.slow
@pytest.mark.parametrize("feed", Feed.values)
def test_a_supervisor_in_no_call_reads_no_operators_word(
    kim: User, lena: User, call: Call, new_call: NewCall, page_of: SignIn, now: datetime, feed: str
) -> None:
    ended = new_call("Ended", ended=True)
    Account.objects.update(
        feed=feed,
        bridged_call_seen_at=timezone.now(),
        clock_ahead=90,
        heard_at=timezone.now(),
        check_problem="HTTP 500",
    )
    leg = Leg.objects.create(account=call.conference.account, call_control_id="v3:lena", party=Leg.Party.SUPERVISOR)
    for reason in UnsteeredLine.Reason:
        UnsteeredLine.objects.create(
            user=lena, conference=call.conference, leg=leg, reason=reason, role=Role.BARGE, started_at=now,
            ended_at=None if reason == UnsteeredLine.Reason.NO_RIGHT else now,
        )  # fmt: skip
    assert all_said(page_of(kim), call) == []
    assert operators_words(page_of(kim).get(ended.url).content.decode()) == []


@pytest.mark.slow
def test_somebody_without_a_phone_or_a_team_reads_no_operators_word(
    kim: User, omar: User, call: Call, page_of: SignIn
) -> None:
    Line.objects.all().delete()
    assert all_said(page_of(kim), call) == []
    for address in ("/", "/ear/", "/audit/", "/setup/"):
        assert operators_words(page_of(omar).get(address).content.decode()) == []


@pytest.mark.slow
@pytest.mark.parametrize("state", Ear.State.values)
@pytest.mark.parametrize("once", [True, False])
def test_a_phone_on_its_way_is_told_without_an_operators_word(
    kim: User, call: Call, ana: Agent, kim_listens: Listens, page_of: SignIn, state: str, once: bool
) -> None:
    kim_listens(call)
    SupervisorSession.objects.all().delete()
    Ear.objects.update(state=state, follows=ana, follows_once=once)
    assert all_said(page_of(kim), call, personal=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("stage", SupervisorSession.Stage.values)
@pytest.mark.parametrize("state", [Ear.State.DIALLING, Ear.State.CONFIRMING, Ear.State.CONNECTED])
def test_coming_and_leaving_are_told_without_an_operators_word(
    kim: User, call: Call, kim_listens: Listens, page_of: SignIn, now: datetime, stage: str, state: str
) -> None:
    commanded(kim_listens(call), "accepted", now)
    SupervisorSession.objects.update(
        stage=stage, ended_at=now if stage == "ended" else None, end_reason="The call ended."
    )
    Ear.objects.update(state=state)
    assert all_said(page_of(kim), call, personal=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("state", Command.State.values)
@pytest.mark.parametrize("role", Role.values)
def test_every_role_in_every_state_is_told_without_an_operators_word(
    kim: User, call: Call, kim_listens: Listens, page_of: SignIn, now: datetime, role: str, state: str
) -> None:
    session = kim_listens(call, role=role, targets=tuple(call.agents[:1]) if role == Role.WHISPER else ())
    cause = Cause.values[list(Command.State.values).index(state)]
    commanded(session, state, now, cause=cause)
    assert all_said(page_of(kim), call, personal=True) == []


# --- Refusals and errors ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_refusals_use_no_operators_word(kim: User, call: Call, page_of: SignIn) -> None:
    client, back = page_of(kim), {"Referer": f"http://testserver{call.url}"}
    kim.team_memberships.update(may_whisper=False, may_barge=False)
    Account.objects.update(ear_connection_id="")
    asked = [
        (f"{call.url}role/", {"role": "barge", "confirmed": "barge"}),
        (f"{call.url}role/", {"role": "whisper"}),
        (f"{call.url}role/", {"role": "monitor"}),
        ("/ear/connect/", {}),
        ("/ear/follow/?agent=" + str(call.agents[0].agent_id), {}),
        ("/keyboard/", {"on": "1", "monitor": "mm"}),
        ("/views/", {"name": ""}),
        (f"{call.url}notes/", {"text": ""}),
    ]
    for address, data in asked:
        answer = client.post(address, data, headers=back, follow=True)
        assert operators_words(answer.content.decode()) == [], address


@pytest.mark.slow
def test_error_pages_use_no_operators_word(kim: User, call: Call, page_of: SignIn) -> None:
    for name in ("403.html", "403_csrf.html", "404.html", "500.html"):
        assert operators_words(render_to_string(name)) == []
    assert operators_words(render_to_string("busy.html", {"seconds": 5})) == []
    for silent in (True, False):
        for name in ("stopped.html", "floor/_stopped.html"):
            assert operators_words(render_to_string(name, {"silent": silent})) == []
    assert operators_words(fragments.signed_out()) == []
    assert operators_words(page_of(kim).get("/conferences/nothing/").content.decode()) == []
    guarded = Client(enforce_csrf_checks=True)
    assert operators_words(guarded.post("/accounts/login/", {}).content.decode()) == []
    assert operators_words(guarded.get("/accounts/login/").content.decode()) == []
    wrong = Client().post("/accounts/login/", {"username": "kim", "password": "wrong"})
    assert operators_words(wrong.content.decode()) == []


# --- Every sentence that supervisors may be told, reached or not ------------------------------------------------------

# The pages for staff only: the guide of the set-up and those about the account, the details for support, and the audit.
OF_STAFF = {
    "dashboard/rendering/ear_page.py",
    "dashboard/setup_guide/mistakes.py",
    "dashboard/setup_guide/step.py",
    "dashboard/setup_guide/steps.py",
    "conferences/supervision/unsteered_lines.py",
}
OF_STAFF_ALONE = {
    "joined by webhook",
    "joined, as listed",
    "gone, as listed",
    "left by webhook",
    "the center's call flow brought this line in",
    "Telnyx brought the line in after it had left",
}
TRANSLATES = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext"}


def sentences() -> Iterator[tuple[str, str]]:
    """Yield each text that is put into the reader's language, with its file."""
    for folder in ("dashboard", "conferences/supervision"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text())) if name not in OF_STAFF else ():
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATES:
                    texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                    yield from ((name, text) for text in texts if isinstance(text, str))


def test_no_sentence_for_supervisors_has_an_operators_word() -> None:
    told = list(sentences())
    assert len(told) > 200
    found = [
        (name, text)
        for name, text in told
        if OPERATORS.search(PLACEHOLDER.sub("", text)) and text not in OF_STAFF_ALONE
    ]
    assert found == []
