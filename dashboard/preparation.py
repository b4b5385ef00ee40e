"""What must be true before any process starts: a database of this mode, migrated, and static files collected."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from conferences.models import Account, DatabaseStamp

MODES = {True: "the sandbox", False: "a real account"}


class Refused(Exception):
    """A sentence for the operator: what cannot be, and the mend."""


def migrate(*, say: Callable[[str], None]) -> None:
    """Bring the database of this mode up to date; raise Refused for one of the other mode or out of reach."""
    try:
        if DatabaseStamp._meta.db_table in connection.introspection.table_names():
            _refuse_other_mode()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            say("Migrating the database …")
            call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise Refused(f"The database cannot be used: {str(error).strip()}. Look at DATABASE_URL.") from error


def stamp() -> None:
    """Mark a new database as this mode's for good."""
    if settings.SANDBOX and not DatabaseStamp.objects.exists() and Account.objects.exists():
        raise Refused(
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
        raise Refused(
            f"This database belongs to {MODES[found.sandbox]} and will not be mixed with {MODES[settings.SANDBOX]}. "
            "Name another in DATABASE_URL, or unset it."
        )


def collect_static_files(*, say: Callable[[str], None]) -> None:
    """Run collectstatic when a file has changed since it last ran."""
    settings.STATIC_ROOT.mkdir(exist_ok=True)
    with (settings.STATIC_ROOT / ".collected").open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)  # two launchers of one installation share the folder
        note.seek(0)
        if note.read() == (now := _fingerprint()):
            return
        say("Collecting static files …")
        call_command("collectstatic", interactive=False, verbosity=0)
        note.truncate(0)
        note.write(now)


def _fingerprint() -> str:
    """Return a hash over path, size and time of every static file."""
    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for name, storage in finder.list(ignore_patterns=None):
            state = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def hold_database() -> IO[str] | None:
    """Claim an SQLite database for this launcher as long as the returned file is open; raise Refused if another has it.

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
        raise Refused(
            f"Floorline already serves {database.name}. End it first, or name another DATABASE_URL."
        ) from error
    return lock
