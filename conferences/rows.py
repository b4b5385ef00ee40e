"""Reads and writes projected rows by statements compiled once per model.

The ORM would build each anew for every batch of webhooks, and spend more time on that than the database on the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)
Adapter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Statements:
    """One model's SELECT (to be completed by a column) and upsert, with what the driver gives and takes."""

    select: str
    names: tuple[str, ...]
    from_driver: tuple[Adapter, ...]
    upsert: str
    written: tuple[tuple[str, Adapter], ...]


def load_rows(model: type[Row], *, account_id: int, column: str, values: Iterable[str]) -> list[Row]:
    """Return an account's rows with one of these values in a column."""
    statements = _statements(model, connection.vendor)
    found = _select(statements.select, account_id, column, values)
    return [
        model.from_db(
            "default", statements.names, [read(value) for read, value in zip(statements.from_driver, row, strict=True)]
        )
        for row in found
    ]


def known_values(model: type[models.Model], *, account_id: int, column: str, values: Iterable[str]) -> set[str]:
    """Return which of these values an account's rows have in a column."""
    return {value for (value,) in _select(f"SELECT {column} FROM {model._meta.db_table}", account_id, column, values)}  # noqa: S608


def _select(select: str, account_id: int, column: str, values: Iterable[str]) -> list[tuple[Any, ...]]:
    # Lists as one parameter: a statement that reads the same for every batch is parsed once.
    wanted: Any = list(values)
    if connection.vendor == "postgresql":
        among = "= ANY(%s)"
    else:
        among, wanted = "IN (SELECT value FROM json_each(%s))", json.dumps(wanted)
    with connection.cursor() as cursor:
        cursor.execute(f"{select} WHERE account_id = %s AND {column} {among}", [account_id, wanted])
        return list(cursor.fetchall())


def save_rows(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Insert or overwrite rows. New rows of a model with a numbered key are not told their number."""
    if rows:
        statements = _statements(model, connection.vendor)
        values = [[write(getattr(row, name)) for name, write in statements.written] for row in rows]
        with connection.cursor() as cursor:
            cursor.executemany(statements.upsert, values)


@cache
def _statements(model: type[models.Model], vendor: str) -> Statements:
    meta = model._meta
    table, every = meta.db_table, meta.concrete_fields
    written = [field for field in every if not isinstance(field, models.AutoField)]
    columns = [str(field.column) for field in written]
    key = [str(meta.pk.column)] if meta.pk in written else _natural_key(model)
    kept = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return Statements(
        select=f"SELECT {', '.join(str(field.column) for field in every)} FROM {table}",  # noqa: S608 - our own names
        names=tuple(field.attname for field in every),
        from_driver=tuple(_reader(field, vendor) for field in every),
        upsert=(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "  # noqa: S608
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {kept}"
        ),
        written=tuple((field.attname, _writer(field, vendor)) for field in written),
    )


def _natural_key(model: type[models.Model]) -> list[str]:
    [constraint] = [found for found in model._meta.constraints if isinstance(found, models.UniqueConstraint)]
    return [str(field.column) for field in model._meta.concrete_fields if field.name in constraint.fields]


def _kind(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    return field.target_field if isinstance(field, models.ForeignKey) else field


def _reader(field: models.Field[Any, Any], vendor: str) -> Adapter:
    kind = _kind(field)
    if isinstance(kind, models.JSONField):
        return json.loads
    if vendor == "postgresql":
        return _as_it_is
    if isinstance(kind, models.DateTimeField):
        return _read_time
    if isinstance(kind, models.UUIDField):
        return lambda value: None if value is None else UUID(value)
    if isinstance(kind, models.BooleanField):
        return lambda value: None if value is None else bool(value)
    return _as_it_is


def _writer(field: models.Field[Any, Any], vendor: str) -> Adapter:
    kind = _kind(field)
    if isinstance(kind, models.JSONField):
        return json.dumps
    if vendor == "postgresql":
        return _as_it_is
    if isinstance(kind, models.DateTimeField):
        return _write_time
    if isinstance(kind, models.UUIDField):
        return lambda value: None if value is None else value.hex
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _read_time(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def driver_time(value: datetime) -> datetime | str:
    """Return a time as the driver takes it; SQLite stores what Django would write: UTC, without saying so."""
    return value if connection.vendor == "postgresql" else str(value.astimezone(UTC).replace(tzinfo=None))


def _write_time(value: datetime | None) -> datetime | str | None:
    return None if value is None else driver_time(value)
