"""Checks the one predicate over teams, and that its SQL answers the same for many conferences."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.django import TestCase

from conferences.models import Account, Agent, AuditEntry, Conference, Leg, Participant, Team
from conferences.permissions import (
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
teams = some.sets(some.integers(0, TEAMS - 1))
memberships = some.dictionaries(
    some.integers(0, TEAMS - 1),
    some.fixed_dictionaries(
        {name: some.booleans() for name in ("is_lead", "may_monitor", "may_whisper", "may_barge")},
    ),
)
people = some.fixed_dictionaries(
    {
        "is_staff": some.booleans(),
        "is_superuser": some.sampled_from([False, False, False, True]),
        "is_active": some.sampled_from([True, True, True, False]),
    }
)
# The connection's team, and the teams of the agents who were in it.
conferences = some.lists(some.tuples(some.none() | some.integers(0, TEAMS - 1), teams), max_size=6)


class TestRights(TestCase):
    """One floor of random teams and calls, seen by one person."""

    @pytest.mark.slow
    @settings(max_examples=60)
    @given(person=people, memberships=memberships, conferences=conferences)
    def test_the_sql_finds_the_conferences_whose_teams_the_predicate_covers(
        self, person: dict[str, bool], memberships: dict[int, Any], conferences: list[tuple[int | None, set[int]]]
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
        self, person: dict[str, bool], memberships: dict[int, Any], conferences: list[tuple[int | None, set[int]]]
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


def _conference(known: list[Team], number: int, team: int | None, of_agents: set[int]) -> Conference:
    account, _ = Account.objects.get_or_create(name="default")
    own = known[team] if team is not None else None
    conference = Conference.objects.create(account=account, telnyx_id=f"conference-{number}", team=own)
    leg = Leg.objects.create(account=account, call_control_id=f"customer-{number}")
    Participant.objects.create(account=account, conference=conference, leg=leg)
    for agents_team in of_agents:
        agent = Agent.objects.create(name=f"Agent {number}.{agents_team}", team=known[agents_team])
        leg = Leg.objects.create(account=account, call_control_id=f"agent-{number}-{agents_team}", agent=agent)
        Participant.objects.create(account=account, conference=conference, leg=leg, present=bool(agents_team))
    return conference


def test_a_right_reaches_its_teams_and_those_of_no_team_only_where_it_says_so() -> None:
    reach = Reach(frozenset({1}))
    assert reach.covers(frozenset({1, 2}))
    assert not reach.covers(frozenset({2}))
    assert not reach.covers(frozenset())
    assert Reach(without_team=True).covers(frozenset())
    assert not Reach(without_team=True).covers(frozenset({1}))


@pytest.mark.django_db
def test_a_lead_has_in_conferences_of_no_team_the_rights_of_the_teams_they_lead(lena: User, kim: User) -> None:
    led = rights_book(lena).in_teams(frozenset())
    assert led.monitor
    assert led == rights_book(lena).in_teams(frozenset(lena.team_memberships.values_list("team_id", flat=True)))
    assert not rights_book(kim).in_teams(frozenset()).monitor
    assert not visible_to(AnonymousUser()).exists()
