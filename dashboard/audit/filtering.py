"""Finds what a filter asks for: the first entries of listenings, commands and single acts, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from conferences.models import Agent, AuditEntry, Participant, SupervisorSession, Team
from conferences.permissions import agents_visible_to, audit_scope, audit_visible_to, conferences_of

Entries = QuerySet[AuditEntry]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The filter of a reader; a field that is empty filters nothing. Days are those of the reader's time zone."""

    person: User | None = None
    team: Team | None = None
    agent: Agent | None = None
    call: str = ""
    mode: str = ""
    first_day: date | None = None
    last_day: date | None = None

    @property
    def since(self) -> datetime | None:
        return _midnight(self.first_day) if self.first_day else None

    @property
    def until(self) -> datetime | None:
        return _midnight(self.last_day + timedelta(days=1)) if self.last_day else None

    def overlaps(self, since: datetime, until: datetime | None) -> bool:
        """Return whether something that lasted so long was within these days, at least for a part."""
        began_before = self.until is None or since < self.until
        return began_before and (self.since is None or until is None or until >= self.since)

    def covers_role(self, role: str) -> bool:
        """Return whether something in this role is asked for."""
        return not self.mode or role == self.mode


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


@dataclass(frozen=True, slots=True)
class AuditChoices:
    """The people, teams and agents that a reader can choose from."""

    persons: QuerySet[User]
    teams: QuerySet[Team]
    agents: QuerySet[Agent]


def choices_for(reader: User) -> AuditChoices:
    """Return whom and what a reader may filter by; others are unknown to the filter, as if they did not exist."""
    scope = audit_scope(reader)
    theirs = audit_visible_to(reader).filter(actor=OuterRef("pk"))
    return AuditChoices(
        persons=User.objects.filter(Exists(theirs)).order_by("first_name", "last_name", "username"),
        teams=(Team.objects.all() if scope.everything else Team.objects.filter(pk__in=scope.led)).order_by("name"),
        agents=(Agent.objects.all() if scope.everything else agents_visible_to(reader)).order_by("name"),
    )


def heads(reader: User, wanted: AuditFilter) -> Entries:
    """Return the first entry of each listening, and of what belongs to none, that the reader may read and asks for."""
    found = audit_visible_to(reader).filter(_is_first(), _about_calls(wanted))
    if wanted.person is not None:
        found = found.filter(actor=wanted.person)
    if wanted.mode:
        found = found.filter(Q(role=wanted.mode) | _has_entry(role=wanted.mode))
    if (until := wanted.until) is not None:
        found = found.filter(at__lt=until)
    if (since := wanted.since) is not None:
        goes_on = Q(session_id__in=SupervisorSession.objects.open().values("pk"))
        found = found.filter(Q(at__gte=since) | _has_entry(at__gte=since) | goes_on)
    return found.select_related("actor").order_by("-at", "-pk")


def _is_first() -> Q:
    """Return the condition of an entry with which a listening, a command or a single act begins."""
    earlier = AuditEntry.objects.filter(Q(at__lt=OuterRef("at")) | Q(at=OuterRef("at"), pk__lt=OuterRef("pk")))
    of_session = earlier.filter(session_id__isnull=False, session_id=OuterRef("session_id"))
    of_command = earlier.filter(session_id__isnull=True, command_id__isnull=False, command_id=OuterRef("command_id"))
    in_session = Q(session_id__isnull=False) & ~Q(Exists(of_session))
    alone = Q(session_id__isnull=True, command_id__isnull=True)
    return in_session | alone | (Q(session_id__isnull=True, command_id__isnull=False) & ~Q(Exists(of_command)))


def _has_entry(**what: Any) -> Q:
    """Return the condition that the listening of an entry has another one like this."""
    same = AuditEntry.objects.filter(session_id__isnull=False, session_id=OuterRef("session_id"))
    return Q(session_id__isnull=False) & Q(Exists(same.filter(**what)))


def _about_calls(wanted: AuditFilter) -> Q:
    """Return the condition on the call: one that is no longer stored has no team and no agents any more."""
    condition = Q(conference_name__icontains=wanted.call) if wanted.call else Q()
    if wanted.team is not None:
        condition &= Q(conference_id__in=conferences_of(frozenset({wanted.team.pk})).values("pk"))
    if wanted.agent is not None:
        inside = Participant.objects.filter(leg__agent=wanted.agent)
        condition &= Q(conference_id__in=inside.values("conference_id"))
    return condition
