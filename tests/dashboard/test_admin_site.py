"""The admin as part of the product: its order, its look, its names, and the ways between a call and its record."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from conferences.models import Account, Agent, AuditEntry, Command, Conference, Leg, Team

from .conftest import NewCall


@pytest.fixture
def as_boss(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", first_name="Ada"))
    return client


def groups_on(page: str) -> dict[str, list[str]]:
    """Return the pages that the index names, by the heading they stand under."""
    index = page[page.index('id="content-main"') : page.index('id="content-related"')]
    tables = re.findall(r"<caption>(.*?)</caption>(.*?)</table>", index, re.DOTALL)
    return {name: re.findall(r"<a [^>]*>([^<]+)</a>\s*</th>", rows) for name, rows in tables}


def test_the_index_lists_the_pages_in_the_order_of_the_work(as_boss: Client) -> None:
    groups = groups_on(as_boss.get("/admin/").content.decode())
    assert list(groups) == ["Set up", "Look up", "Under the hood"]
    assert groups["Set up"] == [
        *("Set-up guide", "Telnyx accounts", "Phone applications", "Teams", "Agents", "Supervisors", "Team rules"),
        *("Protected from listening", "Who may see what"),
    ]
    assert groups["Look up"][:4] == ["Conferences", "Call legs", "Participants", "Who listened"]
    assert set(groups["Under the hood"]) == {"Users", "Groups"}


def test_the_index_names_only_what_somebody_may_open(client: Client, lena: User) -> None:
    lena.user_permissions.set(Permission.objects.filter(codename="view_team"))
    client.force_login(lena)
    groups = groups_on(client.get("/admin/").content.decode())
    assert groups == {"Set up": ["Set-up guide", "Teams"], "Look up": ["Who listened"]}


def test_the_admin_has_the_theme_and_the_menu_of_the_floor_and_nothing_inline(as_boss: Client) -> None:
    as_boss.cookies["floorline-theme"] = "dark"
    page = as_boss.get("/admin/conferences/team/").content.decode()
    assert 'class="theme-dark ' in page
    assert "Where you are signed in" in page
    assert f'<a href="{reverse("floor")}">Floor</a>' in page
    assert "admin/js/theme.js" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=", page)


def test_times_are_written_in_one_way(as_boss: Client) -> None:
    User.objects.filter(username="boss").update(last_login="2026-11-27T13:05:09Z")
    assert "2026-11-27 13:05" in as_boss.get("/admin/auth/user/").content.decode()


def test_a_call_and_its_record_lead_to_each_other(as_boss: Client, lena: User, new_call: NewCall) -> None:
    call = new_call("Billing-7").conference
    record = reverse("admin:conferences_conference_change", args=[call.pk])
    assert record in as_boss.get(f"/conferences/{call.pk}/").content.decode()
    assert reverse("conference", args=[call.pk]) in as_boss.get(record).content.decode()
    as_boss.force_login(lena)  # staff without the permission to look at conferences
    assert record not in as_boss.get(f"/conferences/{call.pk}/").content.decode()


def test_rows_are_called_by_names(
    as_boss: Client, account: Account, new_call: NewCall, kim: User, now: datetime
) -> None:
    call = new_call("Billing-7")
    heard = [str(call.agents[0].pk)]
    nameless = Conference.objects.create(account=account, telnyx_id="3fa85f64-5717-4562-b3fc-2c963f66afa6")
    command = Command.objects.create(
        account=account, kind="join", actor=kim, conference=call.conference, asked_at=now, targets=heard
    )
    entry = AuditEntry.objects.create(
        at=now, actor=kim, action="join asked", conference_id=call.conference.pk, command_id=command.pk, targets=heard
    )

    def shown(name: str, *args: object) -> str:
        return as_boss.get(reverse(f"admin:conferences_{name}", args=args)).content.decode()

    for page in (shown("conference_changelist"), shown("conference_change", nameless.pk)):
        assert "Call 3fa85f6" in page
    for page in (shown("command_change", command.pk), shown("auditentry_change", entry.pk)):
        assert "Ana Ruiz" in page
        assert reverse("admin:conferences_conference_change", args=[call.conference.pk]) in page
    assert reverse("admin:conferences_command_change", args=[command.pk]) in shown("auditentry_change", entry.pk)
    assert str(call.customer.pk) not in shown("leg_change", call.customer.pk).partition("breadcrumbs")[2][:600]


def test_conferences_legs_and_audit_are_filtered_by_team_and_day(
    as_boss: Client, new_call: NewCall, billing: Team, kim: User, now: datetime
) -> None:
    ours, other = new_call("ours"), new_call("other", team=None, agents=())
    Conference.objects.filter(pk=other.conference.pk).update(started_at=now - timedelta(days=90))
    for call in (ours, other):
        name = call.conference.name
        AuditEntry.objects.create(at=now, actor=kim, conference_id=call.conference.pk, conference_name=name)

    def found(model: str, **asked: str) -> set[str]:
        page = as_boss.get(f"/admin/conferences/{model}/", asked)
        return {getattr(row, "conference_name", "") or str(row) for row in page.context["cl"].result_list}

    team = str(billing.pk)
    assert found("conference", of_team=team) == {"ours"}
    assert found("conference", of_team="x") == {"ours", "other"}
    assert found("auditentry", of_team=team) == {"ours"}
    legs = as_boss.get("/admin/conferences/leg/", {"of_team": team, "whose": "all"}).context["cl"].result_list
    assert {leg.pk for leg in legs} == {ours.customer.pk, *(leg.pk for leg in ours.agents)}
    assert found("conference", started_at__gte=str(now - timedelta(days=30))) == {"ours"}


def test_only_agents_without_such_a_mark_are_offered_a_leg(as_boss: Client, ana: Agent, account: Account) -> None:
    Agent.objects.create(name="Jo Lim", team=ana.team, number="+15550100099")
    address = "sip:gencredJo@sip.telnyx.com"
    facts = {"direction": ["1 0 x", "outgoing"], "to": ["1 0 x", address]}
    leg = Leg.objects.create(
        account=account, call_control_id="v3:jo", facts=facts, direction="outgoing", to_address=address
    )
    page = unescape(as_boss.get(reverse("admin:conferences_leg_agent", args=[leg.pk])).content.decode())
    [search] = re.findall(r'data-ajax--url="([^"]*)"', page)
    asked = {"app_label": "conferences", "model_name": "leg", "field_name": "agent", "term": ""}
    wanted, _mark, without = search.partition("?")
    offered = as_boss.get(wanted, asked | dict([without.split("=")])).json()["results"]
    assert [one["text"] for one in offered] == ["Jo Lim"]  # Ana has another SIP credential
