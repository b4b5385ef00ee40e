"""Old and new code run side by side while nodes are replaced: a release only adds what the one before can ignore."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterConstraint,
    AlterField,
    AlterModelOptions,
    CreateModel,
    RunPython,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, BaseConstraint, UniqueConstraint

from conferences.models import Account, Command

# A migration that rewrites rows removes only what no code reads any more, or fills what only the new code reads.
REWRITES = {("0005_presses", RunPython), ("0007_blank_digits", RunPython), ("0011_number_searches", RunPython)}
# A column that only the new code reads is filled.
REWRITES |= {("0022_keep_access", RunPython)}
# So are two more; and what the release before took from the environment is written down, as it would take it again.
REWRITES |= {("0033_fill_account_addresses", RunPython)}
# Triggers that refuse what no release does: to change or delete rows of the audit.
REFUSES: set[tuple[str, type[Operation]]] = {("0019_audit_triggers", RunPython)}
# A second default account: the release before does not know the column and leaves it false.
REFUSES |= {("0032_account_addresses", AddConstraint)}


def test_what_a_migration_adds_the_code_before_it_can_ignore() -> None:
    """An INSERT of the release before does not name a new column: it is nullable, or the database knows its default."""
    found = MigrationLoader(None).disk_migrations
    steps = [
        (name, step)
        for (app, name), migration in found.items()
        if app == "conferences" and not migration.initial
        for step in migration.operations
    ]

    assert steps
    for name, step in steps:
        known = isinstance(step, CreateModel | AddIndex | AddField | AlterField) or is_only_words(name, step)
        assert known or (name, type(step)) in REWRITES | REFUSES, (name, step)
        if isinstance(step, AlterField):
            assert is_nothing_to_the_database(name, step), (name, step.name)
        if isinstance(step, AddField):
            assert step.field.null or step.field.db_default is not NOT_PROVIDED, (name, step.name)


def is_only_words(migration: str, step: Operation) -> bool:
    """Return whether a step changes what a model or a constraint is called on the screen, and no table."""
    if isinstance(step, AlterConstraint):
        options = state_before(migration).models["conferences", step.model_name.lower()].options
        [old] = [one for one in options["constraints"] if one.name == step.name]
        return without_words(old) == without_words(step.constraint)
    return isinstance(step, AlterModelOptions) and set(step.options) <= {"verbose_name", "verbose_name_plural"}


def without_words(constraint: BaseConstraint) -> object:
    """Return what a constraint is made of, without the sentence for the screen."""
    path, arguments, named = constraint.deconstruct()
    return path, arguments, {key: value for key, value in named.items() if key != "violation_error_message"}


@pytest.mark.parametrize(
    ("fields", "message", "only_words"), [(["address"], "Other words.", True), (["address", "user"], "", False)]
)
def test_a_constraint_may_change_its_words_alone(fields: list[str], message: str, *, only_words: bool) -> None:
    constraint = UniqueConstraint(fields=fields, name="line_address_once", violation_error_message=message or None)
    step = AlterConstraint("line", "line_address_once", constraint)
    assert is_only_words("0013_words", step) is only_words


def state_before(migration: str) -> ProjectState:
    loader = MigrationLoader(None)
    return loader.project_state(loader.disk_migrations["conferences", migration].dependencies)


def is_nothing_to_the_database(migration: str, step: AlterField) -> bool:
    """Return whether a field changes in Python alone: its choices or its words."""
    old = state_before(migration).models["conferences", step.model_name_lower].get_field(step.name)
    ours = {key: value for key, value in step.field.deconstruct()[3].items() if key not in step.field.non_db_attrs}
    return ours == {key: value for key, value in old.deconstruct()[3].items() if key not in old.non_db_attrs}


def test_the_code_before_can_still_store_a_command(account: Account, kim: User) -> None:
    """As it did before `generation` was there: without naming the column."""
    Command.objects.create(account=account, kind=Command.Kind.LEAVE, actor=kim, asked_at=datetime.now(UTC))
    columns = [str(field.column) for field in Command._meta.concrete_fields if field.name not in {"id", "generation"}]
    table, named, command_id = Command._meta.db_table, ", ".join(columns), "0" * 32
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (id, {named}) SELECT %s, {named} FROM {table}", [command_id])

    assert Command.objects.get(pk=command_id).generation == 0
