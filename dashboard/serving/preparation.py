"""Prepares a start: a database of this mode, migrated, and static files collected."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from conferences.models import Account, DatabaseStamp

from . import programs

MODES = {True: "the sandbox", False: "a real account"}


class CannotStart(Exception):
    """A start that is impossible, with a sentence for the operator that says what to do."""


def tighten_files() -> None:
    """Make the files of an earlier version private; new ones are so from the start (settings.py)."""
    kept = [settings.FLOORLINE_HOME / "sandbox.json", settings.FLOORLINE_HOME / "secret_key"]
    if connection.vendor == "sqlite":
        database = Path(connection.settings_dict["NAME"])
        kept += [database.with_name(database.name + ending) for ending in ("", "-wal", "-shm", "-journal", ".serving")]
    for path in kept:
        # Only its owner can change another user's file; if it cannot be used at all, opening it reports that.
        with suppress(FileNotFoundError, PermissionError):
            path.chmod(path.stat().st_mode & 0o700)


def migrate(*, say: Callable[[str], None]) -> None:
    """Bring the database of this mode up to date; raise CannotStart for one of the other mode or out of reach."""
    try:
        if DatabaseStamp._meta.db_table in connection.introspection.table_names():
            _refuse_other_mode()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            say("Migrating the database …")
            call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise CannotStart(_unusable(error)) from error


def why_unusable() -> str | None:
    """Return why a command met an error of the database: out of reach, or without tables; None for any other reason."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return _unusable(error)
    if waiting:
        return (
            f"The database does not have the tables of this version yet. The first start of Floorline makes them, or "
            f"type: {programs.as_typed()} migrate"
        )
    return None


def _unusable(error: DatabaseError) -> str:
    return f"The database cannot be used: {str(error).strip()}. Look at DATABASE_URL."


def stamp() -> None:
    """Mark a new database as this mode's for good."""
    if settings.SANDBOX and not DatabaseStamp.objects.exists() and Account.objects.exists():
        raise CannotStart(
            "This database holds an account and does not say whether it is the sandbox's, so the sandbox leaves it "
            "alone. Name another in DATABASE_URL, or unset it."
        )
    DatabaseStamp.objects.get_or_create(id=1, defaults={"sandbox": settings.SANDBOX})
    _refuse_other_mode()


def open_default_account() -> None:
    """Give a database without an account one that the environment completes; events need a row to belong to."""
    if not Account.objects.exists():
        Account.objects.create(name="default")


def _refuse_other_mode() -> None:
    found = DatabaseStamp.objects.first()
    if found and found.sandbox != settings.SANDBOX:
        raise CannotStart(
            f"This database belongs to {MODES[found.sandbox]} and will not be mixed with {MODES[settings.SANDBOX]}. "
            "Name another in DATABASE_URL, or unset it."
        )


def collect_static_files(*, say: Callable[[str], None]) -> None:
    """Run collectstatic where a file has changed since it last ran; an image brings the folder finished."""
    if static_files_are_collected():
        return
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with (settings.STATIC_ROOT / ".collecting").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two launchers of one installation share the folder
        if not static_files_are_collected():
            say("Collecting static files …")
            call_command("collectstatic", interactive=False, verbosity=0)


def static_files_are_collected() -> bool:
    """Return whether the folder holds every static file of this version, and the list of their names."""
    root: Path = settings.STATIC_ROOT
    return (root / "staticfiles.json").is_file() and all(
        _same(Path(storage.path(name)), root / name)
        for finder in get_finders()
        for name, storage in finder.list(ignore_patterns=None)
    )


def _same(source: Path, copy: Path) -> bool:
    return copy.is_file() and copy.read_bytes() == source.read_bytes()


def sqlite_file_is_missing() -> bool:
    """Return whether the database is an SQLite file that does not exist; connecting would make an empty one."""
    return connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists()


def hold_database() -> IO[str] | None:
    """Claim an SQLite database for this launcher as long as the returned file is open.

    Raise CannotStart where another launcher has it.

    On SQLite one process ingests; a second launcher would also seed the sandbox's board under the first one's feet.
    """
    if connection.vendor != "sqlite":
        return None
    database = Path(connection.settings_dict["NAME"])
    lock = database.with_name(f"{database.name}.serving").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise CannotStart(
            f"Floorline already serves {database.name}. End it first, or name another DATABASE_URL."
        ) from error
    return lock
