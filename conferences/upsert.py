"""Writes projected rows back: one compiled statement per model instead of one built by the ORM per batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection, models

Adapter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """An upsert of all of a model's columns, and how each attribute becomes what the driver takes."""

    sql: str
    columns: tuple[tuple[str, Adapter], ...]

    def values(self, row: models.Model) -> tuple[Any, ...]:
        return tuple(adapt(getattr(row, name)) for name, adapt in self.columns)


def save_rows(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Insert or overwrite rows. New rows of a model with a numbered key are not told their number."""
    if rows:
        statement = _statement(model, connection.vendor)
        with connection.cursor() as cursor:
            cursor.executemany(statement.sql, [statement.values(row) for row in rows])


@cache
def _statement(model: type[models.Model], vendor: str) -> Statement:
    meta = model._meta
    fields = [field for field in meta.concrete_fields if not isinstance(field, models.AutoField)]
    names = [str(field.column) for field in fields]
    key = [str(meta.pk.column)] if meta.pk in fields else _natural_key(model)
    kept = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    sql = (
        f"INSERT INTO {meta.db_table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "  # noqa: S608 - our own names
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {kept}"
    )
    return Statement(sql, tuple((field.attname, _adapter(field, vendor)) for field in fields))


def _natural_key(model: type[models.Model]) -> list[str]:
    [constraint] = [found for found in model._meta.constraints if isinstance(found, models.UniqueConstraint)]
    return [str(field.column) for field in model._meta.concrete_fields if field.name in constraint.fields]


def _adapter(field: models.Field[Any, Any], vendor: str) -> Adapter:
    kind = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(kind, models.JSONField):
        return json.dumps
    if vendor == "postgresql":
        return _as_it_is
    if isinstance(kind, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    if isinstance(kind, models.UUIDField):
        return lambda value: None if value is None else value.hex
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
