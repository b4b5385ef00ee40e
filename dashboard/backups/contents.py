"""Describes the contents of a backup, and refuses one that must not come into this database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from conferences.models import DatabaseStamp
from dashboard.serving.preparation import MODES


class BackupRefused(Exception):
    """A backup that cannot be used, with a sentence for the operator that says what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The facts about a backup that are checked before anything is changed."""

    sandbox: bool | None
    """None where it does not say."""
    migrations: frozenset[str]
    """Those of `conferences` that it knows."""


def refuse_empty(tables: Collection[str]) -> None:
    """Raise BackupRefused where a database has no tables of ours: nothing could be restored from its backup."""
    if DatabaseStamp._meta.db_table not in tables:
        raise BackupRefused(
            "There is nothing of Floorline in this database yet. Is FLOORLINE_HOME, or DATABASE_URL, that of the "
            "running Floorline?"
        )


def refuse_foreign(contents: Contents) -> None:
    """Raise BackupRefused for a backup of the other mode, of a newer version, or of something else."""
    if contents.sandbox is None or not contents.migrations:
        raise BackupRefused("This file is no backup of a Floorline database.")
    refuse_other_mode("backup", sandbox=contents.sandbox)
    known = {
        name for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations if app == "conferences"
    }
    if newer := sorted(contents.migrations - known):
        raise BackupRefused(
            f"This backup was made by a newer version of Floorline ({newer[-1]}). Install that version first."
        )


def refuse_other_mode(what: str, *, sandbox: bool) -> None:
    """Raise BackupRefused where a backup or a database belongs to the other mode."""
    if sandbox != settings.SANDBOX:
        raise BackupRefused(
            f"This {what} belongs to {MODES[sandbox]}, and Floorline is set up for {MODES[settings.SANDBOX]}."
        )
