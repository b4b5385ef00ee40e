"""Old and new code run side by side while nodes are replaced: a release only adds what the one before can ignore."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, AddIndex, CreateModel
from django.db.models import NOT_PROVIDED

from conferences.models import Account, Command


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
        assert isinstance(step, CreateModel | AddIndex | AddField), (name, step)
        if isinstance(step, AddField):
            assert step.field.null or step.field.db_default is not NOT_PROVIDED, (name, step.name)


def test_the_code_before_can_still_store_a_command(account: Account, kim: User) -> None:
    """As it did before `generation` was there: without naming the column."""
    Command.objects.create(account=account, kind=Command.Kind.LEAVE, actor=kim, asked_at=datetime.now(UTC))
    columns = [str(field.column) for field in Command._meta.concrete_fields if field.name not in {"id", "generation"}]
    table, named, command_id = Command._meta.db_table, ", ".join(columns), "0" * 32
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (id, {named}) SELECT %s, {named} FROM {table}", [command_id])

    assert Command.objects.get(pk=command_id).generation == 0
