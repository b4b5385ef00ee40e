"""Rules and protections, the page that tests them, and readings of whole numbers, all in the admin."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    Conference,
    Connection,
    Leg,
    Participant,
    Protection,
    Team,
    TeamRule,
    WebhookEvent,
)
from conferences.permissions import LEADS, teams_of, visible_to

ADD = reverse("admin:conferences_teamrule_add")
TESTER = reverse("admin:who_may_see_what")
NUMBER = "+13125550142"


@pytest.fixture
def as_boss(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def free(account: Account, now: datetime) -> Conference:
    """A live call that only the rule of the upgrade gives to somebody, of a customer from the queue "vip"."""
    conference = Conference.objects.create(
        account=account, telnyx_id="free", name="free-1", started_at=now, rule=TeamRule.objects.get()
    )
    leg = Leg.objects.create(
        account=account, call_control_id="v3:c", party="customer", direction="incoming", from_address=NUMBER,
        to_address="+15550001000", queue="vip", started_at=now,
    )  # fmt: skip
    Participant.objects.create(account=account, conference=conference, leg=leg, present=True)
    return conference


def rule_form(**fields: object) -> dict[str, object]:
    return {"place": 10, "looks_at": "queue", "pattern": "vip*", **fields}


@pytest.mark.django_db(transaction=True)
def test_a_rule_holds_at_once_for_live_calls_and_is_in_the_audit(
    as_boss: Client, free: Conference, billing: Team, kim: User
) -> None:
    version = free.version
    assert as_boss.post(ADD, rule_form(team=billing.pk)).status_code == 302
    free.refresh_from_db()
    assert teams_of(free) == frozenset({billing.pk})
    assert free.version > version
    assert visible_to(kim).exists()
    added = TeamRule.objects.get(place=10)
    change, delete = (reverse(f"admin:conferences_teamrule_{name}", args=[added.pk]) for name in ("change", "delete"))
    as_boss.post(change, rule_form(pattern="other*", team=billing.pk))
    free.refresh_from_db()
    assert teams_of(free) == frozenset({LEADS})
    as_boss.post(delete, {"post": "yes"})
    keep = TeamRule.objects.get()
    as_boss.post(
        reverse("admin:conferences_teamrule_changelist"),
        {"action": "delete_selected", "_selected_action": [keep.pk], "post": "yes"},
    )
    free.refresh_from_db()
    assert teams_of(free) == frozenset()
    said = list(AuditEntry.objects.filter(action="scope changed").order_by("pk").values_list("detail", flat=True))
    assert said == [
        "team rule “queue vip*” added: Billing",
        "team rule “queue other*” changed: Billing",
        "team rule “queue other*” deleted: Billing",
        "team rule “every call without a team” deleted: leads and staff",
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"pattern": ""}, "Say what it has to match"),
        ({"team": "billing", "for_leads": "on"}, "Choose a team, or let leads and staff see it, not both."),
        ({"looks_at": ""}, "This field is required"),
    ],
)
def test_a_rule_that_says_nothing_is_refused_in_plain_words(
    as_boss: Client, billing: Team, fields: dict[str, str], complaint: str
) -> None:
    sent = {name: billing.pk if value == "billing" else value for name, value in fields.items()}
    assert complaint in as_boss.post(ADD, rule_form(**sent)).content.decode()
    assert TeamRule.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "agent"}, "Name the agent"),
        ({"kind": "queue"}, "Name the agent, or what the queue or the number matches."),
        ({"kind": "number", "agent": "ana", "pattern": "+1*"}, "Name the agent"),
    ],
)
def test_a_protection_names_one_thing(as_boss: Client, ana: Agent, fields: dict[str, str], complaint: str) -> None:
    sent = {name: ana.pk if value == "ana" else value for name, value in fields.items()}
    assert complaint in as_boss.post(reverse("admin:conferences_protection_add"), sent).content.decode()
    assert not Protection.objects.exists()


def test_the_list_says_what_the_rule_of_the_upgrade_is_for(as_boss: Client) -> None:
    page = as_boss.get(reverse("admin:conferences_teamrule_changelist")).content.decode()
    assert "One rule lets all leads and all staff see calls without a team." in page
    assert TESTER in page
    TeamRule.objects.all().delete()
    assert "One rule lets" not in as_boss.get(reverse("admin:conferences_teamrule_changelist")).content.decode()


def test_a_team_with_a_rule_is_not_deleted(as_boss: Client) -> None:
    sales = Team.objects.create(name="Sales")
    TeamRule.objects.create(looks_at="any", team=sales)
    as_boss.post(reverse("admin:conferences_team_delete", args=[sales.pk]), {"post": "yes"})
    assert Team.objects.filter(pk=sales.pk).exists()


def test_whoever_may_only_look_sees_no_whole_number(as_boss: Client, lena: User) -> None:
    add = reverse("admin:conferences_protection_add")
    assert as_boss.post(add, {"kind": "number", "pattern": NUMBER}).status_code == 302
    row = Protection.objects.get()
    change, history = (reverse(f"admin:conferences_protection_{name}", args=[row.pk]) for name in ("change", "history"))
    assert NUMBER in as_boss.get(change).content.decode()
    assert NUMBER not in as_boss.get("/admin/").content.decode()
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    as_boss.force_login(lena)
    for address in (change, history, reverse("admin:conferences_protection_changelist")):
        page = as_boss.get(address).content.decode()
        assert NUMBER not in page
    assert "•••• 142" in as_boss.get(change).content.decode()
    assert AuditEntry.objects.get(action="scope changed").detail.startswith("protection “number •••• 142” added")


@pytest.mark.parametrize("name", ["teamrule", "protection"])
def test_staff_may_look_at_rules_and_change_none(client: Client, lena: User, ana: Agent, name: str) -> None:
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    client.force_login(lena)
    Protection.objects.create(kind="agent", agent=ana)
    row = (TeamRule if name == "teamrule" else Protection).objects.get()
    changelist, add = (reverse(f"admin:conferences_{name}_{page}") for page in ("changelist", "add"))
    change, delete = (reverse(f"admin:conferences_{name}_{page}", args=[row.pk]) for page in ("change", "delete"))
    assert client.get(changelist).status_code == client.get(change).status_code == 200
    assert client.get(add).status_code == 403
    for address in (add, change, delete):
        assert client.post(address, {"post": "yes"}).status_code == 403
    client.post(changelist, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert type(row).objects.filter(pk=row.pk).exists()


# --- The tester -------------------------------------------------------------------------------------------------------


ROW = re.compile(r'<tr>\s*<th scope="row">(.*?)</tr>', re.S)


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of each call and leg."""
    content = page.partition("Rules, in their order")[2]
    return [
        [cell.partition(">")[2].partition("<")[0] if number else cell.partition("<")[0] for number, cell in cells]
        for cells in (enumerate(found.split("<td")) for found in ROW.findall(content))
    ]


def test_the_tester_says_whose_each_would_be_why_and_who_may_what(
    as_boss: Client, free: Conference, kim: User, lena: User, omar: User, ana: Agent, now: datetime
) -> None:
    page = as_boss.get(TESTER).content.decode()
    assert NUMBER not in page
    who = ["leads and staff", "rule 1000: every call without a team", "Lena S.", "Lena S.", "–"]
    [conference, leg] = rows_of(page)
    assert (conference[0], conference[2:]) == ("free-1", who)
    assert (leg[0], leg[2:]) == ("Customer +1 •••• 142", who)
    TeamRule.objects.create(looks_at="queue", pattern="vip", team=ana.team, place=3)
    rule = ["Billing", "rule 3: queue vip", "Kim W. and Lena S.", "Kim W. and Lena S.", "Kim W."]
    assert [row[2:] for row in rows_of(as_boss.get(TESTER).content.decode())] == [rule, rule]
    talking = Leg.objects.create(account=free.account, call_control_id="v3:a", party="agent", agent=ana, started_at=now)
    Participant.objects.create(account=free.account, conference=free, leg=talking, present=True)
    Connection.objects.create(account=free.account, connection_id="9", name="Hotline", team=ana.team)
    [conference, *_legs] = rows_of(as_boss.get(TESTER).content.decode())
    assert conference[2:4] == ["Billing", "agent Ana Ruiz"]
    Protection.objects.create(kind="agent", agent=ana, reason="Works council.")
    page = as_boss.get(TESTER).content.decode()
    assert "Nobody may listen to calls of this agent. Works council." in page
    TeamRule.objects.all().delete()
    Leg.objects.filter(pk=talking.pk).delete()
    assert rows_of(as_boss.get(TESTER).content.decode())[0][2:4] == ["superusers only", "no rule matches"]


def test_the_tester_costs_the_same_queries_for_many_calls_and_stops_at_fifty(
    as_boss: Client, free: Conference, kim: User, now: datetime
) -> None:
    TeamRule.objects.create(looks_at="queue", pattern="vip", place=3)
    Protection.objects.create(kind="queue", pattern="vip")
    with CaptureQueriesContext(connection) as few:
        as_boss.get(TESTER)
    for number in range(60):
        one = Conference.objects.create(
            account=free.account, telnyx_id=f"c{number}", started_at=now + timedelta(seconds=number)
        )
        leg = Leg.objects.create(account=free.account, call_control_id=f"v3:{number}", started_at=now)
        Participant.objects.create(account=free.account, conference=one, leg=leg)
    with CaptureQueriesContext(connection) as many:
        page = as_boss.get(TESTER).content.decode()
    assert len(few) == len(many)
    assert len(rows_of(page)) == 100


@pytest.mark.parametrize(("permissions", "status"), [([], 403), (["view_teamrule"], 403), (["view_conference"], 403)])
def test_the_tester_is_for_those_who_may_look_at_rules_and_calls(
    client: Client, lena: User, permissions: list[str], status: int
) -> None:
    lena.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(lena)
    assert client.get(TESTER).status_code == status
    lena.user_permissions.set(Permission.objects.filter(codename__in=["view_teamrule", "view_conference", "view_leg"]))
    assert client.get(TESTER).status_code == 200


# --- Readings ---------------------------------------------------------------------------------------------------------


def test_whoever_read_whole_numbers_or_a_body_is_in_the_audit(
    as_boss: Client, lena: User, free: Conference, account: Account, now: datetime
) -> None:
    leg = Leg.objects.get()
    stored = WebhookEvent.objects.create(
        account=account, event_id="e", event_type="call.initiated", occurred_at=now, received_at=now,
        state="projected", body=f'{{"data": {{"payload": {{"from": "{NUMBER}"}}}}}}'.encode(),
    )  # fmt: skip
    pages = [
        reverse("admin:conferences_leg_change", args=[leg.pk]),
        reverse("admin:conferences_webhookevent_change", args=[stored.pk]),
    ]
    for page in pages:
        assert NUMBER in as_boss.get(page).content.decode()
    as_boss.get(reverse("admin:conferences_conference_change", args=[free.pk]))  # tells no number
    read = AuditEntry.objects.filter(action="evidence read").order_by("pk")
    assert [(entry.actor.username if entry.actor else "", entry.detail) for entry in read] == [
        ("boss", f"call leg {leg.pk}"),
        ("boss", f"webhook event {stored.pk}"),
    ]
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label="conferences"))
    as_boss.force_login(lena)
    for page in pages:
        assert NUMBER not in as_boss.get(page).content.decode()
    assert read.filter(actor=lena).get().detail == f"webhook event {stored.pk}"
