"""Backs up and restores a PostgreSQL database with the programs that come with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from django.db import connection

from .contents import BackupRefused, Contents, refuse_empty

SUFFIX = ".dump"
INSTALL = "Install it on this machine (Debian, Ubuntu: apt-get install postgresql-client)."
ASKED = ("conferences_databasestamp", "django_migrations")


def write(path: Path) -> None:
    """Dump the database as it is at one moment; other processes can write meanwhile."""
    refuse_empty(connection.introspection.table_names())
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}", "--dbname", _name())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def contents_of(path: Path) -> Contents:
    """Read the two small tables by which a backup says what it is."""
    tables = [f"--table={table}" for table in ASKED]
    try:
        text = _run("pg_restore", "--data-only", "--file=-", *tables, str(path))
    except BackupRefused as refused:
        if "not a valid archive" in str(refused) or "does not appear" in str(refused) or "too short" in str(refused):
            return Contents(sandbox=None, migrations=frozenset())
        raise
    rows = [line.split("\t") for line in text.splitlines()]
    stamp = next((row[1] == "t" for row in rows if len(row) == 2 and row[1] in {"t", "f"}), None)
    return Contents(sandbox=stamp, migrations=frozenset(row[2] for row in rows if row[1:2] == ["conferences"]))


def restore(path: Path) -> str:
    """Bring the backup into this database in one transaction; it must be empty and nobody connected to it."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        [others] = cursor.fetchone()
    connection.close()
    if others:
        raise BackupRefused(f"{others} others are connected to this database. Stop Floorline, on every machine, first.")
    if tables:
        raise BackupRefused("This database is not empty. Make a new one (createdb), and name it in DATABASE_URL.")
    _run(
        "pg_restore",
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        "--single-transaction",
        "--dbname",
        _name(),
        str(path),
    )
    return ""


def _run(program: str, *arguments: str) -> str:
    """Run one of PostgreSQL's programs on this database; the password goes by the environment, never as an argument."""
    _, given = connection.client_class.settings_to_cmd_args_env(connection.settings_dict, [])
    known = connection.settings_dict
    where = {"PGHOST": known["HOST"], "PGPORT": str(known["PORT"] or ""), "PGUSER": known["USER"]}
    environment = {**os.environ, **{name: value for name, value in where.items() if value}, **(given or {})}
    try:
        done = subprocess.run(  # noqa: S603  # a program of the operator's own PostgreSQL
            [program, "--no-password", *arguments], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise BackupRefused(f"{program} is not there. {INSTALL}") from error
    if done.returncode:
        raise BackupRefused(f"{program} says: {done.stderr.strip()}")
    return done.stdout


def _name() -> str:
    return str(connection.settings_dict["NAME"])
