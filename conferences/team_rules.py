"""Finds the rule that says whose a call is, and stores it with the call, so that one query finds what somebody sees.

The first rule that matches counts. A rule looks at the call's name and connection, and at the legs that were ever in
it, supervisors' apart: so any order of webhooks gives the same rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from conferences.changes import board_hold
from conferences.fast_sql import has_rows, load_rows, set_columns
from conferences.models import Conference, Connection, Leg, Participant, TeamRule
from conferences.patterns import matches, written_numbers

BATCH = 200  # conferences per transaction: the intake waits for a few milliseconds, not for the whole floor
SETTLED_EVERY = timedelta(seconds=60)
LooksAt = TeamRule.LooksAt


@dataclass(frozen=True, slots=True)
class Marks:
    """The values of a conference or a leg that rules look at."""

    name: str = ""
    connections: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()

    @property
    def by_sort(self) -> Mapping[str, frozenset[str]]:
        """The values of each sort that a rule may look at."""
        return {
            LooksAt.NAME: frozenset({self.name}) - {""},
            LooksAt.CONNECTION: self.connections,
            LooksAt.NUMBER: self.numbers,
            LooksAt.QUEUE: self.queues,
        }


class Rules:
    """The rules in their order."""

    def __init__(self, rows: Iterable[TeamRule], connections: Iterable[Connection] = ()) -> None:
        self.rows = sorted(rows, key=lambda rule: (rule.place, rule.pk))
        self.by_id = {rule.pk: rule for rule in self.rows}
        # A rule may name a connection as people do.
        self._names: dict[str, set[str]] = defaultdict(set)
        for connection in connections:
            if connection.name:
                self._names[connection.connection_id].add(connection.name)

    @property
    def content(self) -> object:
        """Everything that decides whose a call is, to be compared."""
        rows = [(rule.pk, rule.place, rule.looks_at, rule.pattern, rule.team_id, rule.for_leads) for rule in self.rows]
        return rows, self._names

    @property
    def look_at_legs(self) -> bool:
        """Return whether some rule looks at who is in a call."""
        return any(rule.looks_at_legs for rule in self.rows)

    @property
    def catch_everything(self) -> bool:
        """Return whether some rule matches every call."""
        return any(rule.looks_at == LooksAt.ANY for rule in self.rows)

    def first(self, marks: Marks) -> TeamRule | None:
        """Return the first rule that matches."""
        named = frozenset(name for id_ in marks.connections for name in self._names.get(id_, ()))
        values = {**marks.by_sort, LooksAt.CONNECTION: marks.connections | named}
        return next((rule for rule in self.rows if _is_met(rule, values)), None)


def _is_met(rule: TeamRule, values: Mapping[str, frozenset[str]]) -> bool:
    return rule.looks_at == LooksAt.ANY or any(matches(rule.pattern, value) for value in values[rule.looks_at])


def read_rules() -> Rules:
    """Read every rule: one query, and one more where a rule looks at a connection, which people name."""
    rows = load_rows(TeamRule)
    by_connection = any(rule.looks_at == LooksAt.CONNECTION for rule in rows)
    return Rules(rows, load_rows(Connection) if by_connection else ())


def marks_of_leg(leg: Leg) -> Marks:
    """Return what rules look at on one leg: the number that somebody dialled is that of an incoming leg."""
    if leg.party == Leg.Party.SUPERVISOR:
        return Marks()
    dialled = written_numbers(leg.to_address) if leg.direction == "incoming" else frozenset[str]()
    return Marks(
        connections=frozenset({leg.connection_id}) - {""}, numbers=dialled, queues=frozenset({leg.queue}) - {""}
    )


def marks_of(conference: Conference, legs: Iterable[Leg]) -> Marks:
    """Return what rules look at in a conference."""
    found = [marks_of_leg(leg) for leg in legs]
    return Marks(
        name=conference.name,
        connections=frozenset({conference.connection_id}).union(*(one.connections for one in found)) - {""},
        numbers=frozenset[str]().union(*(one.numbers for one in found)),
        queues=frozenset[str]().union(*(one.queues for one in found)),
    )


def legs_of(conferences: Collection[UUID]) -> dict[UUID, list[Leg]]:
    """Return the legs that were ever in these conferences: two queries."""
    participants = load_rows(Participant, defer=("facts", "whisper_call_control_ids"), conference_id=list(conferences))
    ids = {participant.leg_id for participant in participants}
    legs = {leg.pk: leg for leg in load_rows(Leg, defer=("facts",), id=ids)} if ids else {}
    found: dict[UUID, list[Leg]] = defaultdict(list)
    for participant in participants:
        if participant.leg_id in legs:
            found[participant.conference_id].append(legs[participant.leg_id])
    return found


def settle(
    conferences: Sequence[Conference], *, legs_moved: Collection[UUID] = (), rules: Rules | None = None, version: int
) -> bool:
    """Store which rule says whose these are, under the version's lock; return whether that changed for one.

    `legs_moved` are other conferences whose legs have changed: they are read where a rule looks at legs.
    """
    rules = rules or read_rules()
    others = set(legs_moved) - {conference.pk for conference in conferences} if rules.look_at_legs else set()
    every = [*conferences, *(load_rows(Conference, defer=("facts", "talk"), id=list(others)) if others else ())]
    legs = legs_of([conference.pk for conference in every]) if rules.look_at_legs else {}
    moved: dict[int | None, list[UUID]] = defaultdict(list)
    for conference in every:
        rule = rules.first(marks_of(conference, legs.get(conference.pk, ())))
        if conference.rule_id != (rule.pk if rule else None):
            moved[rule.pk if rule else None].append(conference.pk)
    for rule_id, ids in moved.items():
        set_columns(Conference, {"rule_id": rule_id, "version": version}, id=ids)
    return bool(moved)


def settle_live(*, rules: Rules | None = None, push: bool, now: datetime) -> None:
    """Settle every live conference, some at a time; with `push` all are shown anew.

    Where a rule was deleted, or gives its calls to another team, nothing else tells the screens.
    """
    rules = rules or read_rules()
    ids = list(Conference.objects.filter(ended_at=None).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        with board_hold(now=now) as change:
            rows = load_rows(Conference, defer=("facts", "talk"), id=ids[start : start + BATCH])
            change.changed |= settle(rows, rules=rules, version=change.version)
            if push:
                change.touch(*rows)


class RuleWatch:
    """Notices that rules have changed, in whatever way, and settles the live conferences then; at times in any case."""

    def __init__(self) -> None:
        self._known: object = None
        self._settled_at: datetime | None = None

    def step(self, *, now: datetime) -> None:
        """Look once."""
        rules = read_rules()
        changed = rules.content != self._known
        is_due = self._settled_at is None or now - self._settled_at >= SETTLED_EVERY
        if changed or is_due or _some_are_unsettled(rules):
            settle_live(rules=rules, push=changed, now=now)
            self._known, self._settled_at = rules.content, now


def _some_are_unsettled(rules: Rules) -> bool:
    """Return whether a live call lacks the rule that it must have: a node of the release before has stored it."""
    return rules.catch_everything and has_rows(Conference, ended_at=None, rule_id=None)
