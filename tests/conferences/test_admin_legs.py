"""Checks the way from a leg that matched nobody to an agent, and what a changed directory does to live legs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from conferences import changes
from conferences.models import Account, Agent, Conference, Connection, Leg, Participant, Team

LEGS = "/admin/conferences/leg/"
ADD_AGENT = "/admin/conferences/agent/add/"
CALLS = "2781903345512846337"

Dialled = Callable[..., Leg]
Committed = Callable[[], AbstractContextManager[object]]


@pytest.fixture
def as_boss(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def dialled(account: Account) -> Dialled:
    """Put a leg dialled to an address into the conference Billing-4312."""

    def make(to: str, **columns: object) -> Leg:
        facts = {
            key: ["1 0 x", value] for key, value in (("direction", "outgoing"), ("to", to), ("connection_id", CALLS))
        }
        conference, _ = Conference.objects.get_or_create(account=account, telnyx_id="4312", name="Billing-4312")
        leg = Leg.objects.create(
            **{"account": account, "call_control_id": f"v3:{to}", "facts": facts, "direction": "outgoing",
               "to_address": to, "connection_id": CALLS} | columns
        )  # fmt: skip
        Participant.objects.create(account=account, conference=conference, leg=leg, present=True)
        return leg

    return make


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]]) -> Committed:
    """Run what waits for the commit, which a test's own transaction never does."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def agent_form(**marks: str) -> dict[str, str]:
    return {
        "name": "Jo Lim",
        "team": str(Team.objects.get().pk),
        "sip_username": "",
        "number": "",
        "reference": "",
        **marks,
    }


def test_the_list_opens_with_live_legs_that_matched_nobody(as_boss: Client, dialled: Dialled, ana: Agent) -> None:
    unknown = dialled("+15550100077")
    dialled("sip:gencredAna@sip.telnyx.com", party=Leg.Party.AGENT, agent=ana)
    dialled("+15550100078", hung_up_at="2026-08-21T14:00:00Z")
    page = as_boss.get(LEGS)
    assert [leg.pk for leg in page.context["cl"].result_list] == [unknown.pk]
    html = page.content.decode()
    assert "Billing-4312" in html
    assert "•••• 077" in html
    assert "+15550100077" not in html


@pytest.mark.parametrize(("whose", "count"), [("", 1), ("agent", 1), ("customer", 0), ("past", 1), ("all", 3)])
def test_the_list_can_show_other_legs(as_boss: Client, dialled: Dialled, ana: Agent, whose: str, count: int) -> None:
    dialled("+15550100077")
    dialled("sip:gencredAna@sip.telnyx.com", party=Leg.Party.AGENT, agent=ana)
    dialled("+15550100078", hung_up_at="2026-08-21T14:00:00Z")
    page = as_boss.get(LEGS, {"whose": whose} if whose else {})
    assert len(page.context["cl"].result_list) == count


@pytest.mark.parametrize(
    ("to", "mark"),
    [
        ("sip:gencredJo@sip.telnyx.com", {"sip_username": "gencredJo"}),
        ("sip:jo@pbx.example.com", {"sip_username": "jo@pbx.example.com"}),
        ("+15550100077", {"number": "+15550100077"}),
    ],
)
@pytest.mark.usefixtures("billing")
def test_one_click_and_a_name_make_a_leg_a_new_agents(
    as_boss: Client,
    dialled: Dialled,
    committed: Committed,
    to: str,
    mark: dict[str, str],
) -> None:
    leg = dialled(to)
    link = f"{ADD_AGENT}?leg={leg.pk}"
    assert link in as_boss.get(LEGS).content.decode()
    assert as_boss.get(link).context["adminform"].form.initial == mark
    with committed():
        answer = as_boss.post(link, agent_form(**mark))
    assert (answer.status_code, answer["Location"]) == (302, LEGS)
    leg.refresh_from_db()
    assert (leg.party, leg.agent) == (Leg.Party.AGENT, Agent.objects.get(name="Jo Lim"))
    assert Conference.objects.get().version == changes.current().version > 0


def test_a_leg_is_given_to_an_agent_who_is_there_already(
    as_boss: Client, dialled: Dialled, ana: Agent, committed: Committed
) -> None:
    leg = dialled("+15550100077")
    page = reverse("admin:conferences_leg_agent", args=[leg.pk])
    assert page in as_boss.get(LEGS).content.decode()
    assert "+15550100077" not in as_boss.get(page).content.decode()
    with committed():
        assert as_boss.post(page, {"agent": ana.pk})["Location"] == LEGS
    leg.refresh_from_db()
    ana.refresh_from_db()
    assert (leg.agent, ana.number, ana.sip_username) == (ana, "+15550100077", "gencredAna")


def test_an_agents_mark_is_never_overwritten_by_a_leg(as_boss: Client, dialled: Dialled, ana: Agent) -> None:
    leg = dialled("sip:gencredOther@sip.telnyx.com")
    answer = as_boss.post(reverse("admin:conferences_leg_agent", args=[leg.pk]), {"agent": ana.pk})
    assert b"Ana Ruiz already has another SIP credential" in answer.content
    ana.refresh_from_db()
    assert ana.sip_username == "gencredAna"


def test_a_callers_leg_offers_its_connection_a_role_and_no_agent(as_boss: Client, account: Account) -> None:
    facts = {"direction": ["1 0 x", "incoming"], "connection_id": ["1 0 x", CALLS], "from": ["1 0 x", "+15550100077"]}
    leg = Leg.objects.create(
        account=account, call_control_id="v3:x", facts=facts, direction="incoming", connection_id=CALLS
    )
    html = as_boss.get(LEGS).content.decode()
    assert f"/admin/conferences/connection/?q={CALLS}" in html
    assert f"{ADD_AGENT}?leg=" not in html
    assert as_boss.get(reverse("admin:conferences_leg_agent", args=[leg.pk]))["Location"] == LEGS


def test_giving_legs_away_needs_the_permission_to_change_agents(
    client: Client, dialled: Dialled, lena: User, ana: Agent
) -> None:
    leg = dialled("+15550100077")
    lena.user_permissions.add(Permission.objects.get(codename="view_leg"))
    client.force_login(lena)
    assert client.get(LEGS).status_code == 200
    assert client.post(reverse("admin:conferences_leg_agent", args=[leg.pk]), {"agent": ana.pk}).status_code == 403


def test_who_may_not_see_legs_learns_no_number_from_the_agent_form(
    client: Client, dialled: Dialled, lena: User
) -> None:
    leg = dialled("+15550100077")
    lena.user_permissions.add(Permission.objects.get(codename="add_agent"))
    client.force_login(lena)
    page = client.get(ADD_AGENT, {"leg": str(leg.pk)})
    assert page.status_code == 200
    assert "+15550100077" not in page.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("leg", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_a_leg_that_is_none_leaves_the_agent_form_empty(as_boss: Client, leg: str) -> None:
    assert as_boss.get(ADD_AGENT, {"leg": leg}).status_code == 200


def test_a_connections_role_set_in_the_list_reaches_live_legs(
    as_boss: Client, account: Account, committed: Committed
) -> None:
    connection = Connection.objects.create(account=account, connection_id=CALLS)
    facts = {"direction": ["1 0 x", "incoming"], "connection_id": ["1 0 x", CALLS]}
    leg = Leg.objects.create(account=account, call_control_id="v3:x", facts=facts, direction="incoming")
    form = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(connection.pk),
        "form-0-role": "calls",
        "_save": "Save",
    }
    with committed():
        assert as_boss.post("/admin/conferences/connection/", form).status_code == 302
    leg.refresh_from_db()
    assert leg.party == Leg.Party.CUSTOMER


def test_an_agent_added_in_the_ordinary_way_is_found_on_live_legs(
    as_boss: Client, dialled: Dialled, billing: Team, committed: Committed
) -> None:
    leg = dialled("sip:gencredJo@sip.telnyx.com")
    with committed():
        answer = as_boss.post(f"{ADD_AGENT}?team={billing.pk}", agent_form(sip_username="gencredJo"))
    assert answer["Location"] == "/admin/conferences/agent/"
    leg.refresh_from_db()
    assert leg.agent == Agent.objects.get(name="Jo Lim")


def test_agents_deleted_from_the_list_leave_their_legs_at_once(
    as_boss: Client, dialled: Dialled, ana: Agent, committed: Committed
) -> None:
    leg = dialled("sip:gencredAna@sip.telnyx.com", party=Leg.Party.AGENT, agent=ana)
    form = {"action": "delete_selected", "_selected_action": str(ana.pk), "post": "yes"}
    with committed():
        as_boss.post("/admin/conferences/agent/", form)
    leg.refresh_from_db()
    assert leg.party == Leg.Party.UNKNOWN


def test_deleting_an_agent_makes_their_leg_unknown_at_once(
    as_boss: Client, dialled: Dialled, ana: Agent, committed: Committed
) -> None:
    leg = dialled("sip:gencredAna@sip.telnyx.com", party=Leg.Party.AGENT, agent=ana)
    with committed():
        as_boss.post(reverse("admin:conferences_agent_delete", args=[ana.pk]), {"post": "yes"})
    leg.refresh_from_db()
    assert (leg.party, leg.agent) == (Leg.Party.UNKNOWN, None)
