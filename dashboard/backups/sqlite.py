"""Backs up and restores an SQLite database."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from .contents import BackupRefused, Contents, refuse_empty, refuse_other_mode

SUFFIX = ".sqlite3"
BESIDE = ("-wal", "-shm")
"""Files of a database that is open: beside another one SQLite would find it malformed."""


def write(path: Path) -> None:
    """Copy the database as it is at one moment; other processes can write meanwhile."""
    source = _database()
    if not source.exists():
        raise BackupRefused(
            f"There is no database {source}. Is FLOORLINE_HOME, or DATABASE_URL, that of the running Floorline?"
        )
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as opened:
        refuse_empty({name for (name,) in opened.execute("SELECT name FROM sqlite_master")})
        with _draft_of(path) as draft:
            opened.execute("VACUUM INTO ?", (str(draft),))


def contents_of(path: Path) -> Contents:
    """Read what a backup says of itself."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as backup:
            if backup.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise BackupRefused(f"{path} is damaged.")
            stamp = backup.execute("SELECT sandbox FROM conferences_databasestamp").fetchone()
            rows = backup.execute("SELECT name FROM django_migrations WHERE app = 'conferences'").fetchall()
    except sqlite3.DatabaseError:
        return Contents(sandbox=None, migrations=frozenset())
    return Contents(sandbox=bool(stamp[0]) if stamp else None, migrations=frozenset(name for (name,) in rows))


def restore(path: Path) -> str:
    """Put the backup in the database's place; the old one stays beside it under another name."""
    database = _database()
    connection.close()
    kept = _put_aside(database) if database.exists() else None
    with _draft_of(database) as draft:
        shutil.copyfile(path, draft)
    _give_to_owner_of(database.parent, database)
    return f"The database before it is kept as {kept}." if kept else ""


def _put_aside(database: Path) -> Path:
    """Rename a database that nobody has open, with everything in it; return its new name."""
    with closing(sqlite3.connect(database, timeout=0.5, isolation_level=None)) as opened:
        try:
            # Succeeds only where no other process has the file open, and leaves nothing beside it.
            mode = opened.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
            stamp = opened.execute("SELECT sandbox FROM conferences_databasestamp").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                mode, stamp = "delete", None
            else:
                raise BackupRefused(f"{database} is in use. Stop Floorline first.") from error
    if mode != "delete":
        raise BackupRefused(f"{database} is in use. Stop Floorline first.")
    if stamp:
        refuse_other_mode("database", sandbox=bool(stamp[0]))
    kept = database.with_name(f"{database.stem}-before-{datetime.now(UTC):%Y%m%d-%H%M%S}{database.suffix}")
    database.rename(kept)
    for ending in BESIDE:
        database.with_name(database.name + ending).unlink(missing_ok=True)
    return kept


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """Give a private file to be written, and move it into place once it is on the disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def _give_to_owner_of(folder: Path, file: Path) -> None:
    """Restored by root, a database still belongs to the user that Floorline runs as."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def _database() -> Path:
    return Path(connection.settings_dict["NAME"])
