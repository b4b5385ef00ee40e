"""The live floor against a naive one: the same rows in the same order, and the same figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from operator import itemgetter
from random import Random

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from conferences import names
from conferences.models import Account, Agent, BoardVersion, Conference, Leg, Participant, SupervisorSession, Team
from conferences.permissions import ALL_RIGHTS, RightsScope, rights_book, visible_to
from dashboard.durations import percent
from dashboard.floor import loading
from dashboard.floor.board import board, counters, items
from dashboard.floor.building import with_reasons
from dashboard.floor.live import LiveFloor, floor
from dashboard.floor.reasons import Flag, transfers
from dashboard.floor.sorting import entry_of
from dashboard.floor.window import NEEDS, WINDOW_SIZE, Sort, Window
from dashboard.rendering import row_cache

from .conftest import NewCall
from .stories import Story

LATER = timedelta(seconds=2)


@pytest.fixture
def story(account: Account, billing: Team, kim: User, lena: User, now: datetime) -> Callable[[int], Story]:
    """Return a function that begins a random story."""

    def begin(seed: int) -> Story:
        teams = [billing, Team.objects.create(name="Sales")]
        return Story(chance=Random(seed), account=account, teams=teams, now=now, people=[kim, lena])

    return begin


def scope_of(user: User) -> RightsScope:
    return rights_book(user).scope


def shown(user: User, window: Window, now: datetime) -> list[str]:
    return [card.name or card.stand_in for card in board(user, window=window, now=now).rows]


# --- Against a naive floor --------------------------------------------------------------------------------------------


def naive(user: User, window: Window, now: datetime) -> list[object]:
    """Filter and sort everything that the database shows this user, without any of the floor's orders and caches."""
    visible = set(visible_to(user).filter(ended_at=None).values_list("id", flat=True))
    records = loading.read(after=None, supervised={}).records
    found = [entry_of(record, *with_reasons(record, now=now)) for id_, record in records.items() if id_ in visible]
    card = {entry.card.id: entry.card for entry in found}
    if window.query:
        needle = names.folded(window.query)
        found = [
            entry
            for entry in found
            if any(
                needle in names.folded(text)
                for text in (entry.card.name or entry.card.stand_in, *entry.card.agents, *entry.card.customers)
            )
        ]
    if window.team:
        found = [entry for entry in found if window.team in entry.card.team_ids]
    if window.queue:
        legs = Participant.objects.filter(leg__queue=window.queue.removeprefix("q:"))
        of_queue = set(legs.values_list("conference", flat=True))
        found = [entry for entry in found if entry.card.id in of_queue]
    if window.flag:
        found = [
            entry
            for entry in found
            if (entry.card.weight >= 2 if window.flag == NEEDS else window.flag in {r.key for r in entry.card.reasons})
        ]
    if window.supervised:
        found = [entry for entry in found if entry.card.supervisors]

    def begun(id_: object) -> datetime:
        return card[id_].started_at  # type: ignore[index,return-value]

    def agent(id_: object) -> tuple[int, str]:
        agents = card[id_].agents  # type: ignore[index]
        return (0, agents[0].casefold()) if agents else (1, "")

    ids = sorted(entry.card.id for entry in found)
    by = {
        Sort.LONGEST: begun,
        Sort.NEWEST: lambda id_: -begun(id_).timestamp(),
        Sort.NEEDS: lambda id_: (-card[id_].weight, begun(id_)),  # type: ignore[index]
        Sort.NAME: lambda id_: (card[id_].name or card[id_].stand_in).casefold(),  # type: ignore[index]
        Sort.AGENT: lambda id_: (agent(id_), begun(id_)),
    }[window.sort]
    ids.sort(key=by)  # type: ignore[arg-type]
    if window.by_agent:  # under each of its agents
        if window.sort == Sort.AGENT:
            ids.sort(key=lambda id_: (begun(id_), id_))  # each of them already has one agent
        agents = {id_: records[id_].named_agents.items() or [(0, "")] for id_ in ids}
        under = [((not who, who.casefold(), pk), id_) for id_ in ids for pk, who in agents[id_]]
        return [id_ for _agent, id_ in sorted(under, key=itemgetter(0))]
    return list(ids)


WINDOWS = [
    *(Window(sort=sort, by_agent=by_agent) for sort, by_agent in product(Sort, [False, True])),
    *(Window(query=query) for query in ("ana", "BILLING", "+49", "nobody", "ü")),
    *(Window(flag=flag, sort=Sort.NEEDS) for flag in (NEEDS, *Flag)),
    Window(queue="q:billing"),
    Window(supervised=True),
    Window(query="a", flag=NEEDS, sort=Sort.NAME),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_window_shows_what_a_naive_floor_would(
    story: Callable[[int], Story], kim: User, lena: User, omar: User, seed: int
) -> None:
    told = story(seed)
    for turn in range(9):
        for _ in range(6):
            told.step()
        floor.refresh(now=told.now)
        user = told.chance.choice([kim, lena, omar])
        for window in told.chance.sample([*WINDOWS, Window(team=told.teams[0].pk)], 9):
            found = [entry.card.id for entry in floor.entries(scope_of(user), window)]
            assert found == naive(user, window, told.now)[:WINDOW_SIZE], (window, user.username)
            assert floor.total(scope_of(user), window, now=told.now + LATER * (turn + 1)) == len(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 6))
def test_the_figures_are_those_of_everything_in_scope(
    story: Callable[[int], Story], kim: User, lena: User, omar: User, seed: int
) -> None:
    told = story(seed)
    for _ in range(60):
        told.step()
        floor.refresh(now=told.now)
    for user in (kim, lena, omar):
        counted = counters(scope_of(user), now=told.now + LATER)
        live = visible_to(user).filter(ended_at=None)
        inside = Participant.objects.filter(present=True, leg__agent__isnull=False, conference__in=live.values("id"))
        assert counted.live == live.count()
        assert counted.agents == inside.values("leg__agent").distinct().count()
        assert counted.supervised == live.filter(supervisor_sessions__ended_at=None, supervisor_sessions__isnull=False).distinct().count()  # fmt: skip  # noqa: E501
        assert counted.needs == len(naive(user, Window(flag=NEEDS), told.now))
        tally = floor.figures(scope_of(user), now=told.now + LATER).tally
        assert [tally.flags[flag] for flag in Flag] == [len(naive(user, Window(flag=f), told.now)) for f in Flag]
        begun = live.order_by("started_at").values_list("started_at", flat=True).first()
        assert counted.longest_since == begun


def test_the_second_page_goes_on_where_the_first_one_ends(story: Callable[[int], Story], lena: User) -> None:
    told = story(1)
    while len(told.live) < WINDOW_SIZE + 30:
        told.begin()
    floor.refresh(now=told.now)
    everything = naive(lena, Window(sort=Sort.NAME), told.now)
    pages = [floor.entries(scope_of(lena), Window(sort=Sort.NAME, page=page)) for page in (1, 2, 3)]
    assert [entry.card.id for page in pages for entry in page] == everything
    assert pages[2] == ()


# --- Scopes -----------------------------------------------------------------------------------------------------------


def test_viewers_with_equal_rights_share_an_answer_and_others_do_not(
    kim: User, lena: User, omar: User, new_call: NewCall, now: datetime
) -> None:
    new_call("ours")
    new_call("nobody's", team=None, agents=())
    assert shown(kim, Window(), now) == ["ours"]
    assert shown(lena, Window(), now) == ["ours", "nobody's"] or shown(lena, Window(), now) == ["nobody's", "ours"]
    assert shown(omar, Window(), now) == []
    colleague = User.objects.create_user("kay")
    colleague.team_memberships.create(team=kim.team_memberships.get().team, may_whisper=True, may_barge=True)
    assert scope_of(colleague) == scope_of(kim)
    assert floor.entries(scope_of(colleague), Window()) is floor.entries(scope_of(kim), Window())


def test_only_what_is_in_scope_can_be_filtered_by(story: Callable[[int], Story], kim: User, omar: User) -> None:
    told = story(3)
    for _ in range(30):
        told.step()
    seen = board(kim, window=Window(), now=told.now)
    assert [choice.label for choice in seen.header.choices.teams] == ["Billing"]
    assert seen.header.choices.queues
    nothing = board(omar, window=Window(), now=told.now).header.choices
    assert (nothing.teams, nothing.queues) == ((), ())


# --- Searching for numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("+49 155 50100142", True),
        ("004915550100142", True),
        ("0155 501 00142", True),
        ("15550100142", True),
        ("142", True),
        ("0142", False),
        ("00142", False),
        ("550100142", False),
        ("4915550100", False),
    ],
)
def test_a_number_is_found_whole_or_by_what_the_mask_shows(
    kim: User, new_call: NewCall, now: datetime, query: str, is_found: bool
) -> None:
    new_call(number="+4915550100142")
    assert bool(board(kim, window=Window(query=query), now=now).rows) is is_found


@pytest.mark.parametrize(
    ("number", "query"),
    [
        ("+1 (312) 555-0142", "+13125550142"),
        ("sip:+13125550142@sip.example.com", "(312) 555-0142"),
        ("+13125550142", "tel:+1-312-555-0142"),
        ("+13125550142", '"Jane Roe" <sip:+13125550142@sip.example.com>'),
        ("+4930123456", "+49 (0)30 12 34 56"),
        ("+4930123456", "030/123456"),
        ("+13125550142", "312\u2013555\u20130142"),
        ("+13125550142", "\uff11\uff13\uff11\uff12\uff15\uff15\uff15\uff10\uff11\uff14\uff12"),
        ("sip:Maria.Meyer@carrier.example", "maria.meyer"),
        ("sip:Maria.Meyer@carrier.example", "sip:maria.meyer@carrier.example"),
    ],
)
def test_a_caller_is_found_by_number_or_sip_name_however_both_are_written(
    kim: User, new_call: NewCall, now: datetime, number: str, query: str
) -> None:
    new_call(number=number)
    assert board(kim, window=Window(query=query), now=now).rows


@pytest.mark.parametrize("query", ["maria", "carrier.example", "meyer", "maria.meyer@other.example"])
def test_a_part_of_a_sip_name_finds_nobody(kim: User, new_call: NewCall, now: datetime, query: str) -> None:
    new_call(number="sip:maria.meyer@carrier.example")
    assert not board(kim, window=Window(query=query), now=now).rows


@pytest.mark.parametrize("query", ["zielinski", "Zieliński", "ZIELINSKI", "lukasz", "Łukasz", "zoe", "soren", "weiss"])
def test_search_looks_past_case_and_accents(
    kim: User, new_call: NewCall, billing: Team, now: datetime, query: str
) -> None:
    agent = Agent.objects.create(name="Łukasz Zoë Søren Weiß Zieliński", team=billing)
    new_call(agents=(agent,))
    assert board(kim, window=Window(query=query), now=now).rows


@pytest.mark.slow
def test_a_floor_that_follows_changed_thresholds_is_the_one_that_is_built_anew(story: Callable[[int], Story]) -> None:
    told = story(11)
    for _ in range(8):
        for _ in range(5):
            told.step()
            floor.refresh(now=told.now)
        told.change_thresholds()
        floor.refresh(now=told.now)
        told.now += timedelta(seconds=told.chance.choice([0, 7, 400]))  # reasons begin by themselves, at their moments
        floor.refresh(now=told.now)
        anew = LiveFloor()
        anew.refresh(now=told.now)
        assert cards_by_id(floor) == cards_by_id(anew)


def cards_by_id(some: LiveFloor) -> dict[object, tuple[object, object]]:
    entries = some.entries(ALL_RIGHTS.scope, Window())
    return {entry.card.id: (entry.card, entry.changes_at) for entry in entries}


# --- Following --------------------------------------------------------------------------------------------------------


def test_reasons_come_at_their_moment_without_any_change(kim: User, new_call: NewCall, now: datetime) -> None:
    new_call(age=timedelta(minutes=9, seconds=59))
    Agent.objects.update(created_at=now - timedelta(days=400))
    [before] = board(kim, window=Window(), now=now).rows
    assert before.reasons == ()
    with CaptureQueriesContext(connection) as queries:
        assert floor.refresh(now=now + timedelta(seconds=1)) == floor.generation
    assert len(queries) == 1  # the version; nothing is read again because time passes
    [after] = floor.entries(scope_of(kim), Window(flag=Flag.LONG))
    assert [reason.sentence for reason in after.card.reasons] == ["over 10 min"]


def test_rows_that_went_away_without_a_version_are_noticed(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    assert shown(kim, Window(), now) == ["Billing-1"]
    Conference.objects.filter(id=call.conference.id).delete()
    assert shown(kim, Window(), now + timedelta(seconds=11)) == []


def test_an_older_database_is_read_from_its_beginning(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call("before")
    new_call("gone")
    shown(kim, Window(), now)
    Conference.objects.filter(name="gone").delete()
    Conference.objects.filter(id=call.conference.id).update(name="restored", version=1)
    BoardVersion.objects.update(value=1)
    assert shown(kim, Window(), now) == ["restored"]


def test_supervisors_are_seen_even_where_no_version_tells_of_them(
    kim: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession], now: datetime
) -> None:
    call, other = new_call(), new_call("other")
    assert board(kim, window=Window(supervised=True), now=now).rows == ()
    kim_listens(call)
    other.announce()
    assert [card.id for card in board(kim, window=Window(supervised=True), now=now).rows] == [call.conference.id]


def test_a_window_that_a_change_does_not_concern_is_not_looked_for_again(
    kim: User, new_call: NewCall, now: datetime
) -> None:
    call, other = new_call("Billing-7"), new_call("Support-1")
    board(kim, window=Window(query="billing"), now=now)
    kept = floor.entries(scope_of(kim), Window(query="billing"))
    Conference.objects.filter(id=other.conference.id).update(name="Support-2")
    other.announce()
    floor.refresh(now=now)
    assert floor.entries(scope_of(kim), Window(query="billing")) is kept
    call.announce()
    Participant.objects.filter(leg=call.customer).update(present=False)
    floor.refresh(now=now)
    assert floor.entries(scope_of(kim), Window(query="billing")) is not kept


def test_two_floors_that_follow_one_database_show_the_same(story: Callable[[int], Story], lena: User) -> None:
    told, other = story(9), LiveFloor()
    for step in range(60):
        told.step()
        floor.refresh(now=told.now)
        if step % 7 == 0:
            other.refresh(now=told.now)
    other.refresh(now=told.now)
    for window in WINDOWS:
        shown_by = [[entry.card for entry in one.entries(scope_of(lena), window)] for one in (floor, other)]
        assert shown_by[0] == shown_by[1]


# --- The window in the URL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [*WINDOWS, Window(team=4, queue="c:7", page=3)])
def test_a_window_survives_its_own_address(window: Window) -> None:
    assert Window.from_query(window.parameters()) == window


@pytest.mark.parametrize(
    "odd",
    [{"sort": "x"}, {"flag": "x"}, {"team": "-1"}, {"team": "²"}, {"queue": "billing"}, {"group": "x"}, {"page": "0"}],
)
def test_odd_values_fall_back_to_the_whole_floor(odd: dict[str, str]) -> None:
    assert Window.from_query(odd) == Window()


def test_filters_are_what_decides_about_matching() -> None:
    window = Window(query="a", team=1, sort=Sort.NAME, by_agent=True, page=4)
    assert window.filters == Window(query="a", team=1)
    assert not replace(window, query="", team=0).is_filtered


def test_the_share_of_talk_is_by_party_and_makes_a_hundred(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    talk = {call.agents[0].call_control_id: 1.0, call.customer.call_control_id: 1.0, "v3:gone": 1.0}
    with transaction.atomic():
        Conference.objects.filter(id=call.conference.id).update(talk=talk)
    [card] = board(kim, window=Window(), now=now).rows
    assert card.talk
    assert card.talk.seconds == (1.0, 1.0, 1.0)
    assert sorted(percent(card.talk.seconds)) == [33, 33, 34]


def test_the_running_turn_counts_in_the_row_when_it_is_sent(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    Conference.objects.filter(id=call.conference.id).update(
        talk={call.agents[0].call_control_id: 30.0, call.customer.call_control_id: 30.0},
        speaker_call_control_id=call.customer.call_control_id,
        speaker_since=now,
    )
    call.announce()

    def width(seconds: int) -> str:
        at = now + timedelta(seconds=seconds)
        floor.refresh(now=at)
        [row] = items(scope_of(kim), window=Window())
        found = re.search(r'<svg data-talk="[^>]*><rect width="(\d+)%"', row_cache.render(row, now=at))
        return found[1] if found else ""

    assert [width(0), width(15), width(60)] == ["50", "40", "25"]  # and when the turn ends, it stays at 25


def test_who_reconnects_is_no_transfer_and_who_comes_back_is(
    kim: User, new_call: NewCall, ana: Agent, max_falk: Agent, now: datetime
) -> None:
    stays = {
        "reconnects": [(ana, 0, 100), (ana, 101, None)],
        "overlaps": [(ana, 0, 105), (ana, 101, None)],
        "beside a second agent": [(ana, 0, 100), (max_falk, 50, None), (ana, 101, None)],
        "handed on": [(ana, 0, 100), (max_falk, 101, None)],
        "handed back": [(ana, 0, 100), (max_falk, 101, 300), (ana, 301, None)],
    }
    found = {}
    for name, agents in stays.items():
        call = new_call(name, agents=tuple(agent for agent, _joined, _left in agents))
        for leg, (_agent, joined, left) in zip(call.agents, agents, strict=True):
            begun = now - timedelta(seconds=600)
            Participant.objects.filter(leg=leg).update(
                joined_at=begun + timedelta(seconds=joined),
                left_at=left and begun + timedelta(seconds=left),
                present=left is None,
            )
        call.announce()
    floor.refresh(now=now)
    records = [entry.record for entry in floor.entries(scope_of(kim), Window())]
    found = {record.card.name: transfers(record.clues) for record in records}
    assert found == {
        "reconnects": 0, "overlaps": 0, "beside a second agent": 1, "handed on": 1, "handed back": 2
    }  # fmt: skip


def test_one_voice_is_a_reason_only_where_a_second_person_is_present(
    kim: User, new_call: NewCall, now: datetime
) -> None:
    call = new_call(age=timedelta(minutes=1))
    Agent.objects.update(created_at=now - timedelta(days=400))
    speaker = call.agents[0].call_control_id
    Conference.objects.update(speaker_call_control_id=speaker, speaker_since=now - timedelta(seconds=50))
    assert [reason.key for reason in board(kim, window=Window(), now=now).rows[0].reasons] == [Flag.ONE_VOICE]
    Participant.objects.filter(leg__party=Leg.Party.CUSTOMER).update(present=False)
    call.announce()
    assert board(kim, window=Window(), now=now).rows[0].reasons == ()
