"""Reads what a filter finds, and tells each listening, command and act in lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext as _

from conferences import names
from conferences.models import AuditEntry, Leg
from conferences.models.supervision import Role
from conferences.permissions import audit_scope, visible_to

from .filtering import AuditFilter
from .spans import Span, spans_of
from .wording import Wording, call_of, who, why_ended

PER_PAGE = 100
Key = tuple[str, UUID | int]
Action = AuditEntry.Action
ICONS: dict[str, str] = {
    Action.REFUSED: "alert",
    Action.SIGNED_IN: "lock",
    Action.SIGNED_OUT: "exit",
    Action.SIGN_IN_FAILED: "alert",
    Action.PASSWORD_SET: "lock",
    Action.RIGHTS_CHANGED: "lock",
    Action.NUMBER_SEARCHED: "search",
    Action.NUMBER_SEARCH_REFUSED: "alert",
    Action.AUDIT_EXPORTED: "note",
    Action.PROBED: "plug",
    Action.SET_UP: "plug",
}


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One entry of the audit, told in a sentence."""

    at: datetime
    text: str
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A span of a listening, or something that somebody did once."""

    at: datetime
    until: datetime | None
    lasts: bool
    """Whether it is a span: then it has a duration, or goes on."""
    text: str
    who: str
    icon: str
    """The icon of a single act; a span has the icon of its role."""
    role: str
    names: str
    call: str
    conference: UUID | None
    """Where the call can be opened by the reader."""
    proof: str
    proven: bool
    why: str
    entries: tuple[RawEntry, ...]

    @property
    def goes_on(self) -> bool:
        return self.lasts and self.until is None

    @property
    def over_at(self) -> datetime | None:
        """When it was over, None where it goes on."""
        return self.until if self.lasts else self.at

    @property
    def role_name(self) -> str:
        return str(Role(self.role).label) if self.role else ""

    def seconds(self, *, now: datetime) -> float | None:
        """Return how long it lasted, None for what somebody did once."""
        return ((self.until or now) - self.at).total_seconds() if self.lasts else None


def lines_of(
    heads: Sequence[AuditEntry], *, reader: User, wanted: AuditFilter, with_entries: bool = True
) -> list[AuditLine]:
    """Return the lines of what begins with these entries, newest first, as far as the filter asks for them.

    An export tells no single entries; to put them in words takes longer than the rest.
    """
    groups = _groups(heads)
    telling = _Telling(groups, reader, with_entries=with_entries)
    told = [line for group in groups for line in telling.lines(group)]
    return [line for line in told if wanted.covers_role(line.role) and wanted.overlaps(line.at, line.over_at)]


def _groups(heads: Sequence[AuditEntry]) -> list[list[AuditEntry]]:
    """Return all entries of what begins with these, each in its order."""
    sessions = {entry.session_id for entry in heads if entry.session_id is not None}
    commands = {entry.command_id for entry in heads if entry.session_id is None and entry.command_id is not None}
    found = Q(session_id__isnull=False, session_id__in=sessions)
    found |= Q(session_id__isnull=True, command_id__isnull=False, command_id__in=commands)
    entries: dict[Key, list[AuditEntry]] = defaultdict(list)
    if sessions or commands:
        for entry in AuditEntry.objects.filter(found).select_related("actor").order_by("at", "pk"):
            entries[_key(entry)].append(entry)
    return [entries.get(_key(head)) or [head] for head in heads]


def _key(entry: AuditEntry) -> Key:
    if entry.session_id is not None:
        return "listening", entry.session_id
    return ("command", entry.command_id) if entry.command_id is not None else ("entry", entry.pk)


class _Telling:
    """Tells the groups of one page to one reader."""

    def __init__(self, groups: Iterable[Sequence[AuditEntry]], reader: User, *, with_entries: bool) -> None:
        self._with_entries = with_entries
        entries = [entry for group in groups for entry in group]
        self._words = Wording(_names_of({target for entry in entries for target in entry.targets}))
        self._for_staff = audit_scope(reader).everything
        calls = {entry.conference_id for entry in entries if entry.conference_id is not None}
        self._open_to_reader = set(visible_to(reader).filter(pk__in=calls).values_list("pk", flat=True))

    def lines(self, group: Sequence[AuditEntry]) -> list[AuditLine]:
        first = group[0]
        if first.session_id is None:
            return [self._single(group)]
        spans = _in_the_call(spans_of(group))
        return [self._span(span, first) for span in reversed(spans)]

    def _single(self, group: Sequence[AuditEntry]) -> AuditLine:
        last = group[-1]  # the newest step of a command
        detail = self._words.detail(last, for_staff=self._for_staff)
        return replace(self._line(group[0], group), text=self._words.entry(last), role=last.role, why=detail)

    def _span(self, span: Span, first: AuditEntry) -> AuditLine:
        return replace(
            self._line(first, span.entries),
            at=span.since,
            until=span.until,
            lasts=True,
            text=self._words.span(span, first),
            role=span.role,
            names=self._words.listed(span.targets),
            proof=_proof(span),
            proven=span.verified and not span.contradicted,
            why=why_ended(span),
        )

    def _line(self, first: AuditEntry, entries: Iterable[AuditEntry]) -> AuditLine:
        return AuditLine(
            at=first.at,
            until=None,
            lasts=False,
            text="",
            who=who(first),
            icon=ICONS.get(first.action, "headset"),
            role="",
            names="",
            call=call_of(first),
            conference=first.conference_id if first.conference_id in self._open_to_reader else None,
            proof="",
            proven=False,
            why="",
            entries=tuple(self._raw(entry) for entry in entries) if self._with_entries else (),
        )

    def _raw(self, entry: AuditEntry) -> RawEntry:
        return RawEntry(
            at=entry.at,
            text=self._words.entry(entry),
            cause=str(entry.get_cause_display()),
            detail=self._words.detail(entry, for_staff=self._for_staff),
        )


def _in_the_call(spans: Sequence[Span]) -> list[Span]:
    """Return the spans in the call, and with the next of them the entries of what came before; all where none is."""
    if not any(span.role for span in spans):
        return list(spans)
    told: list[Span] = []
    before: tuple[AuditEntry, ...] = ()
    for span in spans:
        if span.role:
            told.append(replace(span, entries=(*before, *span.entries)))
            before = ()
        else:
            before += span.entries
    if before:
        told[-1] = replace(told[-1], entries=(*told[-1].entries, *before))
    return told


def _proof(span: Span) -> str:
    if not span.role:
        return ""
    if span.contradicted:
        return _("not verified: Telnyx showed something else")
    return _("verified") if span.verified else _("not verified")


def _names_of(targets: set[object]) -> dict[str, str]:
    ids = [UUID(str(target)) for target in targets if _is_uuid(str(target))]
    legs = Leg.objects.filter(pk__in=ids).select_related("agent")
    return {str(leg.pk): names.leg_name(leg) for leg in legs}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
