"""Finds whose the newest conferences and legs are by the rules of now, why, and who may see and hear them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext as _

from conferences import names
from conferences.models import Agent, Conference, Connection, Leg, Participant, Protection, Team, TeamRule
from conferences.permissions import LEADS, Rights, RightsBook, Teams, rights_books, teams_of_rule
from conferences.protections import in_words, protecting
from conferences.team_rules import Marks, Rules, legs_of, marks_of, marks_of_leg

NEWEST = 50
NAMED = 12


@dataclass(frozen=True, slots=True)
class Tested:
    """One conference or leg: whose it is, why, and who may what."""

    name: str
    at: datetime | None
    whose: str
    why: str
    see: str
    listen: str
    talk: str
    """Those who may whisper or barge, by name."""
    protected: str


@dataclass
class Tester:
    """Everything that decides who may see what, read once."""

    books: list[tuple[str, RightsBook]]
    teams: dict[int, str]
    agents: dict[int, Agent]
    connections: dict[tuple[int, str], Connection]
    rules: Rules
    protections: list[Protection]
    people: dict[tuple[Teams, str], str] = field(default_factory=dict)

    def conference(self, conference: Conference, legs: Sequence[Leg], present: set[object]) -> Tested:
        """Test one conference with the legs that were ever in it."""
        connection = self.connections.get((conference.account_id, conference.connection_id))
        teams, why = self._whose(conference.team_id, connection, legs, marks_of(conference, legs))
        inside = {leg.agent_id for leg in legs if leg.pk in present and leg.agent_id is not None}
        others = [leg for leg in legs if leg.party != Leg.Party.SUPERVISOR]
        found = protecting(self.protections, legs=others, agents=inside)
        name = names.conference_name(conference)
        return self._tested(name, conference.started_at, teams, why, in_words(found[0]) if found else "")

    def leg(self, leg: Leg) -> Tested:
        """Test one leg, as the waiting list does."""
        connection = self.connections.get((leg.account_id, leg.connection_id))
        teams, why = self._whose(connection.team_id if connection else None, connection, [leg], marks_of_leg(leg))
        found = protecting(self.protections, legs=[leg], agents={leg.agent_id} if leg.agent_id is not None else set())
        leg.agent = self.agents.get(leg.agent_id or 0)
        name = names.leg_and_party(leg)
        return self._tested(name, leg.started_at, teams, why, in_words(found[0]) if found else "")

    def _whose(
        self, team: int | None, connection: Connection | None, legs: Iterable[Leg], marks: Marks
    ) -> tuple[Teams, str]:
        agents = {leg.agent_id: self.agents[leg.agent_id] for leg in legs if leg.agent_id in self.agents}
        teams = {agent.team_id for agent in agents.values()} | ({team} if team is not None else set())
        why = [_("agent %(name)s") % {"name": names.plain(agent.name)} for agent in agents.values()]
        if team is not None:
            named = names.plain(connection.name or connection.connection_id) if connection else ""
            why.append(_("phone application %(name)s") % {"name": named})
        if teams:
            return frozenset(teams), names.listed(why)
        rule = self.rules.first(marks)
        return teams_of_rule(rule), self._by_rule(rule)

    def _by_rule(self, rule: TeamRule | None) -> str:
        if rule is None:
            return _("no rule matches")
        return _("rule %(place)d: %(rule)s") % {"place": rule.place, "rule": rule}

    def _tested(self, name: str, at: datetime | None, teams: Teams, why: str, protected: str) -> Tested:
        return Tested(
            name=name,
            at=at,
            whose=self._teams_in_words(teams),
            why=why,
            see=self._people(teams, "see"),
            listen="" if protected else self._people(teams, "listen"),
            talk="" if protected else self._people(teams, "talk"),
            protected=protected,
        )

    def _teams_in_words(self, teams: Teams) -> str:
        if LEADS in teams:
            return _("leads and staff")
        return names.listed(sorted(self.teams.get(team, "") for team in teams)) or _("superusers only")

    def _people(self, teams: Teams, what: str) -> str:
        """Name who may see, listen or talk in conferences of these teams, superusers apart."""
        if (teams, what) not in self.people:
            may = [name for name, book in self.books if book.scope.sees(teams) and _may(book.in_teams(teams), what)]
            more = [_("%(count)d more") % {"count": len(may) - NAMED}] if len(may) > NAMED else []
            self.people[teams, what] = names.listed([*may[:NAMED], *more])
        return self.people[teams, what]


def _may(rights: Rights, what: str) -> bool:
    return what == "see" or (rights.monitor if what == "listen" else rights.whisper or rights.barge)


def tester() -> Tester:
    """Read what decides: a constant number of queries."""
    rows = User.objects.filter(Q(is_staff=True) | ~Q(team_memberships=None), is_active=True, is_superuser=False)
    users = {user.pk: user for user in rows.order_by("username").distinct()}
    books = rights_books(list(users.values()))
    rules, connections = list(TeamRule.objects.all()), list(Connection.objects.all())
    return Tester(
        books=[(names.person(user), books[pk]) for pk, user in users.items()],
        teams={pk: names.plain(name) for pk, name in Team.objects.values_list("pk", "name")},
        agents=Agent.objects.in_bulk(),
        connections={(one.account_id, one.connection_id): one for one in connections},
        rules=Rules(rules, connections),
        protections=list(Protection.objects.all()),
    )


def newest_conferences(who: Tester) -> list[Tested]:
    """Test the newest conferences."""
    conferences = list(Conference.objects.defer("facts", "talk").order_by("-started_at", "pk")[:NEWEST])
    ids = [conference.pk for conference in conferences]
    legs = legs_of(ids)
    present = set(Participant.objects.filter(conference__in=ids, present=True).values_list("conference", "leg"))
    return [
        who.conference(one, legs.get(one.pk, ()), {leg for conference, leg in present if conference == one.pk})
        for one in conferences
    ]


def newest_legs(who: Tester) -> list[Tested]:
    """Test the newest legs, supervisors' apart."""
    legs = Leg.objects.defer("facts").exclude(party=Leg.Party.SUPERVISOR).order_by("-started_at", "pk")
    return [who.leg(leg) for leg in legs[:NEWEST]]
