"""Who may see which conference, and who may do what in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from .models import Conference, Participant, TeamMembership
from .models.supervision import Role
from .rows import load_rows


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person may do in one conference."""

    monitor: bool = False
    whisper: bool = False
    barge: bool = False

    def allow(self, role: str) -> bool:
        """Say whether a role is covered; staying as participant is as audible as barging."""
        if role == Role.MONITOR:
            return self.monitor
        if role == Role.WHISPER:
            return self.whisper
        return self.barge

    def __or__(self, other: Rights) -> Rights:
        return Rights(
            monitor=self.monitor or other.monitor,
            whisper=self.whisper or other.whisper,
            barge=self.barge or other.barge,
        )


NO_RIGHTS = Rights()
ALL_RIGHTS = Rights(monitor=True, whisper=True, barge=True)


@dataclass(frozen=True, slots=True)
class RightsBook:
    """A person's rights in every team, read once."""

    everywhere: bool
    staff: bool
    by_team: Mapping[int, Rights]
    without_team: Rights
    leads: bool

    def in_teams(self, teams: frozenset[int]) -> Rights:
        """Return the rights in a conference of these teams; none given means a conference of no team."""
        if self.everywhere:
            return ALL_RIGHTS
        if not teams:
            return self.without_team
        granted = NO_RIGHTS
        for team in teams:
            granted |= self.by_team.get(team, NO_RIGHTS)
        return granted

    def may_see(self, teams: frozenset[int]) -> bool:
        """Say whether a conference of these teams is in scope."""
        if self.everywhere or (not teams and (self.staff or self.leads)):
            return True
        return any(team in self.by_team for team in teams)


def rights_book(user: User | AnonymousUser) -> RightsBook:
    """Read a person's rights: one query, none for a superuser."""
    if not user.is_active or not isinstance(user, User):
        return RightsBook(everywhere=False, staff=False, by_team={}, without_team=NO_RIGHTS, leads=False)
    return _book(user, [] if user.is_superuser else load_rows(TeamMembership, user_id=user.pk))


def rights_books(users: Collection[User]) -> dict[int, RightsBook]:
    """Read the rights of many people at once: one query."""
    memberships: dict[int, list[TeamMembership]] = {user.pk: [] for user in users}
    for membership in TeamMembership.objects.filter(user__in=memberships):
        memberships[membership.user_id].append(membership)
    return {user.pk: _book(user, memberships[user.pk]) for user in users if user.is_active}


def _book(user: User, memberships: Iterable[TeamMembership]) -> RightsBook:
    if user.is_superuser:
        return RightsBook(everywhere=True, staff=True, by_team={}, without_team=ALL_RIGHTS, leads=True)
    by_team: dict[int, Rights] = {}
    without_team = NO_RIGHTS
    leads = False
    for membership in memberships:
        rights = Rights(monitor=membership.may_monitor, whisper=membership.may_whisper, barge=membership.may_barge)
        by_team[membership.team_id] = rights
        if membership.is_lead:
            leads = True
            without_team |= rights
    return RightsBook(everywhere=False, staff=user.is_staff, by_team=by_team, without_team=without_team, leads=leads)


def visible_to(user: User | AnonymousUser) -> QuerySet[Conference]:
    """Return the conferences a person may see, live and ended; whoever asks for another one gets a 404."""
    if not user.is_active or not isinstance(user, User):
        return Conference.objects.none()
    if user.is_superuser:
        return Conference.objects.all()
    book = rights_book(user)
    agents = Participant.objects.filter(conference=OuterRef("pk"), leg__agent__isnull=False)
    scope = Q(team__in=book.by_team) | Q(Exists(agents.filter(leg__agent__team__in=book.by_team)))
    if book.staff or book.leads:
        scope |= Q(team=None) & ~Q(Exists(agents))
    return Conference.objects.filter(scope)


def teams_of(conference: Conference) -> frozenset[int]:
    """Return the teams a conference belongs to: its connection's, and those of the agents who were in it."""
    teams = set(
        Participant.objects.filter(conference=conference, leg__agent__isnull=False).values_list(
            "leg__agent__team_id", flat=True
        )
    )
    if conference.team_id is not None:
        teams.add(conference.team_id)
    return frozenset(teams)
