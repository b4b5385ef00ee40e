"""The audit is only added to: the database refuses the rest, and the chain shows what somebody did all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import ProtectedError
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from conferences import audit
from conferences.audit_chain import sealing, verification
from conferences.audit_chain.hashes import entry_bytes, entry_hash
from conferences.audit_chain.removal import opened_for_removal
from conferences.audit_chain.sealing import Sealer
from conferences.audit_chain.verification import Broken, verify
from conferences.models import (
    Account,
    AuditAnchor,
    AuditEntry,
    AuditOpening,
    AuditSeal,
    AuditSegment,
    Conference,
)
from conferences.models.supervision import Role
from conferences.retention import delete_old_rows
from conferences.worker import seal_audit
from dashboard import cli

CHAIN = [AuditEntry, AuditSegment, AuditSeal, AuditAnchor]
ENTRIES, SEGMENTS = 7, 3
Entries = list[AuditEntry]


@pytest.fixture
def entries(account: Account, kim: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Entries:
    """Return seven entries, which the fixture `sealed` puts into segments of three, three and one."""
    monkeypatch.setattr(sealing, "BATCH", 3)
    conference = Conference.objects.create(account=account, telnyx_id="c1", name="Billing-4312")
    for number in range(ENTRIES):
        audit.record(
            AuditEntry.Action.ENTERING,
            at=now + timedelta(seconds=number),
            actor=kim,
            conference=conference,
            role=Role.WHISPER,
            targets=["Ana Ruiz", f"leg {number}"],
            detail="“Käse” \N{SLIGHTLY SMILING FACE}",
        )
    return list(AuditEntry.objects.order_by("pk"))


@pytest.fixture
def sealed(entries: Entries, now: datetime) -> Entries:
    """Return them in three segments, as the worker seals them."""
    seal(now)
    return entries


def seal(now: datetime) -> None:
    sealer = Sealer()
    while sealer.step(now=now) == sealing.BATCH:
        pass


# --- Sealing ----------------------------------------------------------------------------------------------------------


def test_entries_are_sealed_in_batches_and_the_chain_holds(sealed: Entries) -> None:
    report = verify()
    assert (report.entries, report.segments, report.unsealed) == (ENTRIES, SEGMENTS, 0)
    assert [segment.entries for segment in AuditSegment.objects.order_by("number")] == [3, 3, 1]
    assert report.newest == AuditSegment.objects.get(number=SEGMENTS)


def test_nothing_new_makes_no_segment(sealed: Entries, now: datetime) -> None:
    assert Sealer().step(now=now) == 0
    assert AuditSegment.objects.count() == SEGMENTS


@pytest.mark.parametrize("whole_look", [False, True], ids=["among the last ids", "far behind them"])
def test_an_entry_that_is_committed_after_one_with_a_higher_id_is_sealed_too(
    account: Account, now: datetime, monkeypatch: pytest.MonkeyPatch, *, whole_look: bool
) -> None:
    monkeypatch.setattr(sealing, "LOOK_BACK", 10 if whole_look else 500)
    sealer = Sealer()
    AuditEntry.objects.create(pk=1000, at=now, action="ended", account=account)
    sealer.step(now=now)
    AuditEntry.objects.create(pk=700, at=now, action="ended", account=account)
    sealer.step(now=now)
    assert verify().unsealed == (1 if whole_look else 0)
    sealer.step(now=now + timedelta(hours=1))
    assert verify().unsealed == 0


def test_two_workers_at_once_seal_an_entry_once(
    entries: Entries, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them has lost its lease; both have read the same entries and the same end of the chain."""
    monkeypatch.setattr(sealing, "last_link", lambda: (0, ""))
    slow, quick = entries[:2], entries[1:3]
    sealing.add_segment(quick, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        sealing.add_segment(slow, now=now)
    assert verify().entries == len(quick)


class OneStep:
    """Holds the lease for so many steps, and is told to stop afterwards."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def is_ours(self, *, now: datetime) -> bool:
        self.steps -= 1
        return self.steps >= 0

    def wait(self, seconds: float) -> bool:
        return False


def test_the_worker_seals_no_batch_without_its_lease(entries: Entries) -> None:
    worker: Any = OneStep(2)
    seal_audit(worker, Sealer(), worker)
    assert verify().segments == 2


# --- No way to change or delete ---------------------------------------------------------------------------------------


@pytest.fixture
def removed(entries: Entries, settings: Settings, now: datetime) -> Entries:
    """Let retention remove the first segment, which was sealed ten days before the others; return what is left."""
    settings.AUDIT_KEPT_DAYS = 365
    Sealer().step(now=now)
    seal(now + timedelta(days=10))
    assert delete_old_rows(now=now + timedelta(days=366)) == 3
    return entries[3:]


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize("model", CHAIN, ids=lambda model: model.__name__)
def test_the_database_refuses_to_change_or_delete_a_row(model: type[models.Model]) -> None:
    connection.check_constraints()
    table, column = model._meta.db_table, model._meta.concrete_fields[-1].column
    statements = [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"]
    if connection.vendor == "postgresql":
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert model._default_manager.exists()


def test_an_entry_without_a_seal_is_protected_too(entries: Entries) -> None:
    for change in (AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(detail="nothing happened")):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        entries[0].save()


def test_a_supervisor_who_is_in_the_audit_cannot_be_deleted(sealed: Entries, kim: User) -> None:
    with pytest.raises(ProtectedError):
        kim.delete()


def test_other_rows_are_deleted_as_before(sealed: Entries, account: Account, omar: User) -> None:
    Conference.objects.all().delete()
    omar.delete()
    assert verify().entries == ENTRIES


def test_the_way_past_the_refusal_ends_with_its_transaction(
    transactional_db: None, account: Account, now: datetime
) -> None:
    """A row that stands for it cannot be committed: it would let everybody delete."""
    AuditEntry.objects.create(at=now, action="ended", account=account)
    with pytest.raises(IntegrityError):
        delete_and_leave_the_way_open()
    with opened_for_removal():
        pass
    assert not AuditOpening.objects.exists()
    with pytest.raises(IntegrityError, match="append-only"):
        AuditEntry.objects.all().delete()


@transaction.atomic
def delete_and_leave_the_way_open() -> None:
    AuditOpening.objects.create()
    AuditEntry.objects.all().delete()


def test_a_way_past_the_refusal_that_could_be_committed_is_refused(transactional_db: None) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditOpening.objects.create(never_id=1)


# --- What the chain shows of somebody who gets round the database ---------------------------------------------------


@contextmanager
def owning_the_database() -> Iterator[None]:
    """Let somebody write what they like, without triggers and foreign keys; everything is as before afterwards."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                for (name,) in cursor.fetchall():
                    cursor.execute(f"DROP TRIGGER {name}")
            else:
                cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        transaction.set_rollback(True)


def problem(*, noted: str = "") -> str:
    """Return the sentence about what does not hold; empty where the chain holds."""
    try:
        verify(noted=noted)
    except Broken as broken:
        return str(broken)
    return ""


def another(value: Any) -> Any:
    """Return another value of the same kind."""
    match value:
        case bool() | int():
            return value + 1000
        case str():
            return value[:-1] if value else "x"
        case datetime():
            return value + timedelta(microseconds=1)
        case UUID():
            return UUID(int=value.int ^ 1)
        case list():
            return value[::-1]
    raise TypeError(value)


COLUMNS = [field.attname for field in AuditEntry._meta.concrete_fields]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_field_of_any_sealed_entry_is_found(sealed: Entries, column: str) -> None:
    kinds = {"session_id": UUID(int=5), "command_id": UUID(int=6), "cause": "key"}
    for place, entry in enumerate(sealed):
        new = another(getattr(entry, column)) if column not in kinds else kinds[column]
        with owning_the_database():
            AuditEntry.objects.filter(pk=entry.pk).update(**{column: new})
            told = problem()
        where = f"segment {place // 3 + 1}"
        changed = (
            f"Entry {entry.pk} was removed from {where}."
            if column == "id"
            else f"Entry {entry.pk} in {where} was changed."
        )
        assert told == changed
    assert problem() == ""


@pytest.mark.parametrize(
    "column", ["actor_id", "account_id", "conference_id", "conference_name", "role", "targets", "detail"]
)
def test_an_emptied_field_of_any_sealed_entry_is_found(sealed: Entries, column: str) -> None:
    empty = AuditEntry()
    for entry in sealed:
        with owning_the_database():
            AuditEntry.objects.filter(pk=entry.pk).update(**{column: getattr(empty, column)})
            assert f"Entry {entry.pk}" in problem()


@pytest.mark.parametrize("model", [AuditSegment, AuditSeal])
def test_a_changed_field_of_any_segment_or_seal_is_found(sealed: Entries, model: type[models.Model]) -> None:
    for row in model._default_manager.order_by("pk"):
        for field in model._meta.concrete_fields:
            with owning_the_database():
                new = another(getattr(row, field.attname))
                model._default_manager.filter(pk=row.pk).update(**{field.attname: new})
                assert problem() != "", (row, field.name)


def test_a_value_that_no_field_can_hold_is_found_or_not_stored_at_all(sealed: Entries) -> None:
    garbage: dict[str, list[str | bytes]] = {
        "at": ["x", "2026-13-45 99:00:00"],
        "conference_id": ["x"],
        "detail": [b"\xff"],
    }
    for column, values in garbage.items():
        for value in values:
            with owning_the_database(), connection.cursor() as cursor:
                asked = f"UPDATE {AuditEntry._meta.db_table} SET {column} = CAST(%s AS TEXT) WHERE id = %s"
                try:
                    with transaction.atomic():
                        cursor.execute(asked, [value, sealed[4].pk])
                except DatabaseError:
                    assert connection.vendor == "postgresql", "SQLite stores a value of any type"
                    continue
                assert problem() == f"Entry {sealed[4].pk} in segment 2 was changed."


def delete_alone(model: type[models.Model], pk: int) -> None:
    """Delete a row without what refers to it."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE {model._meta.pk.column} = %s", [pk])


def test_a_deleted_entry_is_found_with_or_without_its_seal(sealed: Entries) -> None:
    for place, entry in enumerate(sealed):
        with owning_the_database():
            delete_alone(AuditEntry, entry.pk)
            assert problem() == f"Entry {entry.pk} was removed from segment {place // 3 + 1}."
            AuditSeal.objects.filter(pk=entry.pk).delete()
            assert problem().startswith(f"Entries were removed from segment {place // 3 + 1}")


def test_a_deleted_segment_is_found(sealed: Entries) -> None:
    for number in range(1, SEGMENTS + 1):
        with owning_the_database():
            delete_alone(AuditSegment, number)
            assert f"Segment {number} was removed" in problem()


def test_a_segment_that_was_deleted_with_its_entries_is_found(sealed: Entries) -> None:
    """The newest one leaves no trace inside; the hash that was noted outside shows it."""
    noted = AuditSegment.objects.get(pk=SEGMENTS).hash
    for number in range(1, SEGMENTS + 1):
        with owning_the_database():
            delete_segment(number)
            assert f"Segment {number} was removed" in problem() or number == SEGMENTS
            assert problem(noted=noted) != ""


def delete_segment(number: int) -> None:
    """Delete a segment with its seals and entries, as somebody would who knows the tables."""
    seals = AuditSeal.objects.filter(segment=number)
    entries = list(seals.values_list("entry", flat=True))
    seals.delete()
    AuditEntry.objects.filter(pk__in=entries).delete()
    AuditSegment.objects.filter(pk=number).delete()


def test_swapped_segments_are_found(sealed: Entries) -> None:
    for one, other in ((1, 2), (2, 3), (1, 3)):
        with owning_the_database():
            for old, new in ((one, 99), (other, one), (99, other)):
                AuditSegment.objects.filter(pk=old).update(number=new)
                AuditSeal.objects.filter(segment=old).update(segment=new)
            assert f"Segment {one} was changed or put in another place" in problem()


def test_swapped_entries_are_found(sealed: Entries) -> None:
    with owning_the_database():
        for old, new in ((0, 99), (2, 0), (99, 2)):
            AuditSeal.objects.filter(segment=2, position=old).update(position=new)
        assert problem() == "Segment 2 was changed, or its entries were put in another order."


def test_an_entry_that_was_added_to_a_sealed_segment_is_found(sealed: Entries, now: datetime) -> None:
    with owning_the_database():
        added = AuditEntry.objects.create(at=now, action="ended")
        AuditSeal.objects.create(entry=added, segment_id=2, position=3, hash=entry_hash(added))
        assert problem() == "Entries were added to segment 2: 4 instead of 3."


def test_a_chain_that_was_written_anew_holds_but_lacks_the_hash_that_was_noted(sealed: Entries, now: datetime) -> None:
    noted = AuditSegment.objects.get(pk=SEGMENTS).hash
    assert problem(noted=noted) == ""
    with owning_the_database():
        AuditSeal.objects.all().delete()
        AuditSegment.objects.all().delete()
        AuditEntry.objects.filter(pk=sealed[0].pk).update(role=Role.MONITOR)
        seal(now)
        assert problem() == ""
        assert "written anew" in problem(noted=noted)


# --- Retention --------------------------------------------------------------------------------------------------------


def test_the_audit_stays_without_end_unless_an_operator_says_how_long(sealed: Entries, now: datetime) -> None:
    assert delete_old_rows(now=now + timedelta(days=10_000)) == 0
    assert verify().entries == ENTRIES


def test_whole_old_segments_go_and_the_chain_still_holds(removed: Entries, now: datetime) -> None:
    assert list(AuditEntry.objects.order_by("pk")) == removed
    report = verify()
    assert report.anchor
    assert (report.entries, report.anchor.number) == (ENTRIES - 3, 1)
    assert delete_old_rows(now=now + timedelta(days=366)) == 0


def test_what_is_sealed_after_everything_old_has_gone_continues_the_chain(removed: Entries, now: datetime) -> None:
    noted = AuditSegment.objects.get(pk=SEGMENTS).hash
    while delete_old_rows(now=now + timedelta(days=400)):
        pass
    assert not AuditEntry.objects.exists()
    AuditEntry.objects.create(at=now, action="ended")
    seal(now + timedelta(days=400))
    assert AuditSegment.objects.get().number == SEGMENTS + 1
    assert problem(noted=noted) == ""


def test_what_retention_has_not_sealed_yet_stays(entries: Entries, settings: Settings, now: datetime) -> None:
    settings.AUDIT_KEPT_DAYS = 365
    assert delete_old_rows(now=now + timedelta(days=10_000)) == 0
    assert AuditEntry.objects.count() == ENTRIES


def test_an_anchor_that_somebody_wrote_to_hide_a_segment_is_found(removed: Entries, now: datetime) -> None:
    with owning_the_database():
        delete_segment(2)
        AuditAnchor.objects.update(number=2)
        assert "Segment 3 was changed or put in another place" in problem()


def test_a_hash_that_retention_has_removed_is_told_as_such(entries: Entries, settings: Settings, now: datetime) -> None:
    settings.AUDIT_KEPT_DAYS = 365
    seal(now)
    noted = AuditSegment.objects.get(pk=1).hash
    while delete_old_rows(now=now + timedelta(days=366)):
        pass
    assert "a segment that retention has removed (up to number 3)" in problem(noted=noted)


def test_a_walk_that_retention_overtakes_begins_again(
    sealed: Entries, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUDIT_KEPT_DAYS = 365
    read = verification.read_entries

    def overtaken(**between: int) -> Mapping[int, AuditEntry | None]:
        delete_old_rows(now=now + timedelta(days=366))
        return read(**between)

    monkeypatch.setattr(verification, "read_entries", overtaken)
    assert verify().entries == 0


# --- The command ------------------------------------------------------------------------------------------------------


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_holds_and_the_newest_hash(sealed: Entries, now: datetime) -> None:
    AuditEntry.objects.create(at=now, action="ended")
    newest = AuditSegment.objects.get(pk=SEGMENTS).hash
    assert told() == (
        "The audit holds. Entries: 7, segments: 3.\n"
        "Newest segment: number 3, sealed on 2026-08-21 14:03:00 UTC.\n"
        f"Its hash, to be kept elsewhere: {newest}\n"
        "Not sealed yet: 1.\n"
    )
    assert told("--noted", newest) == told()


def test_the_command_names_the_day_of_the_last_removal(removed: Entries) -> None:
    assert "Segments up to number 1 were removed by retention, the last on 2027-08-22." in told()


def test_an_audit_without_entries_holds(db: None) -> None:
    assert told() == "The audit holds. Entries: 0, segments: 0.\nNot sealed yet: 0.\n"


def test_the_command_ends_with_a_sentence_where_something_was_changed(
    sealed: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [])
    with owning_the_database():
        AuditEntry.objects.filter(pk=sealed[0].pk).update(detail="nothing happened")
        with pytest.raises(SystemExit) as ended:
            cli.main(["verify-audit"])
    expected = f"floorline: The audit does not hold. Entry {sealed[0].pk} in segment 1 was changed."
    assert ended.value.code == expected  # a sentence as the exit code is printed, and counts as 1


# --- The bytes that are hashed ----------------------------------------------------------------------------------------


def test_the_bytes_of_an_entry_stay_what_they_are() -> None:
    """Other bytes for the same entry would break every chain that is there."""
    entry = AuditEntry(
        id=7, at=datetime(2026, 8, 21, 14, 3, tzinfo=UTC), actor_id=3, action="join asked", cause="press", account_id=1,
        conference_id=UUID(int=1), conference_name="Billing-4312", session_id=UUID(int=2), command_id=UUID(int=3),
        role="whisper", targets=["Ana Ruiz"], detail="“Käse”",
    )  # fmt: skip
    assert entry_bytes(entry) == (
        b'{"account_id":1,"action":"join asked","actor_id":3,"at":"2026-08-21T14:03:00.000000+00:00","cause":"press",'
        b'"command_id":"00000000-0000-0000-0000-000000000003","conference_id":"00000000-0000-0000-0000-000000000001",'
        b'"conference_name":"Billing-4312","detail":"\\u201cK\\u00e4se\\u201d","id":7,"role":"whisper",'
        b'"session_id":"00000000-0000-0000-0000-000000000002","targets":["Ana Ruiz"]}'
    )
    assert len(json.loads(entry_bytes(entry))) == len(COLUMNS)


def test_a_field_that_holds_its_default_is_left_out() -> None:
    entry = AuditEntry(id=7, at=datetime(2026, 8, 21, 14, 3, tzinfo=UTC), action="ended")
    assert entry_bytes(entry) == b'{"action":"ended","at":"2026-08-21T14:03:00.000000+00:00","id":7}'


words = st.text(st.sampled_from('"\\,:{}[]01anü\N{SLIGHTLY SMILING FACE}\n\0'))  # JSON escapes most
numbers = st.none() | st.integers(1, 2**63 - 1)
uuids = st.none() | st.uuids()
fields = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**63 - 1), "at": st.datetimes(timezones=st.just(UTC)), "actor_id": numbers,
        "action": words, "cause": words, "account_id": numbers, "conference_id": uuids,
        "conference_name": words, "session_id": uuids, "command_id": uuids, "role": words,
        "targets": st.lists(words), "detail": words,
    }
)  # fmt: skip


@given(one=fields, changes=st.data())
def test_entries_that_differ_have_different_bytes(one: dict[str, Any], changes: st.DataObject) -> None:
    column = changes.draw(st.sampled_from(COLUMNS))
    other = {**one, column: changes.draw(fields)[column]}
    same = one == other
    assert (entry_bytes(AuditEntry(**one)) == entry_bytes(AuditEntry(**other))) is same
