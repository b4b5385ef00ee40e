"""Writes the database into one file while everything runs, and brings such a file into an empty database."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from django.db import connection

from . import postgresql, sqlite
from .contents import BackupRefused, refuse_foreign

__all__ = ["KEYS", "BackupRefused", "restore", "suffix", "write"]

KEYS = ("SECRET_KEY", "FIELD_KEYS")
"""The keys, which a backup does not contain: without them nobody can read the API keys in the file."""


def suffix() -> str:
    """Return how the names of this database's backups end."""
    return str(_way().SUFFIX)


def write(path: Path) -> None:
    """Write a backup that only its owner may read; raise BackupRefused where there is a file already."""
    if path.exists():
        raise BackupRefused(f"{path} exists already and is left as it is. Name another file.")
    _way().write(path)


def restore(path: Path) -> str:
    """Bring a backup into this database, which nobody may be using; return what was done with the old one."""
    if not path.is_file():
        raise BackupRefused(f"There is no file {path}.")
    refuse_foreign(_way().contents_of(path))
    return str(_way().restore(path))


def _way() -> ModuleType:
    return sqlite if connection.vendor == "sqlite" else postgresql
