"""Checks the one predicate over teams, and that its SQL answers the same for many conferences."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.django import TestCase

from conferences.models import Account, Agent, AuditEntry, Conference, Leg, Participant, Team, TeamRule
from conferences.permissions import (
    LEADS,
    Reach,
    audit_scope,
    audit_visible_to,
    rights_book,
    rights_books,
    teams_of,
    teams_of_all,
    visible_to,
)

TEAMS = 3
RIGHTS = ("is_lead", "may_monitor", "may_whisper", "may_barge", "may_see_numbers", "may_note")
teams = some.sets(some.integers(0, TEAMS - 1))
memberships = some.dictionaries(
    some.integers(0, TEAMS - 1),
    some.fixed_dictionaries(
        {name: some.booleans() for name in RIGHTS},
    ),
)
people = some.fixed_dictionaries(
    {
        "is_staff": some.booleans(),
        "is_superuser": some.sampled_from([False, False, False, True]),
        "is_active": some.sampled_from([True, True, True, False]),
    }
)
# The connection's team, the teams of the agents who were in it, and whose its rule says it is: a team's, leads' and
# staff's, superusers' alone; None where no rule matches.
rules = some.none() | some.sampled_from(["leads", "superusers"]) | some.integers(0, TEAMS - 1)
conferences = some.lists(some.tuples(some.none() | some.integers(0, TEAMS - 1), teams, rules), max_size=6)
Calls = list[tuple[int | None, set[int], str | int | None]]


class TestRights(TestCase):
    """One floor of random teams and calls, seen by one person."""

    @pytest.mark.slow
    @settings(max_examples=60)
    @given(person=people, memberships=memberships, conferences=conferences)
    def test_the_sql_finds_the_conferences_whose_teams_the_predicate_covers(
        self, person: dict[str, bool], memberships: dict[int, Any], conferences: Calls
    ) -> None:
        known = [Team.objects.create(name=f"Team {number}") for number in range(TEAMS)]
        user = User.objects.create(username="kim", **person)
        for number, rights in memberships.items():
            user.team_memberships.create(team=known[number], **rights)
        made = [_conference(known, number, *one) for number, one in enumerate(conferences)]

        book = rights_book(user)
        seen = {conference.pk for conference in made if book.scope.sees(teams_of(conference))}
        assert set(visible_to(user).values_list("pk", flat=True)) == seen
        assert teams_of_all([one.pk for one in made]) == {one.pk: teams_of(one) for one in made}
        assert rights_books([user]) == ({user.pk: book} if user.is_active else {})

    @pytest.mark.slow
    @settings(max_examples=60)
    @given(person=people, memberships=memberships, conferences=conferences)
    def test_the_sql_finds_the_audit_entries_that_the_predicate_covers(
        self, person: dict[str, bool], memberships: dict[int, Any], conferences: Calls
    ) -> None:
        known = [Team.objects.create(name=f"Team {number}") for number in range(TEAMS)]
        user, other = User.objects.create(username="kim", **person), User.objects.create(username="lena")
        for number, rights in memberships.items():
            user.team_memberships.create(team=known[number], **rights)
        teams_by_entry: dict[int, frozenset[int]] = {}
        about = [_conference(known, number, *one) for number, one in enumerate(conferences)]
        for actor in (user, other, None):
            for conference in (*about, None):
                entry = AuditEntry.objects.create(
                    at=timezone.now(),
                    actor=actor,
                    action="refused",
                    conference_id=conference.pk if conference else None,
                )
                teams_by_entry[entry.pk] = teams_of(conference) if conference else frozenset()

        scope, entries = audit_scope(user), AuditEntry.objects.all()
        covered = {one.pk for one in entries if scope.covers(actor=one.actor_id, teams=teams_by_entry[one.pk])}
        assert set(audit_visible_to(user).values_list("pk", flat=True)) == covered
        leads = {known[number].pk for number, rights in memberships.items() if rights["is_lead"]}
        if not user.is_active:
            assert covered == set()
        elif not (user.is_staff or user.is_superuser):
            own = set(entries.filter(actor=user).values_list("pk", flat=True))
            assert covered == own | {pk for pk, teams in teams_by_entry.items() if teams & leads}


def _conference(
    known: list[Team], number: int, team: int | None, of_agents: set[int], of_rule: str | int | None
) -> Conference:
    account, _ = Account.objects.get_or_create(name="default")
    own = known[team] if team is not None else None
    ruled = known[of_rule] if isinstance(of_rule, int) else None
    rule = (
        TeamRule.objects.create(looks_at="any", team=ruled, for_leads=of_rule == "leads")
        if of_rule is not None
        else None
    )
    conference = Conference.objects.create(account=account, telnyx_id=f"conference-{number}", team=own, rule=rule)
    leg = Leg.objects.create(account=account, call_control_id=f"customer-{number}")
    Participant.objects.create(account=account, conference=conference, leg=leg)
    for agents_team in of_agents:
        agent = Agent.objects.create(name=f"Agent {number}.{agents_team}", team=known[agents_team])
        leg = Leg.objects.create(account=account, call_control_id=f"agent-{number}-{agents_team}", agent=agent)
        Participant.objects.create(account=account, conference=conference, leg=leg, present=bool(agents_team))
    return conference


def test_a_right_reaches_its_teams_and_those_of_leads_only_where_it_says_so() -> None:
    reach = Reach(frozenset({1}))
    assert reach.covers(frozenset({1, 2}))
    assert not reach.covers(frozenset({2}))
    assert not reach.covers(frozenset())
    assert Reach(frozenset({LEADS})).covers(frozenset({LEADS}))
    assert not Reach(frozenset({LEADS})).covers(frozenset({1}))
    assert not Reach(frozenset({LEADS})).covers(frozenset())
    assert Reach(everywhere=True).covers(frozenset())


@pytest.mark.django_db
def test_a_lead_has_in_conferences_of_leads_the_rights_of_the_teams_they_lead(lena: User, kim: User) -> None:
    led = rights_book(lena).in_teams(frozenset({LEADS}))
    assert led.monitor
    assert led == rights_book(lena).in_teams(frozenset(lena.team_memberships.values_list("team_id", flat=True)))
    for person in (lena, kim):
        assert not rights_book(person).in_teams(frozenset()).monitor
    assert not rights_book(kim).in_teams(frozenset({LEADS})).monitor
    assert not visible_to(AnonymousUser()).exists()


@pytest.mark.django_db
def test_staff_without_a_team_see_and_note_what_leads_see_and_listen_nowhere(omar: User) -> None:
    omar.is_staff = True
    rights = rights_book(omar).in_teams(frozenset({LEADS}))
    assert rights_book(omar).scope.sees(frozenset({LEADS}))
    assert (rights.notes, rights.monitor, rights.barge, rights.numbers) == (True, False, False, False)


@pytest.mark.django_db
def test_whoever_is_in_no_team_any_more_sees_nothing_and_not_everything(kim: User) -> None:
    account = Account.objects.get_or_create(name="default")[0]
    Conference.objects.create(account=account, telnyx_id="c1", team=kim.team_memberships.get().team)
    Conference.objects.create(account=account, telnyx_id="c2", rule=TeamRule.objects.get())
    Conference.objects.create(account=account, telnyx_id="c3")
    assert visible_to(kim).count() == 1
    kim.team_memberships.all().delete()
    assert not visible_to(kim).exists()
