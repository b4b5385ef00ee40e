"""The first rule that matches says whose a call without an agent is, in any order of news."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from conferences import changes, worker
from conferences.models import Account, Agent, Conference, Connection, Leg, Participant, Team, TeamRule, WebhookEvent
from conferences.patterns import matches
from conferences.permissions import LEADS, teams_of, visible_to
from conferences.projection.listings import note_conferences, note_participants
from conferences.projection.rebuild import rebuild
from conferences.team_rules import RuleWatch, settle_live
from conferences.telnyx.reads import ConferenceRead, ParticipantRead
from tests.proofs.boards import take_in
from tests.proofs.histories import START

from .signed import event
from .test_projection import at, joined

LEG = "v3:customer"
LooksAt = TeamRule.LooksAt


@pytest.fixture
def telnyx(account: Account) -> Account:
    return account


@pytest.fixture
def sales(db: None) -> Team:
    return Team.objects.create(name="Sales")


def rule(looks_at: str, pattern: str = "", *, team: Team | None = None, place: int = 10) -> TeamRule:
    return TeamRule.objects.create(looks_at=looks_at, pattern=pattern, team=team, place=place)


def story(*, queue: str = "", to: str = "+493012345600", line: str = "77") -> list[bytes]:
    """A customer calls, waits in a queue, and comes into a conference."""
    about = {"call_control_id": LEG, "connection_id": line}
    call = {**about, "from": "+4915550100142", "to": to, "direction": "incoming"}
    news = [event("call.initiated", event_id="i", at=at(0), **call)]
    if queue:
        news.append(event("call.enqueued", event_id="q", at=at(1), queue=queue, **about))
    news.append(event("conference.created", event_id="c", at=at(2), conference_id="c1", connection_id="1"))
    return [*news, joined(3, LEG)]


def named(account: Account, name: str = "call-1") -> None:
    """Let a listing name the conference: no webhook does."""
    read = ConferenceRead(
        id="c1", name=name, connection_id="1", created_at=START, ended=False, end_reason="", status=""
    )
    note_conferences(account=account, reads=[read], at=START + timedelta(seconds=5))


def whose() -> frozenset[int]:
    return teams_of(Conference.objects.get())


@pytest.mark.parametrize(
    ("pattern", "value", "is_met"),
    [
        ("billing", "Billing", True),
        ("billing", "billing-2", False),
        ("VIP-*", "vip-17", True),
        ("room ?", "room 7", True),
        ("room ?", "room 77", False),
        ("+49 (30) 123*", "+493012345600", True),
        ("+4930*", "+4989123", False),
        ("[a]*", "[a] call", True),
        ("[a]*", "a call", False),
        ("a.c", "abc", False),
    ],
)
def test_a_pattern_is_written_as_people_write(pattern: str, value: str, *, is_met: bool) -> None:
    assert matches(pattern, value) is is_met


@pytest.mark.parametrize(
    ("looks_at", "pattern", "is_met"),
    [
        (LooksAt.NUMBER, "+4930*", True),
        (LooksAt.NUMBER, "+4915550100142", False),  # the number that calls, not the one that was dialled
        (LooksAt.QUEUE, "support*", True),
        (LooksAt.QUEUE, "billing", False),
        (LooksAt.CONNECTION, "77", True),
        (LooksAt.CONNECTION, "hotline", True),
        (LooksAt.CONNECTION, "78", False),
        (LooksAt.ANY, "", True),
    ],
)
def test_in_whatever_order_the_news_come_the_same_rule_says_whose_a_call_is(
    telnyx: Account, sales: Team, looks_at: str, pattern: str, *, is_met: bool
) -> None:
    TeamRule.objects.all().delete()
    Connection.objects.update_or_create(account=telnyx, connection_id="77", defaults={"name": "Hotline"})
    rule(looks_at, pattern, team=sales)
    for order in itertools.permutations(story(queue="Support EU")):
        WebhookEvent.objects.all().delete()
        Conference.objects.all().delete()
        Leg.objects.all().delete()
        for body in order:
            take_in(telnyx, [body])
        assert whose() == (frozenset({sales.pk}) if is_met else frozenset()), order


def test_a_name_is_looked_at_as_soon_as_a_listing_tells_it(telnyx: Account, sales: Team) -> None:
    rule(LooksAt.NAME, "room-*", team=Team.objects.create(name="Other"), place=5)
    rule(LooksAt.NAME, "call-*", team=sales)
    take_in(telnyx, story())
    assert whose() == frozenset({LEADS})
    named(telnyx)
    assert whose() == frozenset({sales.pk})


def test_the_first_rule_counts_and_one_without_a_team_keeps_a_call_for_superusers(
    telnyx: Account, sales: Team, kim: User, lena: User
) -> None:
    rule(LooksAt.NAME, "call-*", place=5)
    rule(LooksAt.QUEUE, "support", team=sales, place=9)
    take_in(telnyx, story(queue="support"))
    named(telnyx)
    assert whose() == frozenset()
    assert not visible_to(lena).exists()
    assert visible_to(User.objects.create_superuser("boss")).count() == 1
    TeamRule.objects.filter(place=5).update(place=20)
    settle_live(push=True, now=timezone.now())
    assert whose() == frozenset({sales.pk})


def test_agents_and_connections_come_before_every_rule(telnyx: Account, sales: Team) -> None:
    rule(LooksAt.ANY, team=sales)
    take_in(telnyx, story())
    assert whose() == frozenset({sales.pk})
    support = Team.objects.create(name="Support")
    Conference.objects.update(team=support)
    assert whose() == frozenset({support.pk})
    Conference.objects.update(team=None)
    Leg.objects.update(agent=Agent.objects.create(name="Zoe", team=support, sip_username="zoe"))
    assert whose() == frozenset({support.pk})


def test_a_supervisors_own_line_makes_a_call_nobodys(telnyx: Account, sales: Team) -> None:
    rule(LooksAt.NUMBER, "+4930*", team=sales)
    take_in(telnyx, story(to="+15550001111"))
    leg = Leg.objects.create(
        account=telnyx, call_control_id="v3:ear", party="supervisor", direction="incoming", to_address="+493055500"
    )
    Participant.objects.create(account=telnyx, conference=Conference.objects.get(), leg=leg, present=True)
    settle_live(push=False, now=timezone.now())
    assert whose() == frozenset({LEADS})


def test_a_leg_that_only_a_listing_names_counts_too(telnyx: Account, sales: Team) -> None:
    rule(LooksAt.QUEUE, "support", team=sales)
    take_in(telnyx, story(queue="support")[:-1])
    assert whose() == frozenset({LEADS})
    read = ParticipantRead(
        call_control_id=LEG, id="p1", call_leg_id="", status="joined", muted=False, on_hold=False,
        whisper_call_control_ids=(), created_at=None,
    )  # fmt: skip
    conference = Conference.objects.get()
    note_participants(conference=conference, reads=[read], at=START + timedelta(seconds=4))
    assert whose() == frozenset({sales.pk})


def test_a_rebuild_gives_the_rule_again(telnyx: Account, sales: Team) -> None:
    rule(LooksAt.QUEUE, "support", team=sales)
    take_in(telnyx, story(queue="support"))
    Conference.objects.update(rule=None, name="mangled")
    rebuild(account=telnyx, since=START - timedelta(days=1), now=timezone.now())
    assert whose() == frozenset({sales.pk})


def test_what_says_nothing_new_of_whose_a_call_is_reads_no_rule(
    telnyx: Account, django_assert_max_num_queries: object
) -> None:
    take_in(telnyx, story())
    changed = event("conference.floor.changed", event_id="f", at=at(9), conference_id="c1", call_control_id=LEG)
    with connection.execute_wrapper(_no_rules):
        take_in(telnyx, [changed])


def _no_rules(execute: object, sql: str, *rest: object) -> object:
    assert "conferences_teamrule" not in sql
    return execute(sql, *rest)  # type: ignore[operator]


# --- Rules that change ------------------------------------------------------------------------------------------------


def test_a_changed_rule_moves_live_calls_and_shows_them_anew(telnyx: Account, sales: Team, kim: User) -> None:
    watch, now = RuleWatch(), timezone.now()
    kim.team_memberships.update(team=sales)
    take_in(telnyx, story())
    named(telnyx)
    watch.step(now=now)
    assert not visible_to(kim).exists()
    added = rule(LooksAt.NAME, "call-*", team=sales)
    version = changes.current().version
    watch.step(now=now)
    assert visible_to(kim).exists()
    assert Conference.objects.get().version > version
    other = Team.objects.create(name="Other")
    TeamRule.objects.filter(pk=added.pk).update(team=other)
    assert not visible_to(kim).exists()  # at once, and the screens hear of it with the next look
    version = changes.current().version
    watch.step(now=now)
    assert Conference.objects.get().version > version
    version = changes.current().version
    watch.step(now=now)
    assert changes.current().version == version


def test_a_deleted_rule_gives_its_calls_to_nobody_at_once(telnyx: Account, lena: User) -> None:
    take_in(telnyx, story())
    assert visible_to(lena).exists()
    TeamRule.objects.all().delete()
    assert not visible_to(lena).exists()
    assert whose() == frozenset()


@pytest.mark.parametrize(("looks_at", "seconds"), [(LooksAt.ANY, 2), (LooksAt.QUEUE, 60)])
def test_what_the_release_before_has_stored_is_settled_soon(
    telnyx: Account, billing: Team, kim: User, looks_at: str, seconds: int
) -> None:
    TeamRule.objects.all().delete()
    rule(looks_at, "vip" if looks_at == LooksAt.QUEUE else "", team=billing)
    watch, now = RuleWatch(), timezone.now()
    watch.step(now=now)
    take_in(telnyx, story(queue="vip"))
    Conference.objects.update(rule=None)
    watch.step(now=now + timedelta(seconds=seconds - 1 if seconds == 60 else 0))
    if seconds == 60:
        assert not visible_to(kim).exists()
    watch.step(now=now + timedelta(seconds=seconds))
    assert visible_to(kim).exists()


def test_a_rule_that_was_deleted_a_moment_ago_counts_as_none(telnyx: Account, lena: User) -> None:
    take_in(telnyx, story())
    with connection.cursor() as cursor:  # as a webhook would leave it that was stored at the same moment
        cursor.execute("UPDATE conferences_conference SET rule_id = 4711")
    assert whose() == frozenset()
    assert not visible_to(lena).exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_running_worker_needs_no_page_to_hear_of_a_rule(telnyx: Account, sales: Team) -> None:
    take_in(telnyx, story())
    stop = threading.Event()

    def work() -> None:
        worker.run(stop)
        connection.close()

    working = threading.Thread(target=work)
    working.start()
    try:
        rule(LooksAt.QUEUE, "vip", team=sales, place=2)
        added = rule(LooksAt.ANY, team=sales, place=3)
        until = time.monotonic() + 20
        while Conference.objects.get().rule_id != added.pk and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        stop.set()
        working.join(30)
    assert whose() == frozenset({sales.pk})


# --- The upgrade ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_upgrade_keeps_todays_access_by_one_rule(kim: User, lena: User, omar: User, billing: Team) -> None:
    account = Account.objects.create(name="default")
    Conference.objects.create(account=account, telnyx_id="c1")
    Conference.objects.create(account=account, telnyx_id="c2", team=billing)
    Conference.objects.create(account=account, telnyx_id="c3", ended_at=timezone.now())
    executor = MigrationExecutor(connection)
    executor.migrate([("conferences", "0020_audit_reader")])
    try:
        with connection.cursor() as cursor:
            columns = {column.name for column in connection.introspection.get_table_description(
                cursor, "conferences_conference")}  # fmt: skip
        assert "rule_id" not in columns
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(MigrationLoader(connection).graph.leaf_nodes())
    [kept] = TeamRule.objects.all()
    assert (kept.looks_at, kept.for_leads, kept.team) == ("any", True, None)

    def seen(user: User) -> set[str]:
        return set(visible_to(user).values_list("telnyx_id", flat=True))

    assert [seen(user) for user in (kim, lena, omar)] == [{"c2"}, {"c1", "c2", "c3"}, set()]
    assert not kim.team_memberships.get().may_see_numbers
    assert kim.team_memberships.get().may_note
    kept.delete()
    assert [seen(user) for user in (kim, lena, omar)] == [{"c2"}, {"c2"}, set()]


def test_an_empty_database_has_the_rule_as_well(db: None) -> None:
    [kept] = TeamRule.objects.all()
    last = import_module("conferences.migrations.0022_keep_access").LAST
    assert (kept.looks_at, kept.for_leads, kept.place) == ("any", True, last)
