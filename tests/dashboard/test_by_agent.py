"""Checks the floor grouped by agent: a line for each of them, with their calls under it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.test import Client

from conferences.models import Agent, Participant, Team, TeamMembership
from dashboard.floor.board import Board, Heading, Row, board
from dashboard.floor.live import floor
from dashboard.floor.window import WINDOW_SIZE, Window
from dashboard.push.channel import Channel

from .conftest import NewCall
from .test_channel import NOTHING, Sheet, audience_of, fresh

SignIn = Callable[[User], Client]
BY_AGENT = Window(by_agent=True)


def lines(seen: Board) -> list[str]:
    """Return what stands on the floor: headings with their counts, rows, and calls that stand elsewhere as rows."""
    found = []
    for item in seen.items:
        if isinstance(item, Heading):
            found.append(f"{item.name or 'no agent'} ({item.calls})")
        elif isinstance(item, Row):
            found.append(f"  {item.card.name}")
        else:
            found.append(f"  {item.card.name} with {', '.join(item.others)}")
    return found


def test_each_agent_has_one_line_with_every_call_they_are_in(
    kim: User, lena: User, ana: Agent, max_falk: Agent, new_call: NewCall, now: datetime
) -> None:
    new_call("Second", age=timedelta(minutes=1))
    new_call("Both", agents=(max_falk, ana), age=timedelta(minutes=2))
    new_call("First", age=timedelta(minutes=3))
    new_call("Nobody's", agents=(), age=timedelta(minutes=4))
    seen = board(kim, window=BY_AGENT, now=now)
    assert lines(seen) == [
        "Ana Ruiz (3)", "  First", "  Both with Max Falk", "  Second", "Max Falk (1)", "  Both", "no agent (0)",
        "  Nobody's",
    ]  # fmt: skip
    assert seen.header.paging.total == 5
    assert len({item.dom_id for item in seen.items}) == len(seen.items)


def test_a_call_of_another_team_counts_for_no_agent(
    kim: User, omar: User, ana: Agent, new_call: NewCall, now: datetime
) -> None:
    sales = Team.objects.create(name="Sales")
    TeamMembership.objects.create(user=omar, team=sales)
    carla = Agent.objects.create(name="Carla Mendes", team=sales, reference="carla")
    new_call("Ours")
    new_call("Theirs", team=sales, agents=(carla,))
    assert lines(board(kim, window=BY_AGENT, now=now)) == ["Ana Ruiz (1)", "  Ours"]
    assert lines(board(omar, window=BY_AGENT, now=now)) == ["Carla Mendes (1)", "  Theirs"]


def test_a_call_out_of_scope_does_not_count_for_an_agent_who_is_also_in_one_within(
    omar: User, ana: Agent, new_call: NewCall, now: datetime
) -> None:
    sales = Team.objects.create(name="Sales")
    TeamMembership.objects.create(user=omar, team=sales)
    carla = Agent.objects.create(name="Carla Mendes", team=sales, reference="carla")
    new_call("Shared", agents=(carla, ana))
    new_call("Secret", agents=(ana,))
    seen = board(omar, window=BY_AGENT, now=now)
    assert lines(seen) == ["Ana Ruiz (1)", "  Shared with Carla Mendes", "Carla Mendes (1)", "  Shared"]


def test_a_filter_leaves_out_calls_and_an_agent_without_any(
    kim: User, ana: Agent, max_falk: Agent, new_call: NewCall, now: datetime
) -> None:
    new_call("Wanted")
    new_call("Other", agents=(max_falk,))
    new_call("Other too")
    seen = board(kim, window=Window(by_agent=True, query="wanted"), now=now)
    assert lines(seen) == ["Ana Ruiz (2)", "  Wanted"]
    assert seen.header.paging.total == 1


def test_every_line_is_on_one_page(kim: User, ana: Agent, max_falk: Agent, new_call: NewCall, now: datetime) -> None:
    for number in range(WINDOW_SIZE):
        new_call(f"Call-{number:02}", agents=(ana, max_falk))
    pages = [board(kim, window=Window(by_agent=True, page=page), now=now) for page in (1, 2, 3)]
    assert [page.header.paging.pages for page in pages] == [2, 2, 2]
    shown = [[item for item in page.items if not isinstance(item, Heading)] for page in pages]
    assert [len(page) for page in shown] == [WINDOW_SIZE, WINDOW_SIZE, 0]
    assert {isinstance(item, Row) for item in shown[0]} == {True}
    assert {isinstance(item, Row) for item in shown[1]} == {False}


def test_the_lines_follow_agents_who_come_and_go(
    kim: User, ana: Agent, max_falk: Agent, new_call: NewCall, now: datetime
) -> None:
    call, _other = new_call("Both", agents=(ana, max_falk)), new_call("Alone")
    audience = audience_of(kim, BY_AGENT)
    floor.refresh(now=now)
    channel, sheet = Channel(audience), Sheet()
    sheet.apply(channel.snapshot(notices=NOTHING, now=now)[1])
    assert f"also-{max_falk.pk}-{call.conference.id}" in sheet.rows
    assert len(channel.shown()) == 2  # each call is read once

    for change in ({"present": False}, {"present": True}):
        Participant.objects.filter(leg__agent=max_falk).update(**change)
        call.announce()
        floor.refresh(now=now)
        sheet.apply(channel.changes(notices=NOTHING, now=now)[1])
        assert sheet.rows == fresh(audience, now).rows
    Participant.objects.filter(leg=call.agents[0]).update(present=False)
    call.announce()
    floor.refresh(now=now)
    sheet.apply(channel.changes(notices=NOTHING, now=now)[1])
    assert list(sheet.rows)[-1] == f"conference-{call.conference.id}"
    assert "1 call</small>" in sheet.rows[f"group-{ana.pk}"]


def test_the_page_links_a_call_that_stands_elsewhere_to_itself(
    kim: User, ana: Agent, max_falk: Agent, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call("Both", agents=(ana, max_falk))
    page = page_of(kim).get("/?group=agent").content.decode()
    assert page.count(f'<a href="{call.url}">Both</a>') == 2
    assert "listed under Ana Ruiz" in page
    assert "2 rows" in page
