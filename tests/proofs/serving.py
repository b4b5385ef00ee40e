"""Databases with a server in front, and what is stored in them, read past Django, whose settings name another one."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.servers import database


def on_postgres() -> str:
    """Return the server that DATABASE_URL names, without a database's name; "" where it names no PostgreSQL."""
    url = os.environ.get("DATABASE_URL", "")
    return url.rpartition("/")[0] if url.startswith("postgres") else ""


@contextmanager
def empty(name: str) -> Iterator[str]:
    """Yield the URL of an empty database of its own: on PostgreSQL where DATABASE_URL names one, else a file.

    Its name has this process in it: two runs beside each other on one PostgreSQL would drop each other's.
    """
    with tempfile.TemporaryDirectory() as folder:
        url = (
            f"{on_postgres()}/floorline_{name}_{os.getpid()}" if on_postgres() else f"sqlite:///{folder}/{name}.sqlite3"
        )
        with database(url):
            yield url


def rows(url: str, query: str) -> list[object]:
    """Return the first column of a query."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20) as connection:
            return [row[0] for row in connection.execute(query)]
    import psycopg

    with psycopg.connect(url) as other:
        return [bytes(row[0]) if isinstance(row[0], memoryview) else row[0] for row in other.execute(query)]


def is_whole(url: str) -> bool:
    """Return whether the database itself finds its file in order; PostgreSQL would not have started again otherwise."""
    return not url.startswith("sqlite") or rows(url, "PRAGMA integrity_check") == ["ok"]
