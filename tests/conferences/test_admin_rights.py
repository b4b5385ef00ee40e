"""Rights that are given in the admin, and sign-ins and passwords in the audit."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, Permission, User
from django.test import AsyncClient, Client
from django.urls import reverse

from conferences.models import Agent, AuditEntry, Connection, Team, TeamMembership
from conferences.models.account import Account
from conferences.permissions import is_agent_only, own_agent

RIGHTS = ("may_monitor", "may_whisper", "may_barge", "may_see_numbers", "may_note", "is_lead")


@pytest.fixture
def as_lena(client: Client, lena: User) -> Client:
    """Sign in Lena with every permission on our tables and on people; in Billing she may monitor, and leads."""
    lena.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["conferences", "auth"]))
    client.force_login(lena)
    return client


def team_form(team: Team, *rows: dict[str, Any]) -> dict[str, Any]:
    """Return what a team's page sends; each row is a membership."""
    kept = sum("id" in row for row in rows)
    form = {"name": team.name, "memberships-TOTAL_FORMS": len(rows), "memberships-INITIAL_FORMS": kept}
    for number, row in enumerate(rows):
        form |= {f"memberships-{number}-{name}": value for name, value in {"team": team.pk, **row}.items()}
    return form


def row_of(member: TeamMembership, **changes: Any) -> dict[str, Any]:
    rights = {right: "on" for right in RIGHTS if changes.get(right, getattr(member, right))}
    return {"id": member.pk, "user": changes.get("user", member.user_id), **rights}


def send(client: Client, team: Team, *rows: dict[str, Any]) -> bool:
    """Save a team's page; return whether it was taken."""
    page = client.post(reverse("admin:conferences_team_change", args=[team.pk]), team_form(team, *rows))
    assert (
        page.status_code == 302
        or "Only a superuser, or somebody else who has this right in this team, can give it." in page.content.decode()
    )
    return page.status_code == 302


@pytest.mark.parametrize("right", ["may_whisper", "may_barge", "may_see_numbers"])
def test_nobody_gives_themselves_a_right_on_the_teams_page(
    as_lena: Client, lena: User, billing: Team, right: str
) -> None:
    own = lena.team_memberships.get()
    assert not send(as_lena, billing, row_of(own, **{right: True}))
    assert not getattr(lena.team_memberships.get(), right)


def test_nobody_becomes_a_member_of_another_team_by_themselves(as_lena: Client, lena: User) -> None:
    other = Team.objects.create(name="Other")
    assert not send(as_lena, other, {"user": lena.pk, "may_monitor": "on"})
    new = {"name": "New", **team_form(other, {"user": lena.pk, "may_barge": "on"})}
    assert as_lena.post(reverse("admin:conferences_team_add"), new).status_code == 200
    assert lena.team_memberships.count() == 1


def test_nobody_takes_over_a_colleagues_membership(as_lena: Client, lena: User, kim: User) -> None:
    other = Team.objects.create(name="Other")
    kims = TeamMembership.objects.create(user=kim, team=other, may_barge=True)
    assert not send(as_lena, other, row_of(kims, user=lena.pk))
    assert TeamMembership.objects.get(pk=kims.pk).user == kim


def test_a_lead_gives_what_is_theirs_and_takes_away_what_is_not(
    as_lena: Client, kim: User, omar: User, billing: Team
) -> None:
    kims = kim.team_memberships.get()
    assert send(as_lena, billing, {"user": omar.pk, "may_monitor": "on"})
    assert not send(as_lena, billing, row_of(omar.team_memberships.get(), may_barge=True))
    assert send(as_lena, billing, row_of(kims, may_barge=False, may_whisper=False))
    assert not send(as_lena, billing, row_of(kims, may_barge=True, may_whisper=False))
    assert TeamMembership.objects.filter(may_barge=True).count() == 0


def test_nor_on_the_page_of_a_person(as_lena: Client, omar: User, billing: Team) -> None:
    form = {"username": "omar", "team_memberships-TOTAL_FORMS": 1, "team_memberships-INITIAL_FORMS": 0}
    form |= {"team_memberships-0-team": billing.pk, "team_memberships-0-user": omar.pk}
    form |= {"lines-TOTAL_FORMS": 0, "lines-INITIAL_FORMS": 0}
    address = reverse("admin:conferences_supervisor_change", args=[omar.pk])
    assert as_lena.post(address, form | {"team_memberships-0-may_barge": "on"}).status_code == 200
    assert not omar.team_memberships.exists()
    assert as_lena.post(address, form | {"team_memberships-0-may_monitor": "on"}).status_code == 302
    assert omar.team_memberships.get().may_monitor


def test_a_superuser_gives_anybody_any_right(client: Client, billing: Team) -> None:
    boss = User.objects.create_superuser("boss")
    client.force_login(boss)
    assert send(client, billing, {"user": boss.pk, **dict.fromkeys(RIGHTS, "on")})


def test_nobody_moves_calls_into_a_team_where_they_may_hear_more(
    as_lena: Client, lena: User, billing: Team, account: Account
) -> None:
    other = Team.objects.create(name="Other")
    agent = Agent.objects.create(name="Zoe", team=other, sip_username="gencredZoe")
    connection = Connection.objects.create(account=account, connection_id="7", team=other)
    moves: list[tuple[str, Any, dict[str, str]]] = [
        ("agent", agent, {"name": "Zoe", "sip_username": "gencredZoe"}),
        ("connection", connection, {"name": "", "role": Connection.Role.UNASSIGNED}),
    ]
    for model, row, form in moves:
        address = reverse(f"admin:conferences_{model}_change", args=[row.pk])
        page = as_lena.post(address, {**form, "team": billing.pk})
        assert "You would then hear calls that you are not allowed to hear." in page.content.decode()
        row.refresh_from_db()
        assert row.team == other
        assert as_lena.post(address, {**form, "team": other.pk}).status_code == 302


def test_nobody_takes_calls_of_no_team_into_their_own(as_lena: Client, billing: Team, account: Account) -> None:
    connection = Connection.objects.create(account=account, connection_id="7")
    address = reverse("admin:conferences_connection_change", args=[connection.pk])
    page = as_lena.post(address, {"name": "", "role": Connection.Role.UNASSIGNED, "team": billing.pk})
    assert "You would then hear calls that you are not allowed to hear." in page.content.decode()
    connection.refresh_from_db()
    assert connection.team is None


def test_the_audit_is_filtered_by_role_by_staff_too(as_lena: Client) -> None:
    assert as_lena.get("/admin/conferences/auditentry/", {"role": "whisper"}).status_code == 200


def test_the_password_page_of_nobody_is_no_error(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    assert client.get("/admin/auth/user/x/password/").status_code == 404


def test_only_a_superuser_changes_what_a_group_may_do(as_lena: Client, lena: User) -> None:
    group = Group.objects.create(name="Leads")
    lena.groups.add(group)
    assert as_lena.get(reverse("admin:auth_group_add")).status_code == 403
    everything = {"name": "Leads", "permissions": list(Permission.objects.values_list("pk", flat=True))}
    assert as_lena.post(reverse("admin:auth_group_change", args=[group.pk]), everything).status_code == 403
    assert not group.permissions.exists()


# --- What the audit keeps ---------------------------------------------------------------------------------------------


def entries(action: str) -> list[tuple[User | None, str]]:
    return [(entry.actor, entry.detail) for entry in AuditEntry.objects.filter(action=action).order_by("pk")]


def test_setting_another_ones_password_is_audited(as_lena: Client, lena: User, kim: User) -> None:
    address = reverse("admin:auth_user_password_change", args=[kim.pk])
    as_lena.post(address, {"password1": "quite another one", "password2": "not the same"})
    assert entries("password set") == []
    secret = "quite another one"
    assert (
        as_lena.post(address, {"usable_password": "true", "password1": secret, "password2": secret}).status_code == 302
    )
    assert entries("password set") == [(lena, "kim")]


def test_every_change_of_a_right_in_a_team_is_audited(as_lena: Client, lena: User, kim: User, omar: User) -> None:
    billing = Team.objects.get(name="Billing")
    kims = kim.team_memberships.get()
    send(as_lena, billing, row_of(kims, may_barge=False, may_whisper=False), {"user": omar.pk, "may_monitor": "on"})
    assert not send(as_lena, billing, row_of(omar.team_memberships.get(), may_barge=True))
    send(as_lena, billing, row_of(omar.team_memberships.get()))
    send(as_lena, billing, {**row_of(omar.team_memberships.get()), "DELETE": "on"})
    assert entries("rights changed") == [
        (lena, "kim in Billing: lost may whisper, may barge"),
        (lena, "omar in Billing: gained may see, may monitor"),
        (lena, "omar in Billing: lost may see, may monitor"),
    ]


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize("model", ["conferences_team", "auth_user"])
def test_rights_that_end_with_a_team_or_a_person_are_audited(
    client: Client, admin_user: User, omar: User, model: str, selected: bool
) -> None:
    other = Team.objects.create(name="Other")
    TeamMembership.objects.create(user=omar, team=other)
    client.force_login(admin_user)
    pk = other.pk if model == "conferences_team" else omar.pk
    if selected:
        form = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
        client.post(reverse(f"admin:{model}_changelist"), form)
    else:
        client.post(reverse(f"admin:{model}_delete", args=[pk]), {"post": "yes"})
    assert not TeamMembership.objects.filter(team__name="Other").exists()
    assert entries("rights changed") == [(admin_user, "omar in Other: lost may see, may monitor, may write notes")]


def test_what_a_person_or_a_group_may_do_is_audited(client: Client, admin_user: User, omar: User) -> None:
    client.force_login(admin_user)
    may_add, may_view = (Permission.objects.get(codename=f"{do}_account") for do in ("add", "view"))
    client.post(reverse("admin:auth_group_add"), {"name": "Leads", "permissions": [may_add.pk]})
    leads = Group.objects.get()
    client.post(reverse("admin:auth_group_change", args=[leads.pk]), {"name": "Leads", "permissions": [may_view.pk]})
    form = {"username": "omar", "date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
    person = reverse("admin:auth_user_change", args=[omar.pk])
    office = {"is_active": "on", "is_staff": "on", "groups": [leads.pk], "user_permissions": [may_add.pk]}
    client.post(person, form | office)
    client.post(person, form | office)
    client.post(person, form)
    client.post(reverse("admin:auth_group_delete", args=[leads.pk]), {"post": "yes"})
    assert [detail for _actor, detail in entries("rights changed")] == [
        "group Leads: gained add_account",
        "group Leads: gained view_account; lost add_account",
        "omar: gained staff status, group Leads, add_account",
        "omar: lost active, staff status, group Leads, add_account",
        "group Leads, deleted: lost view_account",
    ]


@pytest.mark.django_db(transaction=True)
def test_who_signs_in_fails_and_signs_out_leaves_a_trail_without_secrets(kim: User) -> None:
    client = AsyncClient()

    async def whole_story() -> None:
        behind: dict[str, Any] = {"headers": {"x-forwarded-for": "203.0.113.77"}}
        for typed, password in (("kim", "nonsense"), ("hunter2 my password", "kim"), ("kim", "kim-password")):
            await client.post("/accounts/login/", {"username": typed, "password": password}, **behind)
        await client.post("/accounts/logout/", **behind)

    async_to_sync(whole_story)()
    network = "from 203.0.113.0/24"
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "actor", "detail")) == [
        ("sign-in failed", None, f"kim, {network}"),
        ("sign-in failed", None, f"an unknown user name, {network}"),
        ("signed in", kim.pk, network),
        ("signed out", kim.pk, network),
    ]


def test_a_flood_of_failures_does_not_fill_the_audit(
    client: Client, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.sign_ins.MOST_FAILURES", 5)
    for _again in range(9):
        client.post("/accounts/login/", {"username": "kim", "password": "nonsense"})
    assert len(entries("sign-in failed")) == 5
    assert entries("sign-in failed")[-1][1] == "kim, further failures are not recorded for some minutes"


def agent_form(agent: Agent, **more: Any) -> dict[str, Any]:
    return {"name": agent.name, "team": agent.team_id, "sip_username": agent.sip_username, **more}


def test_an_agent_is_given_a_user_to_sign_in_with_and_no_user_is_two_agents(
    as_lena: Client, ana: Agent, max_falk: Agent, omar: User
) -> None:
    address = "admin:conferences_agent_change"
    assert as_lena.post(reverse(address, args=[ana.pk]), agent_form(ana, user=omar.pk)).status_code == 302
    assert own_agent(omar) == ana
    assert is_agent_only(omar)
    page = as_lena.post(reverse(address, args=[max_falk.pk]), agent_form(max_falk, user=omar.pk))
    assert "already exists" in page.content.decode()
    assert as_lena.post(reverse(address, args=[ana.pk]), agent_form(ana)).status_code == 302
    assert own_agent(omar) is None


def test_whoever_may_not_see_the_users_gives_no_agent_one(as_lena: Client, lena: User, ana: Agent, omar: User) -> None:
    lena.user_permissions.remove(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    address = reverse("admin:conferences_agent_change", args=[ana.pk])
    assert as_lena.post(address, agent_form(ana, user=omar.pk)).status_code == 302
    assert own_agent(omar) is None
    Agent.objects.filter(pk=ana.pk).update(user=omar)
    assert as_lena.post(address, agent_form(ana)).status_code == 302
    assert own_agent(omar) == ana
