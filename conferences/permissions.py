"""Decides who may see and do what: rights per team, which conferences a viewer sees, and whose audit they read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from conferences.models.supervision import Role

from .fast_sql import has_rows, load_rows, load_values
from .models import Agent, AuditEntry, Conference, Leg, Participant, TeamMembership


@dataclass(frozen=True, slots=True)
class Rights:
    """A person's rights in one conference."""

    monitor: bool = False
    whisper: bool = False
    barge: bool = False

    def allow(self, role: str) -> bool:
        """Return whether a role is covered; staying as participant is as audible as barging."""
        if role == Role.MONITOR:
            return self.monitor
        if role == Role.WHISPER:
            return self.whisper
        return self.barge


Teams = frozenset[int]


@dataclass(frozen=True, slots=True)
class Reach:
    """The conferences in which somebody has one right: those of some teams, those of no team, or all."""

    teams: Teams = frozenset()
    without_team: bool = False
    everywhere: bool = False

    def covers(self, teams: Teams) -> bool:
        """Return whether a conference of these teams is within; none given means a conference of no team."""
        if self.everywhere:
            return True
        return not self.teams.isdisjoint(teams) if teams else self.without_team


NOWHERE = Reach()
EVERYWHERE = Reach(without_team=True, everywhere=True)


@dataclass(frozen=True, slots=True)
class RightsScope:
    """The conferences that somebody sees, and those that they may monitor: the same for many viewers."""

    seen: Reach = NOWHERE
    monitored: Reach = NOWHERE

    def sees(self, teams: Teams) -> bool:
        """Return whether a conference of these teams is in scope."""
        return self.seen.covers(teams)

    def may_monitor(self, teams: Teams) -> bool:
        """Return whether a conference of these teams may be monitored."""
        return self.monitored.covers(teams)

    def answers_for(self, team: int | None) -> bool:
        """Return whether a waiting leg is this scope's: one of no team is everybody's who is in a team at all."""
        if self.seen.everywhere or self.seen.without_team:
            return True
        return team in self.seen.teams if team is not None else bool(self.seen.teams)


@dataclass(frozen=True, slots=True)
class RightsBook:
    """A person's rights in every team, read once."""

    scope: RightsScope = RightsScope()
    whispered: Reach = NOWHERE
    barged: Reach = NOWHERE

    def in_teams(self, teams: Teams) -> Rights:
        """Return the rights in a conference of these teams."""
        return Rights(
            monitor=self.scope.may_monitor(teams),
            whisper=self.whispered.covers(teams),
            barge=self.barged.covers(teams),
        )


NO_RIGHTS = RightsBook()
ALL_RIGHTS = RightsBook(scope=RightsScope(EVERYWHERE, EVERYWHERE), whispered=EVERYWHERE, barged=EVERYWHERE)


def rights_book(user: User | AnonymousUser) -> RightsBook:
    """Read a person's rights: one query, none for a superuser."""
    if not user.is_active or not isinstance(user, User):
        return NO_RIGHTS
    return _book(user, [] if user.is_superuser else load_rows(TeamMembership, user_id=user.pk))


def rights_books(users: Collection[User]) -> dict[int, RightsBook]:
    """Read the rights of many people at once: one query."""
    memberships: dict[int, list[TeamMembership]] = {user.pk: [] for user in users}
    for membership in TeamMembership.objects.filter(user__in=memberships):
        memberships[membership.user_id].append(membership)
    return {user.pk: _book(user, memberships[user.pk]) for user in users if user.is_active}


def _book(user: User, memberships: Collection[TeamMembership]) -> RightsBook:
    if user.is_superuser:
        return ALL_RIGHTS
    teams = frozenset(membership.team_id for membership in memberships)
    leads = any(membership.is_lead for membership in memberships)
    return RightsBook(
        scope=RightsScope(
            seen=Reach(teams, without_team=user.is_staff or leads),
            monitored=_granted(membership for membership in memberships if membership.may_monitor),
        ),
        whispered=_granted(membership for membership in memberships if membership.may_whisper),
        barged=_granted(membership for membership in memberships if membership.may_barge),
    )


def _granted(memberships: Iterable[TeamMembership]) -> Reach:
    """Return where these memberships grant a right: a lead has it in conferences of no team as well."""
    granting = list(memberships)
    return Reach(
        teams=frozenset(membership.team_id for membership in granting),
        without_team=any(membership.is_lead for membership in granting),
    )


def visible_to(user: User | AnonymousUser) -> QuerySet[Conference]:
    """Return the conferences a person may see, live and ended; for any other one the pages answer 404."""
    seen = rights_book(user).scope.seen
    if seen.everywhere:
        return Conference.objects.all()
    if seen == NOWHERE:
        return Conference.objects.none()
    scope = _of_teams(seen.teams)
    if seen.without_team:
        scope |= Q(team=None) & ~Q(Exists(_agents_inside()))
    return Conference.objects.filter(scope)


def conferences_of(teams: Teams) -> QuerySet[Conference]:
    """Return the conferences that belong to one of these teams."""
    return Conference.objects.filter(_of_teams(teams))


def _of_teams(teams: Teams) -> Q:
    return Q(team__in=teams) | Q(Exists(_agents_inside().filter(leg__agent__team__in=teams)))


def _agents_inside() -> QuerySet[Participant]:
    return Participant.objects.filter(conference=OuterRef("pk"), leg__agent__isnull=False)


@dataclass(frozen=True, slots=True)
class AuditScope:
    """The audit entries that somebody reads: their own, those about calls of the teams that they lead, or all.

    The calls are those that are still stored: an entry outlives its call, and keeps its teams nowhere else. Then only
    staff and the person themselves read it. A call that somebody listened to is stored as long as the listening is.
    """

    reader: int | None = None
    led: Teams = frozenset()
    everything: bool = False

    def covers(self, *, actor: int | None, teams: Teams) -> bool:
        """Return whether an entry of this person may be read, about a call of these teams or, without any, of none."""
        if self.everything:
            return True
        return self.reader is not None and (actor == self.reader or not self.led.isdisjoint(teams))


def audit_scope(user: User | AnonymousUser) -> AuditScope:
    """Return the scope of the audit entries that a person may read."""
    if not user.is_active or not isinstance(user, User):
        return AuditScope()
    if user.is_superuser or user.is_staff:
        return AuditScope(user.pk, everything=True)
    led = load_values(TeamMembership, "team_id", user_id=user.pk, is_lead=True)
    return AuditScope(user.pk, frozenset(led))


def audit_visible_to(user: User | AnonymousUser) -> QuerySet[AuditEntry]:
    """Return the audit entries that a person may read; where there are none the page answers 404."""
    scope = audit_scope(user)
    if scope.everything:
        return AuditEntry.objects.all()
    if scope.reader is None:
        return AuditEntry.objects.none()
    readable = Q(actor=scope.reader)
    if scope.led:
        readable |= Q(conference_id__in=conferences_of(scope.led).values("pk"))
    return AuditEntry.objects.filter(readable)


def teams_of(conference: Conference, agents_teams: Iterable[int | None] | None = None) -> Teams:
    """Return the teams a conference belongs to: its connection's, and those of the agents who were in it.

    `agents_teams` are the teams of everybody who was in it, where they have been read already.
    """
    if agents_teams is None:
        legs = load_values(Participant, "leg_id", conference_id=conference.pk)
        agents = load_values(Leg, "agent_id", id=legs)
        agents_teams = load_values(Agent, "team_id", id={agent for agent in agents if agent is not None})
    return frozenset(team for team in (conference.team_id, *agents_teams) if team is not None)


def agents_visible_to(user: User | AnonymousUser) -> QuerySet[Agent]:
    """Return the agents a person may see: those of their teams, and those of the conferences they may see."""
    seen = rights_book(user).scope.seen
    if seen.everywhere:
        return Agent.objects.all()
    met = Participant.objects.filter(leg__agent=OuterRef("pk"), conference__in=visible_to(user))
    return Agent.objects.filter(Q(team__in=seen.teams) | Q(Exists(met)))


def teams_of_all(conference_ids: Collection[UUID]) -> dict[UUID, Teams]:
    """Return the teams of many conferences at once: two queries; one that is gone is left out."""
    conferences = Conference.objects.filter(id__in=conference_ids).only("id", "team").in_bulk()
    agents_teams: dict[UUID, list[int]] = {id_: [] for id_ in conferences}
    agents = Participant.objects.filter(conference__in=list(conferences), leg__agent__isnull=False)
    for id_, team in agents.values_list("conference_id", "leg__agent__team_id").distinct():
        agents_teams[id_].append(team)
    return {id_: teams_of(conference, agents_teams[id_]) for id_, conference in conferences.items()}


def own_agent(user: User | AnonymousUser) -> Agent | None:
    """Return the agent that a person is: who listened to this agent's legs they may read, and nobody else's."""
    if not user.is_active or not isinstance(user, User):
        return None
    return Agent.objects.filter(user=user).first()


def is_agent_only(user: User | AnonymousUser) -> bool:
    """Return whether a person is an agent and nothing else, so that the screens of supervisors are not for them."""
    if not user.is_active or not isinstance(user, User):
        return False
    if user.is_staff or user.is_superuser:
        return False
    return has_rows(Agent, user_id=user.pk) and not has_rows(TeamMembership, user_id=user.pk)
