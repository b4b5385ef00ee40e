"""Decides who may see and do what: rights per team, which conferences a viewer sees, and whose audit they read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from conferences.models.supervision import Role

from .fast_sql import has_rows, load_rows, load_values
from .models import Agent, AuditEntry, Conference, Leg, Participant, TeamMembership, TeamRule


@dataclass(frozen=True, slots=True)
class Rights:
    """A person's rights in one conference."""

    monitor: bool = False
    whisper: bool = False
    barge: bool = False
    numbers: bool = False
    """Whether a masked number may be shown in full."""
    notes: bool = False

    def allow(self, role: str) -> bool:
        """Return whether a role is covered; staying as participant is as audible as barging."""
        if role == Role.MONITOR:
            return self.monitor
        if role == Role.WHISPER:
            return self.whisper
        return self.barge


Teams = frozenset[int]
# Stands among a conference's teams where a rule gives it to leads and staff; no team has this key.
LEADS = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """The conferences in which somebody has one right: those of some teams, or all; of leads and staff with LEADS."""

    teams: Teams = frozenset()
    everywhere: bool = False

    def covers(self, teams: Teams) -> bool:
        """Return whether a conference of these teams is within; one of none is only where everything is."""
        return self.everywhere or not self.teams.isdisjoint(teams)


NOWHERE = Reach()
EVERYWHERE = Reach(everywhere=True)


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

    def answers_for(self, teams: Teams) -> bool:
        """Return whether a waiting leg is this scope's: one for leads and staff is everybody's who sees anything."""
        return self.seen != NOWHERE if LEADS in teams else self.sees(teams)


@dataclass(frozen=True, slots=True)
class RightsBook:
    """A person's rights in every team, read once."""

    scope: RightsScope = RightsScope()
    whispered: Reach = NOWHERE
    barged: Reach = NOWHERE
    numbered: Reach = NOWHERE
    noted: Reach = NOWHERE

    @property
    def may_listen(self) -> bool:
        """Return whether there is any conference that this person may enter: without one, their phone need not ring."""
        return any(reach != NOWHERE for reach in (self.scope.monitored, self.whispered, self.barged))

    def in_teams(self, teams: Teams) -> Rights:
        """Return the rights in a conference of these teams."""
        return Rights(
            monitor=self.scope.may_monitor(teams),
            whisper=self.whispered.covers(teams),
            barge=self.barged.covers(teams),
            numbers=self.numbered.covers(teams),
            notes=self.scope.sees(teams) and self.noted.covers(teams),
        )


NO_RIGHTS = RightsBook()
ALL_RIGHTS = RightsBook(RightsScope(EVERYWHERE, EVERYWHERE), EVERYWHERE, EVERYWHERE, EVERYWHERE, EVERYWHERE)


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
    noted = _granted(membership for membership in memberships if membership.may_note)
    if user.is_staff or any(membership.is_lead for membership in memberships):
        teams |= {LEADS}
    return RightsBook(
        scope=RightsScope(
            seen=Reach(teams),
            monitored=_granted(membership for membership in memberships if membership.may_monitor),
        ),
        whispered=_granted(membership for membership in memberships if membership.may_whisper),
        barged=_granted(membership for membership in memberships if membership.may_barge),
        numbered=_granted(membership for membership in memberships if membership.may_see_numbers),
        noted=Reach(noted.teams | {LEADS}) if user.is_staff else noted,
    )


def _granted(memberships: Iterable[TeamMembership]) -> Reach:
    """Return where these memberships grant a right: a lead has it in conferences of leads and staff as well."""
    granting = list(memberships)
    leads = {LEADS} if any(membership.is_lead for membership in granting) else set()
    return Reach(frozenset(membership.team_id for membership in granting) | leads)


def visible_to(user: User | AnonymousUser) -> QuerySet[Conference]:
    """Return the conferences a person may see, live and ended; for any other one the pages answer 404."""
    seen = rights_book(user).scope.seen
    if seen.everywhere:
        return Conference.objects.all()
    if seen == NOWHERE:
        return Conference.objects.none()
    return conferences_of(seen.teams)


def conferences_of(teams: Teams) -> QuerySet[Conference]:
    """Return the conferences that belong to one of these teams; LEADS among them stands for leads and staff."""
    by_rule = Q(rule__team__in=teams) | (Q(rule__for_leads=True) if LEADS in teams else Q())
    of_a_team = Q(team__in=teams) | Q(Exists(_agents_inside().filter(leg__agent__team__in=teams)))
    return Conference.objects.filter(of_a_team | (Q(team=None) & ~Q(Exists(_agents_inside())) & by_rule))


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
    """Return the teams a conference belongs to: its connection's and its agents'; where there are none, its rule's.

    `agents_teams` are the teams of everybody who was in it, where they have been read already.
    """
    if agents_teams is None:
        legs = load_values(Participant, "leg_id", conference_id=conference.pk)
        agents = load_values(Leg, "agent_id", id=legs)
        agents_teams = load_values(Agent, "team_id", id={agent for agent in agents if agent is not None})
    found = frozenset(team for team in (conference.team_id, *agents_teams) if team is not None)
    return found or teams_of_rule(rule_of(conference))


def rule_of(conference: Conference) -> TeamRule | None:
    """Return the rule that is stored with a conference; one that was deleted a moment ago counts as none."""
    if conference.rule_id is None:
        return None
    if not Conference.rule.is_cached(conference):
        return next(iter(load_rows(TeamRule, id=conference.rule_id)), None)
    return conference.rule


def teams_of_rule(rule: TeamRule | None) -> Teams:
    """Return whose the conferences of a rule are; nobody's but superusers' where it names nobody."""
    if rule is None:
        return frozenset()
    return frozenset({LEADS} if rule.for_leads else set() if rule.team_id is None else {rule.team_id})


def agents_visible_to(user: User | AnonymousUser) -> QuerySet[Agent]:
    """Return the agents a person may see: those of their teams, and those of the conferences they may see."""
    seen = rights_book(user).scope.seen
    if seen.everywhere:
        return Agent.objects.all()
    met = Participant.objects.filter(leg__agent=OuterRef("pk"), conference__in=visible_to(user))
    return Agent.objects.filter(Q(team__in=seen.teams) | Q(Exists(met)))


def teams_of_all(conference_ids: Collection[UUID]) -> dict[UUID, Teams]:
    """Return the teams of many conferences at once: two queries; one that is gone is left out."""
    rows = Conference.objects.filter(id__in=conference_ids).select_related("rule")
    conferences = rows.only("id", "team", "rule__team", "rule__for_leads").in_bulk()
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
