"""Computes the hashes of the audit's entries and segments.

What is hashed is JSON in ASCII, with sorted keys and without spaces: one value has one form, and no two have the same.
Times are UTC to the microsecond, ids of other rows are numbers or UUIDs in their usual form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from conferences.models import AuditEntry


def entry_hash(entry: AuditEntry) -> str:
    """Return the hash of an entry with all of its fields."""
    return hashlib.sha256(entry_bytes(entry)).hexdigest()


def entry_bytes(entry: AuditEntry) -> bytes:
    """Return an entry as it is hashed: every field by its name, but those that hold their default.

    So a field that a later version adds does not change the bytes of the entries that were there before it.
    """
    values = {field: getattr(entry, field.attname) for field in AuditEntry._meta.concrete_fields}
    return _bytes({field.attname: value for field, value in values.items() if value != field.get_default()})


def segment_hash(*, number: int, sealed_at: datetime, previous_hash: str, entry_hashes: Sequence[str]) -> str:
    """Return the hash of a segment: of its number and time, the segment before, and its entries in their order."""
    content = {"entries": entry_hashes, "number": number, "previous_hash": previous_hash, "sealed_at": sealed_at}
    return hashlib.sha256(_bytes(content)).hexdigest()


def _bytes(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=_text).encode("ascii")


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"the audit's chain knows no form of a {type(value).__name__}")
