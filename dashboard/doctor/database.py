"""Examines the database: whether it can be used, belongs to this mode, and knows this version's tables."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from conferences.models import DatabaseStamp
from dashboard.serving import preparation, programs

from .findings import Finding, Level

OLDEST_POSTGRESQL = 15


def database() -> Iterator[Finding]:
    """Report which database is used, and whether it can be and belongs to this mode."""
    if preparation.sqlite_file_is_missing():
        text = f"{connection.settings_dict['NAME']} is not there yet"
        yield Finding(Level.FAIL, "database", text, f"{programs.as_typed()} serve --prepare makes it.")
        return
    try:
        yield _vendor()
        if DatabaseStamp._meta.db_table in connection.introspection.table_names():
            stamp = DatabaseStamp.objects.first()
            if stamp and stamp.sandbox != settings.SANDBOX:
                text = f"it belongs to {preparation.MODES[stamp.sandbox]}, not to {preparation.MODES[settings.SANDBOX]}"
                yield Finding(Level.FAIL, "database", text, "Name another in DATABASE_URL, or unset it.")
    except (DatabaseError, ImproperlyConfigured) as error:
        text = f"cannot be used: {str(error).strip().splitlines()[0]}"
        yield Finding(Level.FAIL, "database", text, "Look at DATABASE_URL, and whether the server runs.")


def _vendor() -> Finding:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            mode = cursor.fetchone()[0]
            return Finding(Level.OK, "database", f"SQLite {connection.Database.sqlite_version}, {mode}")  # type: ignore[attr-defined]
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0]) // 10000
        cursor.execute("SHOW synchronous_commit")
        commit = cursor.fetchone()[0]
    if version < OLDEST_POSTGRESQL:
        return Finding(Level.FAIL, "database", f"PostgreSQL {version}", f"Use {OLDEST_POSTGRESQL} or newer.")
    if commit == "off":
        mend = "Set synchronous_commit = on: a 200 to Telnyx promises that the event is on disk."
        return Finding(Level.FAIL, "database", "PostgreSQL does not wait for the disk", mend)
    return Finding(Level.OK, "database", f"PostgreSQL {version}")


def migrations() -> Iterator[Finding]:
    """Report whether the database fits this version."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
    ours = sorted(name for app, name in unknown if app == "conferences")
    if ours:
        text = f"the database was migrated by a newer version ({ours[-1]})"
        yield Finding(Level.FAIL, "migrations", text, "Install that version again, or restore a backup of this one's.")
    elif plan:
        text = f"{len(plan)} have not been applied"
        yield Finding(Level.FAIL, "migrations", text, f"{programs.as_typed()} serve --prepare, or migrate")
    else:
        yield Finding(Level.OK, "migrations", "all applied")
