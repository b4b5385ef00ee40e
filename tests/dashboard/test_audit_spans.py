"""Checks how the entries of one listening become spans: none is lost, the times add up, nothing loud is silent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as some

from conferences.models import AuditEntry, Cause, Command
from conferences.models.records import audit_actions
from conferences.models.supervision import Role
from dashboard.audit.spans import Span, spans_of

Action = AuditEntry.Action
BEGIN = datetime(2026, 8, 21, 14, 0, tzinfo=UTC)
ANA, MAX = str(UUID(int=71)), str(UUID(int=72))


def told(*steps: tuple[int, str, str, int] | tuple[int, str, str, int, list[str]]) -> list[AuditEntry]:
    """Return entries: so many seconds after the beginning, an action, its role, the number of its command, for whom."""
    return [
        AuditEntry(
            at=BEGIN + timedelta(seconds=step[0]),
            action=step[1],
            role=step[2],
            command_id=UUID(int=step[3]) if step[3] else None,
            targets=step[4] if len(step) == 5 else [],
        )
        for step in steps
    ]


def seconds(spans: Sequence[Span], *, now: int = 1000) -> list[tuple[str, float]]:
    return [(span.role, span.seconds(now=BEGIN + timedelta(seconds=now))) for span in spans]


JOINED = ((0, "entering", "monitor", 0), (2, "join asked", "monitor", 1), (3, "join accepted", "monitor", 1))
WHISPERED = ((60, "update asked", "whisper", 2, [ANA]), (61, "update accepted", "whisper", 2, [ANA]))


def test_a_listening_is_told_as_one_span_for_each_role_and_those_whom_it_reached() -> None:
    spans = spans_of(
        told(
            *JOINED,
            (4, "join verified", "monitor", 1),
            *WHISPERED,
            (63, "update verified", "whisper", 2, [ANA]),
            (100, "update asked", "whisper", 3, [ANA, MAX]),
            (101, "update accepted", "whisper", 3, [ANA, MAX]),
            (110, "leave asked", "", 4),
            (111, "ended", "", 0),
        )
    )
    assert seconds(spans) == [("", 3), ("monitor", 58), ("whisper", 40), ("whisper", 10)]
    assert [span.targets for span in spans] == [(), (), (ANA,), (ANA, MAX)]
    assert [span.verified for span in spans] == [False, True, True, False]
    assert spans[-1].ended_by is not None
    assert spans[-1].ended_by.action == Action.ENDED


def test_one_that_has_no_end_goes_on() -> None:
    spans = spans_of(told(*JOINED))
    assert spans[-1].until is None
    assert seconds(spans, now=33)[-1] == ("monitor", 30)


def test_a_louder_role_without_an_answer_counts_from_then_on() -> None:
    spans = spans_of(told(*JOINED, (9, "update asked", "barge", 2), (12, "update unknown", "barge", 2)))
    assert seconds(spans, now=20)[-1] == ("barge", 8)
    assert not spans[-1].verified


def test_a_quieter_role_without_an_answer_changes_nothing() -> None:
    spans = spans_of(
        told(*JOINED, *WHISPERED, (70, "update asked", "monitor", 3), (71, "update unknown", "monitor", 3))
    )
    assert spans[-1].role == Role.WHISPER


def test_a_monitor_that_was_asked_before_a_whisper_and_answered_after_it_does_not_hide_the_whisper() -> None:
    spans = spans_of(
        told(
            *JOINED,
            (59, "update asked", "monitor", 5),
            *WHISPERED,
            (62, "update accepted", "monitor", 5),
        )
    )
    assert [span.role for span in spans] == ["", "monitor", "whisper"]


def test_a_whisper_that_was_replaced_by_monitor_does_not_come_back_when_it_is_given_up() -> None:
    spans = spans_of(
        told(
            *JOINED,
            *WHISPERED,
            (70, "update asked", "monitor", 3),
            (71, "update accepted", "monitor", 3),
            (72, "update unconfirmed", "whisper", 2, [ANA]),
        )
    )
    assert [span.role for span in spans] == ["", "monitor", "whisper", "monitor"]


def test_what_telnyx_refused_or_contradicted_is_told_as_it_was() -> None:
    refused = spans_of(told(*JOINED, (9, "update asked", "barge", 2), (10, "update rejected", "barge", 2)))
    assert [span.role for span in refused] == ["", "monitor"]
    contradicted = spans_of(told(*JOINED, *WHISPERED, (66, "update contradicted", "whisper", 2, [ANA])))
    assert contradicted[-1].contradicted


def test_a_phone_that_was_found_inside_after_it_had_left_is_a_span_of_its_own_until_it_is_out() -> None:
    spans = spans_of(
        told(
            *JOINED,
            (10, "ended", "", 0),
            (50, "found inside", "", 0),
            (50, "leave asked", "", 6),
            (54, "leave verified", "", 6),
        )
    )
    assert seconds(spans) == [("", 3), ("monitor", 7), ("", 40), ("monitor", 4)]


def test_a_phone_that_the_phone_system_brought_is_inside_from_the_first_sight() -> None:
    spans = spans_of(told((0, "adopted", "whisper", 0, [ANA]), (9, "role seen", "barge", 0), (12, "ended", "", 0)))
    assert seconds(spans) == [("whisper", 9), ("barge", 3)]
    assert all(span.verified for span in spans)


entries = some.lists(
    some.builds(
        AuditEntry,
        id=some.just(None),
        at=some.integers(0, 30).map(lambda second: BEGIN + timedelta(seconds=second)),
        action=some.sampled_from([value for value, _label in audit_actions()]),
        cause=some.sampled_from(Cause.values),
        role=some.sampled_from(["", *Role.values]),
        command_id=some.none() | some.integers(1, 3).map(lambda number: UUID(int=number)),
        targets=some.sampled_from([[], [ANA], [ANA, MAX]]),
    ),
    min_size=1,
    max_size=25,
).map(lambda made: sorted(made, key=lambda entry: entry.at))


@given(entries)
def test_no_entry_is_lost_and_none_is_told_twice(given_entries: list[AuditEntry]) -> None:
    told_entries = [entry for span in spans_of(given_entries) for entry in span.entries]
    assert [id(entry) for entry in told_entries] == [id(entry) for entry in given_entries]


@given(entries)
def test_the_spans_last_as_long_as_the_listening_without_a_gap(given_entries: list[AuditEntry]) -> None:
    spans, now = spans_of(given_entries), BEGIN + timedelta(minutes=5)
    for span, following in itertools.pairwise(spans):
        assert span.until == following.since
    end = spans[-1].until or now
    assert spans[0].since == given_entries[0].at
    assert sum(span.seconds(now=now) for span in spans) == (end - given_entries[0].at).total_seconds()


@given(entries)
def test_only_the_last_span_goes_on_and_no_span_ends_before_it_begins(given_entries: list[AuditEntry]) -> None:
    spans = spans_of(given_entries)
    assert all(span.until is not None for span in spans[:-1])
    assert all(span.until is None or span.until >= span.since for span in spans)


@given(entries)
def test_two_spans_in_a_row_differ_unless_an_end_lies_between(given_entries: list[AuditEntry]) -> None:
    spans = spans_of(given_entries)
    for span, following in itertools.pairwise(spans):
        is_same = (span.role, span.targets) == (following.role, following.targets)
        assert not is_same or not following.entries or following.entries[0].action == Action.FOUND_INSIDE


@given(entries, some.integers(0, 24))
def test_what_is_told_of_the_past_does_not_change_with_what_comes(given_entries: list[AuditEntry], place: int) -> None:
    """A span that was over stays as it was: only the last one grows."""
    earlier = spans_of(given_entries[: place + 1])
    for before, after in zip(earlier[:-1], spans_of(given_entries), strict=False):
        assert (before.role, before.targets, before.since, before.until) == (
            after.role, after.targets, after.since, after.until,
        )  # fmt: skip


def test_every_step_of_a_role_is_understood() -> None:
    """A command's step that nobody groups would be silently a part of the span before it."""
    assert {f"{kind} {state}" for kind in Command.Kind.values for state in Command.State.values} < {
        value for value, _label in audit_actions()
    }
