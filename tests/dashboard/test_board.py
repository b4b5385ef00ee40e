from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conferences.models import (
    Account,
    Agent,
    Conference,
    Connection,
    Leg,
    Participant,
    Protection,
    SupervisorSession,
    Team,
)
from conferences.models.supervision import Role
from dashboard.desk.desk import desk
from dashboard.floor.board import Row, board
from dashboard.floor.window import WINDOW_SIZE, Sort, Window

from .conftest import NewCall


def names_of(user: User, now: datetime, window: Window | None = None) -> list[str]:
    return [card.name for card in board(user, window=window or Window(), now=now).rows]


def test_the_floor_costs_the_same_queries_for_one_new_call_and_for_three(
    kim: User, new_call: NewCall, max_falk: Agent, now: datetime
) -> None:
    board(kim, window=Window(), now=now)
    new_call()
    with CaptureQueriesContext(connection) as one:
        board(kim, window=Window(), now=now + timedelta(seconds=2))
    for agents in ((), (max_falk,), (max_falk,)):
        new_call(agents=agents)
    with CaptureQueriesContext(connection) as three:
        assert len(board(kim, window=Window(), now=now + timedelta(seconds=4)).rows) == 4
    assert len(one) == len(three) == 18  # two of them read the lines that the call flow brought in, and protections


def test_an_agent_deleted_while_the_floor_is_read_leaves_an_unnamed_leg(
    kim: User, new_call: NewCall, max_falk: Agent, now: datetime
) -> None:
    call = new_call(agents=(max_falk,))

    def delete_before_agents_are_read(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if f"FROM {Agent._meta.db_table}" in sql:
            Agent.objects.filter(pk=max_falk.pk).delete()
        return execute(sql, *rest)

    with connection.execute_wrapper(delete_before_agents_are_read):
        [row] = board(kim, window=Window(), now=now).rows

    assert row.name == call.conference.name
    assert not Agent.objects.filter(pk=max_falk.pk).exists()


def test_a_floor_that_has_not_changed_is_not_read_again(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call()
    board(kim, window=Window(), now=now)
    with CaptureQueriesContext(connection) as again:
        board(kim, window=Window(sort=Sort.NAME), now=now)
    assert len(again) == 4  # the version, the viewer's rights, the last event, bridged calls


def test_the_desk_costs_the_same_queries_for_two_legs_and_for_six(
    kim: User, new_call: NewCall, ana: Agent, max_falk: Agent, now: datetime
) -> None:
    small, large = new_call(agents=(ana,)), new_call(agents=(ana, max_falk))
    with CaptureQueriesContext(connection) as few:
        desk(kim, conference_id=small.conference.id, now=now)
    with CaptureQueriesContext(connection) as many:
        desk(kim, conference_id=large.conference.id, now=now)
    assert len(few) == len(many) <= 19  # one of them reads the lines that the call flow brought in


def test_the_longest_call_comes_first_and_an_ended_one_not_at_all(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call("short", age=timedelta(minutes=1))
    new_call("long", age=timedelta(minutes=41))
    new_call("over", ended=True)
    assert names_of(kim, now) == ["long", "short"]


def test_a_stranger_sees_no_call_and_no_figure(omar: User, new_call: NewCall, account: Account, now: datetime) -> None:
    call = new_call()
    Leg.objects.create(account=account, call_control_id="waits", queue="billing", enqueued_at=now)
    seen = board(omar, window=Window(), now=now)
    assert (seen.rows, seen.header.counters.live, seen.header.counters.agents, seen.header.counters.waiting) == (
        (),
        0,
        0,
        0,
    )
    assert desk(omar, conference_id=call.conference.id, now=now) is None


def test_a_call_of_no_team_is_for_leads(
    kim: User, lena: User, new_call: NewCall, account: Account, now: datetime
) -> None:
    new_call("nobody's", team=None, agents=())
    assert names_of(lena, now) == ["nobody's"]
    assert names_of(kim, now) == []


def test_a_card_names_the_agent_and_masks_the_customer(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call(number="+4915550100142")
    [card] = board(kim, window=Window(), now=now).rows
    assert (card.agents, card.customers) == (("Ana Ruiz",), ("+49 •••• 142",))


def test_the_card_says_who_speaks_only_while_they_are_there(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    call.conference.speaker_call_control_id = call.customer.call_control_id
    call.conference.speaker_since = now
    call.conference.save()
    [card] = board(kim, window=Window(), now=now).rows
    assert card.speaker
    assert card.speaker.name == "customer"
    Participant.objects.filter(leg=call.customer).update(present=False)
    call.announce()
    [card] = board(kim, window=Window(), now=now).rows
    assert card.speaker is None


def test_hold_is_told_with_the_time_since_which_it_was_seen(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    began = now - timedelta(seconds=20)
    Participant.objects.filter(leg=call.customer).update(on_hold=True, held_since=began, read_at=now)
    [card] = board(kim, window=Window(), now=now).rows
    assert [(seen.name, seen.text, seen.at) for seen in card.holds] == [("customer", "on hold since", began)]


@pytest.mark.parametrize(("seconds", "needs_me"), [(30, False), (90, True)])
def test_a_hold_looks_like_a_reason_only_once_it_is_one(
    kim: User, new_call: NewCall, page_of: Callable[[User], Client], seconds: int, needs_me: bool
) -> None:
    now = timezone.now()
    call = new_call()
    Conference.objects.update(started_at=now)
    held = {"on_hold": True, "held_since": now - timedelta(seconds=seconds), "read_at": now}
    Participant.objects.filter(leg=call.customer).update(**held)

    page = page_of(kim).get("/").content.decode()

    assert ("<mark>on hold" in page, '<mark class="remark">on hold' in page) == (needs_me, not needs_me)
    assert bool(re.search(r'class="conference attention"', page)) is needs_me


def test_what_calls_for_somebody_stands_before_a_hold_that_does_not_yet(
    kim: User, new_call: NewCall, page_of: Callable[[User], Client]
) -> None:
    """A narrow row cuts off what stands last."""
    now = timezone.now()
    call = new_call()
    Conference.objects.update(started_at=now - timedelta(minutes=31))
    Participant.objects.filter(leg=call.customer).update(on_hold=True, held_since=now, read_at=now)

    marks = re.findall(r"<mark[^>]*>([a-z]+ )", page_of(kim).get("/").content.decode())

    assert marks[:2] == ["over ", "on "]


def test_everybody_sees_who_supervises_a_call(
    lena: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession], now: datetime
) -> None:
    call = new_call()
    kim_listens(call, role=Role.WHISPER, targets=(call.agents[0],))
    seen = board(lena, window=Window(), now=now)
    [supervision] = seen.rows[0].supervisors
    assert (supervision.name, supervision.role, supervision.targets) == ("Kim W.", "whisper", ("Ana Ruiz",))
    assert seen.header.counters.supervised == 1


def test_monitor_is_offered_only_with_the_right(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call()
    kim.team_memberships.update(may_monitor=False)
    [row] = board(kim, window=Window(), now=now).items
    assert isinstance(row, Row)
    assert row.may_monitor is False


def off(user: User) -> dict[str, str]:
    """Return why Monitor is off in the rows that somebody sees, by the name of the call."""
    client = Client()
    client.force_login(user)
    page = client.get("/").content.decode()
    buttons = re.findall(r'<button[^>]* name="monitor"[^>]* aria-label="Monitor ([^"]*)"([^>]*)>', page)
    assert buttons
    return {name: found[1] for name, rest in buttons if (found := re.search(r'disabled title="([^"]*)"', rest))}


@pytest.mark.django_db(transaction=True)
def test_monitor_is_off_on_a_protected_call_for_everybody_and_says_why(
    kim: User, lena: User, admin_client: Client, new_call: NewCall, max_falk: Agent
) -> None:
    new_call("Billing-private")
    new_call("Billing-open", agents=(max_falk,))
    boss = User.objects.get(username="admin")
    everybody = (kim, lena, boss)
    assert [off(user) for user in everybody] == [{}] * 3

    reason = "Talks with the <works council> are private."
    form = {"kind": "agent", "agent": Agent.objects.get(name="Ana Ruiz").pk, "reason": reason}
    assert admin_client.post("/admin/conferences/protection/add/", form).status_code == 302

    told = f"Nobody may listen to calls of this agent. {html.escape(reason)}"
    assert [off(user) for user in everybody] == [{"Billing-private": told}] * 3
    desks = [
        desk(user, conference_id=Conference.objects.get(name="Billing-private").pk, now=timezone.now())
        for user in everybody
    ]
    assert {button.off_because for shown in desks if shown for button in shown.roles} == {html.unescape(told)}

    admin_client.post(f"/admin/conferences/protection/{Protection.objects.get().pk}/delete/", {"post": "yes"})
    assert [off(user) for user in everybody] == [{}] * 3


def test_monitor_is_on_again_once_the_protected_agent_has_left(kim: User, new_call: NewCall, max_falk: Agent) -> None:
    call = new_call("Billing-both", agents=(Agent.objects.get(name="Ana Ruiz"), max_falk))
    Protection.objects.create(kind="agent", agent=max_falk)
    call.announce()
    assert off(kim) == {"Billing-both": "Nobody may listen to calls of this agent."}
    Participant.objects.filter(leg=call.agents[1]).update(present=False)
    call.announce()
    assert off(kim) == {}


@pytest.mark.parametrize(("query", "found"), [("ana", ["Billing-1"]), ("ing-2", ["Billing-2"]), ("0142", [])])
def test_search_finds_names_and_agents_but_is_no_way_to_guess_numbers(
    kim: User, new_call: NewCall, max_falk: Agent, now: datetime, query: str, found: list[str]
) -> None:
    new_call()
    new_call(agents=(max_falk,))
    assert names_of(kim, now, Window(query=query)) == found


def test_a_window_is_full_at_its_size_and_the_rest_are_on_the_next(kim: User, new_call: NewCall, now: datetime) -> None:
    for number in range(WINDOW_SIZE + 3):
        new_call(agents=(), age=timedelta(seconds=1000 - number))
    seen = board(kim, window=Window(page=2), now=now)
    assert [card.name for card in seen.rows] == [f"Billing-{WINDOW_SIZE + number}" for number in (1, 2, 3)]
    assert (seen.header.paging.first, seen.header.paging.last, seen.header.paging.total, seen.header.paging.pages) == (
        WINDOW_SIZE + 1,
        WINDOW_SIZE + 3,
        WINDOW_SIZE + 3,
        2,
    )
    assert len(board(kim, window=Window(), now=now).rows) == WINDOW_SIZE


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "99999999999999999999"])
def test_an_odd_page_number_is_taken_for_the_first(page: str) -> None:
    assert Window.from_query({"page": page}).page == 1


def test_waiting_counts_legs_in_queues_of_my_teams(
    kim: User, account: Account, billing: Team, new_call: NewCall, now: datetime
) -> None:
    Connection.objects.create(account=account, connection_id="mine", team=billing)
    Connection.objects.create(account=account, connection_id="theirs", team=Team.objects.create(name="Sales"))
    since = now - timedelta(seconds=72)
    waits = {"account": account, "queue": "q", "enqueued_at": since}
    Leg.objects.create(call_control_id="1", connection_id="mine", **waits)
    Leg.objects.create(call_control_id="2", connection_id="theirs", **waits)
    Leg.objects.create(call_control_id="3", connection_id="mine", dequeued_at=now, **waits)
    Leg.objects.create(call_control_id="4", connection_id="mine", hung_up_at=now, **waits)
    counted = board(kim, window=Window(), now=now).header.counters
    assert (counted.waiting, counted.waiting_since) == (1, since)


def test_a_bridged_call_is_told_for_a_while(kim: User, account: Account, new_call: NewCall, now: datetime) -> None:
    account.bridged_call_seen_at = now - timedelta(minutes=5)
    account.save()
    assert board(kim, window=Window(), now=now).header.notices.bridged_seen
    assert not board(kim, window=Window(), now=now + timedelta(hours=1)).header.notices.bridged_seen
