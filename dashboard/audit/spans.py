"""Groups the audit entries of one listening into spans of one role; a pure function over entries in their order.

A span begins where Telnyx accepted a role, or may have executed a louder one; it never ends earlier than it may have
been in force. So what is told as audible may have been silent, and never the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from conferences.models import AuditEntry, Command
from conferences.models.records import command_action
from conferences.models.supervision import Role

Action = AuditEntry.Action
Kind = Command.Kind
State = Command.State
Phase = tuple[str, tuple[str, ...]]
"""A role and whom it reaches; no role while the phone is not in the call."""

OUTSIDE: Phase = ("", ())
STEPS = {command_action(kind, state): (kind, state) for kind in Kind for state in State}
LOUDNESS = {"": -1, Role.MONITOR: 0, Role.WHISPER: 1, Role.BARGE: 2, Role.NONE: 2}
IN_FORCE = {State.ACCEPTED, State.VERIFIED, State.UNCONFIRMED}
MAYBE_IN_FORCE = {State.ACCEPTED, State.VERIFIED, State.UNKNOWN}
READ_FROM_TELNYX = {Action.ADOPTED, Action.ROLE_SEEN}


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a listening in which the role and those whom it reached stayed the same."""

    role: str
    """Empty while the phone was not in the call."""
    targets: tuple[str, ...]
    since: datetime
    until: datetime | None
    """None where it goes on."""
    verified: bool
    contradicted: bool
    entries: tuple[AuditEntry, ...]
    ended_by: AuditEntry | None

    def seconds(self, *, now: datetime) -> float:
        """Return how long it lasted, or has lasted so far."""
        return ((self.until or now) - self.since).total_seconds()


def spans_of(entries: Sequence[AuditEntry]) -> tuple[Span, ...]:
    """Return the spans of one listening: each begins where the one before ends, and each entry is in one of them."""
    grouping = _Grouping()
    for place, entry in enumerate(entries):
        grouping.add(place, entry)
    return tuple(grouping.spans)


@dataclass(slots=True)
class _Growing:
    """A span that is being read."""

    phase: Phase
    since: datetime
    asked_at: int
    """The place of the entry with which it was asked for, or seen."""
    until: datetime | None = None
    verified: bool = False
    contradicted: bool = False
    entries: list[AuditEntry] = field(default_factory=list)
    ended_by: AuditEntry | None = None


class _Grouping:
    def __init__(self) -> None:
        self._spans: list[_Growing] = []
        self._asked: dict[UUID, int] = {}

    @property
    def spans(self) -> list[Span]:
        return [
            Span(
                role=span.phase[0],
                targets=span.phase[1],
                since=span.since,
                until=span.until,
                verified=span.verified,
                contradicted=span.contradicted,
                entries=tuple(span.entries),
                ended_by=span.ended_by,
            )
            for span in self._spans
        ]

    def add(self, place: int, entry: AuditEntry) -> None:
        """Put the next entry into the last span, or begin another with it."""
        asked_at = self._asked.setdefault(entry.command_id, place) if entry.command_id else place
        if not self._spans:
            self._begin(OUTSIDE, entry.at, asked_at)
        current = self._spans[-1]
        if current.until is not None:
            current = self._after_the_end(current, entry, asked_at)
        phase = _phase_after(current, entry, asked_at) if current.until is None else None
        if phase is not None and phase != current.phase:
            current = self._change(current, phase, entry, asked_at)
        elif phase is not None:
            current.asked_at = max(current.asked_at, asked_at)  # asked for once more
        current.entries.append(entry)
        self._note_proof(current, entry, asked_at)
        if current.until is None and self._ends(entry):
            current.until, current.ended_by = entry.at, entry

    def _begin(self, phase: Phase, since: datetime, asked_at: int) -> _Growing:
        self._spans.append(_Growing(phase, since, asked_at))
        return self._spans[-1]

    def _change(self, current: _Growing, phase: Phase, entry: AuditEntry, asked_at: int) -> _Growing:
        if not current.entries and current.since == entry.at:
            self._spans.pop()  # nothing was told of it
        else:
            current.until, current.ended_by = entry.at, entry
        return self._begin(phase, entry.at, asked_at)

    def _after_the_end(self, last: _Growing, entry: AuditEntry, asked_at: int) -> _Growing:
        """Return where an entry after the end belongs: to the last span, unless the phone was found inside again."""
        if entry.action != Action.FOUND_INSIDE or last.until is None:
            return last
        if last.until < entry.at:
            away = self._begin(OUTSIDE, last.until, asked_at)
            away.until, away.ended_by = entry.at, entry
        return self._begin((Role.MONITOR, ()), entry.at, asked_at)

    def _ends(self, entry: AuditEntry) -> bool:
        """Return whether the listening is over; one that was found again is ended by its leave, not a second time."""
        if entry.action == Action.ENDED:
            return True
        ended_before = any(span.until is not None and _is_end(span.ended_by) for span in self._spans[:-1])
        return ended_before and STEPS.get(entry.action) in {(Kind.LEAVE, State.VERIFIED), (Kind.HANGUP, State.VERIFIED)}

    def _note_proof(self, current: _Growing, entry: AuditEntry, asked_at: int) -> None:
        if asked_at < current.asked_at or (entry.role, tuple(entry.targets)) != current.phase:
            return
        kind, state = STEPS.get(entry.action, (None, None))
        if entry.action in READ_FROM_TELNYX or (kind in {Kind.JOIN, Kind.UPDATE} and state == State.VERIFIED):
            current.verified = True
        elif kind in {Kind.JOIN, Kind.UPDATE} and state == State.CONTRADICTED:
            current.contradicted = True


def _is_end(entry: AuditEntry | None) -> bool:
    return entry is not None and entry.action == Action.ENDED


def _phase_after(current: _Growing, entry: AuditEntry, asked_at: int) -> Phase | None:
    """Return the role in force after an entry, None where it changes nothing."""
    phase = (entry.role, tuple(str(target) for target in entry.targets))
    if entry.action in READ_FROM_TELNYX:
        return phase
    kind, state = STEPS.get(entry.action, (None, None))
    if kind not in {Kind.JOIN, Kind.UPDATE} or state is None or not entry.role:
        return None
    louder = LOUDNESS[entry.role] > LOUDNESS[current.phase[0]]
    if asked_at < current.asked_at:
        # Asked before the role in force: only a louder one may have been executed after it.
        return phase if louder and state in MAYBE_IN_FORCE else None
    return phase if state in IN_FORCE or (louder and state == State.UNKNOWN) else None
