"""Tells an agent who listened to their own calls, and who listens now.

Only what concerned their own legs while they were inside: a whisper to others is a listening for them, and neither the
names of others nor that of the call are told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences import names
from conferences.models import Agent, AuditEntry, Participant, SupervisorSession, UnsteeredLine
from conferences.models.supervision import Role

from .spans import Span, spans_of
from .times_inside import Inside, times_inside

DAYS = 7
SINCE_THEN: dict[str, Promise] = {
    Role.MONITOR: gettext_lazy("%(who)s listened to your call"),
    Role.WHISPER: gettext_lazy("%(who)s whispered to you"),
    Role.BARGE: gettext_lazy("%(who)s spoke to everyone in your call"),
    Role.NONE: gettext_lazy("%(who)s stayed in your call, heard by everyone"),
}
AT_THIS_MOMENT: dict[str, Promise] = {
    "": gettext_lazy("%(who)s is joining your call"),
    Role.MONITOR: gettext_lazy("%(who)s is listening to your call"),
    Role.WHISPER: gettext_lazy("%(who)s can whisper to you"),
    Role.BARGE: gettext_lazy("%(who)s can speak to everyone in your call"),
    Role.NONE: gettext_lazy("%(who)s is in your call, heard by everyone"),
}


@dataclass(frozen=True, slots=True)
class OwnLine:
    """A part of a listening, as it concerned the agent: one person, one role, a beginning and an end."""

    person: int
    who: str
    role: str
    """Empty while the person is on the way into the call."""
    at: datetime
    until: datetime | None
    """None where it goes on."""
    proof: str
    proven: bool

    @property
    def text(self) -> str:
        return str(SINCE_THEN[self.role]) % {"who": self.who}

    @property
    def text_now(self) -> str:
        return str(AT_THIS_MOMENT[self.role]) % {"who": self.who}

    def seconds(self, *, now: datetime) -> float:
        """Return how long it lasted, or has lasted so far."""
        return ((self.until or now) - self.at).total_seconds()


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the reader's time zone, with what began on it, newest first."""

    day: date
    lines: list[OwnLine]


@dataclass(frozen=True, slots=True)
class OwnLog:
    """Some days of an agent's log, newest first, and who is in their call."""

    days: list[Day]
    now: list[OwnLine]
    is_in_call: bool


def own_log(agent: Agent, *, last_day: date, at_once: bool, now: datetime) -> OwnLog:
    """Return an agent's log of the days up to this one; what goes on is in it only where it may be seen at once."""
    until = timezone.make_aware(datetime.combine(last_day + timedelta(days=1), datetime.min.time()))
    since = until - timedelta(days=DAYS)
    lines = [line for line in _lines(agent, since=since, until=until, at_once=at_once) if since <= line.at < until]
    lines.sort(key=lambda line: line.at, reverse=True)
    days = [Day(day, list(of_day)) for day, of_day in groupby(lines, key=lambda line: timezone.localdate(line.at))]
    present = Participant.objects.filter(leg__agent=agent, present=True).values_list("conference_id", flat=True)
    calls = list(present) if at_once else []
    going_on = [line for line in _lines(agent, since=now, until=None, at_once=True) if not line.until] if calls else []
    return OwnLog(days, [*going_on, *_on_the_way(calls, known=going_on)], is_in_call=bool(calls))


def _lines(agent: Agent, *, since: datetime, until: datetime | None, at_once: bool) -> list[OwnLine]:
    """Return what concerned an agent of what went on between two moments."""
    theirs = Q(conference__participants__leg__agent=agent) & (Q(ended_at=None) | Q(ended_at__gte=since))
    theirs &= Q(started_at__lt=until) if until else Q()
    sessions = dict(SupervisorSession.objects.filter(theirs).distinct().values_list("pk", "conference_id"))
    unsteered = list(UnsteeredLine.objects.filter(theirs).distinct().select_related("user"))
    calls = times_inside(agent, {*sessions.values(), *(line.conference_id for line in unsteered)})
    lines = []
    for session, entries in _entries(sessions).items():
        spans = spans_of(entries)
        if at_once or spans[-1].until is not None:
            lines += _of_listening(spans, entries[0].actor, calls.get(sessions[session]) or Inside())
    for line in unsteered:
        if at_once or line.ended_at is not None:
            lines += _of_unsteered(line, calls.get(line.conference_id) or Inside())
    return lines


def _entries(sessions: Iterable[UUID]) -> dict[UUID, list[AuditEntry]]:
    """Return the audit's entries of these listenings; one that nobody did has none."""
    entries: dict[UUID, list[AuditEntry]] = defaultdict(list)
    of_these = AuditEntry.objects.filter(session_id__isnull=False, session_id__in=list(sessions), actor__isnull=False)
    for entry in of_these.select_related("actor").order_by("at", "pk"):
        assert entry.session_id is not None  # noqa: S101 - for the types
        entries[entry.session_id].append(entry)
    return entries


def _of_listening(spans: Sequence[Span], listener: User | None, inside: Inside) -> list[OwnLine]:
    assert listener is not None  # noqa: S101 - for the types
    lines: list[OwnLine] = []
    for span in spans:
        if not span.role:
            continue
        verified = span.verified and not span.contradicted
        role = _for_them(span.role, span.targets, inside)
        for since, until in inside.within(span.since, span.until):
            proof = _("verified") if verified else _("not verified")
            line = OwnLine(listener.pk, names.person(listener), role, since, until, proof, verified)
            if lines and (lines[-1].role, lines[-1].until) == (line.role, line.at):
                # To whom else they whispered in between is not for this agent.
                worse = lines[-1] if not lines[-1].proven else line
                line = replace(lines.pop(), until=line.until, proof=worse.proof, proven=worse.proven)
            lines.append(line)
    return lines


def _of_unsteered(line: UnsteeredLine, inside: Inside) -> list[OwnLine]:
    """Return what is known of a phone that the phone system brought in: its role as it was read last."""
    role, who = _for_them(line.role, line.targets, inside), names.person(line.user)
    return [
        OwnLine(line.user_id, who, role, since, until, _("not verified"), proven=False)
        for since, until in inside.within(line.started_at, line.ended_at)
    ]


def _for_them(role: str, targets: Iterable[object], inside: Inside) -> str:
    """Return what a role is for this agent: whoever whispers to others hears them all the same."""
    if role == Role.WHISPER and inside.legs.isdisjoint(str(target) for target in targets):
        return str(Role.MONITOR)
    return role


def _on_the_way(calls: Sequence[UUID], *, known: Sequence[OwnLine]) -> list[OwnLine]:
    """Return who was asked into these calls, and whom no answer shows inside: they may be in there already."""
    joining = SupervisorSession.objects.open().filter(conference__in=calls, stage=SupervisorSession.Stage.JOINING)
    return [
        OwnLine(one.user_id, names.person(one.user), "", one.started_at, None, "", proven=False)
        for one in joining.exclude(user__in={line.person for line in known}).select_related("user")
    ]
