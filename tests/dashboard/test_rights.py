"""Each right opens something on the pages: whole numbers, notes, and calls that only a rule gives to somebody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conferences.models import Account, AuditEntry, Conference, Leg, Note, Team, TeamRule
from conferences.team_rules import RuleWatch, settle_live
from dashboard.floor.board import board
from dashboard.floor.window import Window
from dashboard.push import broadcast

from .conftest import Call, NewCall
from .test_snapshot import poll
from .test_stream import reading

SignIn = Callable[[User], Client]
NUMBER = "+4915550100142"
HTMX = {"HX-Request": "true"}


def address(call: Call, leg: UUID | None = None) -> str:
    return reverse("show-number", args=[call.conference.pk, leg or call.customer.pk])


def entries(*actions: str) -> list[tuple[str, int | None, str, list[str]]]:
    rows = AuditEntry.objects.filter(action__in=actions).order_by("pk")
    return [(row.action, row.actor_id, row.detail, row.targets) for row in rows]


def numbered(user: User) -> None:
    user.team_memberships.update(may_see_numbers=True)


# --- Numbers ----------------------------------------------------------------------------------------------------------


def test_a_whole_number_comes_in_the_answer_alone_and_the_audit_says_who_had_it(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    call, client = new_call("Billing-1"), page_of(kim)
    numbered(kim)
    page = reverse("conference", args=[call.conference.pk])
    assert NUMBER not in client.get(page).content.decode()
    answer = client.post(address(call), headers=HTMX)
    assert answer.content.decode() == (
        f'<hx-partial hx-target="#number-{call.customer.pk}" hx-swap="innerHTML">{NUMBER}</hx-partial>'
    )
    assert "no-store" in answer["Cache-Control"]
    assert NUMBER not in client.get(page).content.decode()
    assert entries("number shown") == [("number shown", kim.pk, "+49 •••• 142", [str(call.customer.pk)])]
    assert AuditEntry.objects.get(action="number shown").conference_id == call.conference.pk
    audit = client.get(reverse("audit")).content.decode()
    assert "had a whole number shown in Billing-1" in audit
    assert NUMBER not in audit


def test_without_scripts_the_number_has_a_page_of_its_own(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call()
    numbered(kim)
    page = page_of(kim).post(address(call)).content.decode()
    assert f"<h1>{NUMBER}</h1>" in page


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_without_the_right_no_number_is_shown_and_that_is_noted(
    kim: User, new_call: NewCall, page_of: SignIn, headers: dict[str, str]
) -> None:
    call, client = new_call(), page_of(kim)
    assert "Show number" not in client.get(reverse("conference", args=[call.conference.pk])).content.decode()
    answer = client.post(address(call), headers=headers, follow=True)
    assert "You are not allowed to see numbers in this team." in answer.content.decode()
    assert NUMBER not in answer.content.decode()
    assert entries("number shown", "number refused") == [
        ("number refused", kim.pk, "+49 •••• 142", [str(call.customer.pk)])
    ]


def test_the_right_of_one_team_shows_no_number_of_another(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    sales = Team.objects.create(name="Sales")
    kim.team_memberships.create(team=sales, may_see_numbers=True)
    call = new_call()
    assert page_of(kim).post(address(call), headers=HTMX).status_code == 422


def test_a_leg_of_elsewhere_an_agent_and_an_unknown_one_have_no_number(
    kim: User, omar: User, new_call: NewCall, page_of: SignIn
) -> None:
    call, other, client = new_call("Billing-1"), new_call("Billing-2"), page_of(kim)
    numbered(kim)
    assert client.post(address(call, other.customer.pk)).status_code == 404
    assert client.post(address(call, uuid4())).status_code == 404
    assert client.post(address(call, call.agents[0].pk), headers=HTMX).status_code == 422
    assert client.get(address(call)).status_code == 405
    assert page_of(omar).post(address(call)).status_code == 404
    assert entries("number shown", "number refused") == []


@pytest.mark.slow
def test_no_stream_carries_a_number_that_was_shown(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    call, client = new_call("Billing-1"), page_of(kim)
    numbered(kim)
    with reading(client, f"conference={call.conference.id}") as reader:
        reader.until("Show number")
        client.post(address(call), headers=HTMX)
        Conference.objects.filter(pk=call.conference.pk).update(name="Billing-renamed")
        settle_live(push=True, now=timezone.now())
        reader.until("Billing-renamed")
        assert NUMBER not in reader.text


# --- Notes ------------------------------------------------------------------------------------------------------------


def test_notes_are_written_by_right_and_read_by_everybody_who_sees_the_call(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    call, client = new_call(), page_of(kim)
    page, note = (reverse(name, args=[call.conference.pk]) for name in ("conference", "note"))
    assert 'id="note-box"' in client.get(page).content.decode()
    assert client.post(note, {"text": "Was friendly"}, headers=HTMX).status_code == 200
    kim.team_memberships.update(may_note=False)
    answer = client.post(note, {"text": "Again"}, headers=HTMX)
    assert (answer.status_code, Note.objects.count()) == (422, 1)
    assert "You are not allowed to write notes in this team." in answer.content.decode()
    shown = client.get(page).content.decode()
    assert 'id="note-box"' not in shown
    assert "Was friendly" in shown


# --- Rules ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def free(new_call: NewCall) -> Call:
    """A call that no agent and no connection gives to a team."""
    return new_call("free-1", team=None, agents=())


def answers(client: Client, call: Call) -> set[int]:
    """Return what every page about a call answers."""
    pk = call.conference.pk
    opened = [client.get(reverse("conference", args=[pk])), client.get(f"/?conference={pk}")]
    posted = [
        client.post(reverse("note", args=[pk]), {"text": ""}, headers=HTMX),
        client.post(reverse("role", args=[pk]), {"role": "barge"}, headers=HTMX),
        client.post(reverse("monitor"), {"monitor": str(pk)}, headers=HTMX),
        client.post(address(call), headers=HTMX),
    ]
    return {answer.status_code for answer in (*opened, *posted)}


RULES = {
    "none": None,
    "superusers": {},
    "sales": {"team": "Sales"},
    "billing": {"team": "Billing"},
    "leads": {"for_leads": True},
}
SEERS = {
    "none": {"boss"},
    "superusers": {"boss"},
    "sales": {"boss"},
    "billing": {"boss", "kim", "lena"},
    "leads": {"boss", "lena"},
}


@pytest.mark.parametrize("whose", RULES)
def test_one_predicate_decides_on_every_page(
    transactional_db: None,
    kim: User,
    lena: User,
    omar: User,
    billing: Team,
    free: Call,
    page_of: SignIn,
    whose: str,
) -> None:
    Team.objects.create(name="Sales")
    TeamRule.objects.all().delete()
    if (asked := RULES[whose]) is not None:
        fields = {**asked, **({"team": Team.objects.get(name=asked["team"])} if "team" in asked else {})}
        TeamRule.objects.create(looks_at="name", pattern="FREE-*", **fields)
    settle_live(push=True, now=timezone.now())
    people = {"kim": kim, "lena": lena, "omar": omar, "boss": User.objects.create_superuser("boss")}
    now = timezone.now()
    for name, user in people.items():
        sees = name in SEERS[whose]
        client = page_of(user)
        assert (404 not in answers(client, free)) is sees, name
        assert (answers(client, free) == {404}) is not sees, name
        found = board(user, window=Window(query="free"), now=now)
        assert [row.name for row in found.rows] == (["free-1"] if sees else []), name
        assert found.header.counters.live == sees, name
        polled = poll(client, f"conference={free.conference.pk}")
        assert (polled.status, "floorline-lost" in (polled.headers or {})) == ((200, False) if sees else (404, True)), (
            name
        )
        assert ("free-1" in poll(client).text) is sees, name


def test_a_call_of_a_rule_stands_under_its_team_and_is_found_by_it(kim: User, billing: Team, free: Call) -> None:
    kim.team_memberships.create(team=Team.objects.create(name="Sales"))
    TeamRule.objects.create(looks_at="any", team=billing, place=1)
    settle_live(push=True, now=timezone.now())
    found = board(kim, window=Window(team=billing.pk), now=timezone.now())
    assert [row.teams for row in found.rows] == [("Billing",)]
    assert [choice.label for choice in found.header.choices.teams] == ["Billing"]


@pytest.mark.parametrize(
    ("rule", "waited"),
    [
        (None, {"boss"}),
        ({"for_leads": True}, {"boss", "kim", "lena"}),
        ({"team": "Billing"}, {"boss", "kim", "lena"}),
        ({"team": "Sales"}, {"boss"}),
        ({}, {"boss"}),
    ],
)
def test_the_waiting_list_asks_the_same(
    kim: User, lena: User, omar: User, account: Account, billing: Team, rule: dict[str, object] | None, waited: set[str]
) -> None:
    Team.objects.create(name="Sales")
    TeamRule.objects.all().delete()
    if rule is not None:
        fields = {**rule, **({"team": Team.objects.get(name=rule["team"])} if "team" in rule else {})}
        TeamRule.objects.create(looks_at="queue", pattern="vip*", **fields)
    now = timezone.now()
    Leg.objects.create(
        account=account,
        call_control_id="v3:w",
        queue="VIP",
        enqueued_at=now - timedelta(seconds=9),
        direction="incoming",
    )
    people = {"kim": kim, "lena": lena, "omar": omar, "boss": User.objects.create_superuser("boss")}
    seen = {name for name, user in people.items() if board(user, window=Window(), now=now).header.counters.waiting}
    assert seen == waited


@pytest.mark.slow
@pytest.mark.parametrize("alone", ["", "&alone=1"], ids=["floor", "conference page"])
def test_a_deleted_rule_clears_an_open_page_and_says_why(
    lena: User, free: Call, page_of: SignIn, monkeypatch: pytest.MonkeyPatch, alone: str, transactional_db: None
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(broadcast, "THOROUGH_BEATS", 1000)
    watch = RuleWatch()
    watch.step(now=timezone.now())
    with reading(page_of(lena), f"conference={free.conference.id}{alone}") as reader:
        reader.until('<h2 id="desk-title" tabindex="-1">free-1</h2>')
        reader.until("event: heartbeat")
        reader.forget()
        TeamRule.objects.all().delete()
        watch.step(now=timezone.now())
        reader.until("You can no longer see this call.")
        reader.until("You are still signed in.")
        if not alone:
            reader.until(f'hx-target="#conference-{free.conference.id}" hx-swap="delete"')
