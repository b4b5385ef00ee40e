"""Reads and writes rows by statements compiled once per model.

The ORM would build each anew for every batch of webhooks and every click, and spend more time on that than the database
on the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.db import connection, models
from django.db.models.base import ModelState

from .secrets import EncryptedTextField

Row = TypeVar("Row", bound=models.Model)
Adapter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Above:
    """A condition on a column of whole numbers."""

    value: int


def load_rows(model: type[Row], *, defer: Collection[str] = (), **where: Any) -> list[Row]:
    """Return the rows whose columns have these values; `name=[a, b]` finds rows with either value, as does a set.

    None finds the empty ones, and `Above(value)` those above it; without a condition all are found. A column may be
    the expression of an index.
    What `defer` names is read when somebody asks for it, as are secrets.
    """
    names, adapted = _columns(model, tuple(defer))
    return [_made(model, dict(zip(names, values, strict=True)), adapted) for values in _fetch(model, names, where)]


def _made(model: type[Row], columns: dict[str, Any], adapted: Iterable[tuple[str, Adapter]]) -> Row:
    """Return the row that `from_db` would, without its walk over every field, which takes longer than the query."""
    row = model.__new__(model)
    row.__dict__.update(columns)
    for name, read in adapted:
        row.__dict__[name] = read(columns[name])
    row._state = ModelState()
    row._state.db, row._state.adding = "default", False
    return row


def load_values(model: type[models.Model], column: str, **where: Any) -> list[Any]:
    """Return one column of such rows."""
    read = _readers(model)[column]
    return [read(value) for (value,) in _fetch(model, [column], where)]


def has_rows(model: type[models.Model], **where: Any) -> bool:
    """Return whether there is such a row."""
    condition, params = _condition(where)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {model._meta.db_table}{condition} LIMIT 1", params)  # noqa: S608 - our own names
        return cursor.fetchone() is not None


def set_columns(model: type[models.Model], values: Mapping[str, Any], **where: Any) -> None:
    """Give columns of such rows new values."""
    writers = _writers(model)
    condition, params = _condition(where)
    assigned = ", ".join(f"{column} = %s" for column in values)
    with connection.cursor() as cursor:
        statement = f"UPDATE {model._meta.db_table} SET {assigned}{condition}"  # noqa: S608 - our own names
        cursor.execute(statement, [*(writers[column](value) for column, value in values.items()), *params])


def add_row(row: models.Model) -> None:
    """Insert a new row. One of a model with a numbered key is not told its number."""
    insert, written = _insert(type(row))
    with connection.cursor() as cursor:
        cursor.execute(insert, [write(getattr(row, name)) for name, write in written])
    row._state.adding = False


def _fetch(model: type[models.Model], columns: Iterable[str], where: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    condition, params = _condition(where)
    with connection.cursor() as cursor:
        select = f"SELECT {', '.join(columns)} FROM {model._meta.db_table}"  # noqa: S608 - our own names
        cursor.execute(select + condition, params)
        return list(cursor.fetchall())


def _condition(where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    # Lists as one parameter: a statement that reads the same for every batch is parsed once.
    among = "= ANY(%s)" if _vendor() == "postgresql" else "IN (SELECT value FROM json_each(%s))"
    conditions, params = [], []
    for column, wanted in where.items():
        if wanted is None:
            conditions.append(f"{column} IS NULL")
        elif isinstance(wanted, Above):
            conditions.append(f"{column} > %s")
            params.append(wanted.value)
        elif isinstance(wanted, bool | int | str | UUID):
            conditions.append(f"{column} = %s")
            params.append(_one(wanted))
        else:
            conditions.append(f"{column} {among}")
            params.append(_list(wanted))
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", params


def _list(values: Iterable[Any]) -> Any:
    adapted = [_one(value) for value in values]
    return adapted if _vendor() == "postgresql" else _write_json(adapted)


def _one(value: Any) -> Any:
    if isinstance(value, models.Choices):
        return value.value
    return value.hex if isinstance(value, UUID) and _vendor() == "sqlite" else value


def save_rows(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Insert or overwrite rows. New rows of a model with a numbered key are not told their number."""
    if rows:
        upsert, written = _upsert(model)
        values = [[write(getattr(row, name)) for name, write in written] for row in rows]
        with connection.cursor() as cursor:
            cursor.executemany(upsert, values)


@cache
def _vendor() -> str:
    """Return the database's vendor; asking the connection takes longer than the rest of a short condition."""
    return connection.vendor


@cache
def _columns(model: type[models.Model], defer: tuple[str, ...]) -> tuple[list[str], list[tuple[str, Adapter]]]:
    """Return the columns of a model that are read, and those whose values are not the driver's."""
    readers = {name: read for name, read in _readers(model).items() if name not in defer}
    return list(readers), [(name, read) for name, read in readers.items() if read is not _as_it_is]


@cache
def _readers(model: type[models.Model]) -> Mapping[str, Adapter]:
    """Return the columns of a model, all but the secret ones, with what makes of the driver's value the model's."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, EncryptedTextField)]
    return {str(field.column): _reader(field, _vendor()) for field in fields}


@cache
def _writers(model: type[models.Model]) -> Mapping[str, Adapter]:
    """Return the columns of a model with what makes of the model's value the driver's."""
    return {str(field.column): _writer(field, _vendor()) for field in model._meta.concrete_fields}


@cache
def _insert(model: type[models.Model]) -> tuple[str, tuple[tuple[str, Adapter], ...]]:
    """Return a model's insert, and the attributes it takes with what makes of the model's value the driver's."""
    meta = model._meta
    written = [field for field in meta.concrete_fields if not isinstance(field, models.AutoField)]
    columns, places = ", ".join(str(field.column) for field in written), ", ".join(["%s"] * len(written))
    insert = f"INSERT INTO {meta.db_table} ({columns}) VALUES ({places})"  # noqa: S608 - our own names
    return insert, tuple((field.attname, _writer(field, _vendor())) for field in written)


@cache
def _upsert(model: type[models.Model]) -> tuple[str, tuple[tuple[str, Adapter], ...]]:
    """Return the insert that overwrites the row which is there already."""
    meta = model._meta
    insert, written = _insert(model)
    columns = [str(field.column) for field in meta.concrete_fields if not isinstance(field, models.AutoField)]
    key = [str(meta.pk.column)] if meta.pk.column in columns else _natural_key(model)
    kept = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"{insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {kept}", written


def _natural_key(model: type[models.Model]) -> list[str]:
    [constraint] = [found for found in model._meta.constraints if isinstance(found, models.UniqueConstraint)]
    return [str(field.column) for field in model._meta.concrete_fields if field.name in constraint.fields]


def _kind(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    return field.target_field if isinstance(field, models.ForeignKey) else field


def _reader(field: models.Field[Any, Any], vendor: str) -> Adapter:
    kind = _kind(field)
    if isinstance(kind, models.JSONField):
        return msgspec.json.decode
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
        return _write_json
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


def writer_of_times() -> Adapter:
    """Return what makes of a time, or None, what the driver takes."""
    return _as_it_is if _vendor() == "postgresql" else _write_time


def _write_time(value: datetime | None) -> str | None:
    # As Django would write it into SQLite: UTC, without saying so.
    if value is None:
        return None
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat(" ")[: -len("+00:00")]


def _write_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
