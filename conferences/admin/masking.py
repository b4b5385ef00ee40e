"""Shows stored evidence with phone numbers and leg addresses masked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models

from conferences.masks import legs_shortened, masked_within, spelt_out

_SECRET = re.compile(r"client_state|passw|secret|token|auth|credential", re.IGNORECASE)
_CONNECTION_ID = re.compile(r"[0-9]{16,20}")
SHOWN_CHARACTERS = 64 * 1024


def readable_body(body: bytes, *, full_numbers: bool) -> str:
    """Return a webhook's body as indented JSON (or as it came, where it is none), for a person to read.

    The address of a leg at Telnyx (call_control_id) commands it, so nobody is shown more than its beginning; who may
    not see telephone numbers does not see client_state and what is named as a password either: it may be anything.
    """
    try:
        document = json.loads(body)
        text = json.dumps(document if full_numbers else _masked(document), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body[:SHOWN_CHARACTERS].decode(errors="backslashreplace")
        text = text if full_numbers else masked_within(text)
    text = spelt_out(legs_shortened(text))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def masked_column(field: Any) -> Callable[[Any], str]:
    """Return a column that shows a field with its telephone numbers masked."""

    def shown(row: Any) -> str:
        return masked_within(str(getattr(row, field.name) or ""))

    shown.__name__ = field.name
    return admin.display(description=field.verbose_name, ordering=field.name)(shown)


def holds_text_from_outside(field: Any) -> bool:
    """Return whether a field may hold what a caller or a call flow wrote: any text but choices and ids."""
    return (
        isinstance(field, models.CharField | models.TextField) and not field.choices and not field.name.endswith("_id")
    )


def _masked(value: object) -> object:
    if isinstance(value, dict):
        # A SIP header, as Telnyx tells it.
        named = str(value["name"]) if value.keys() == {"name", "value"} else ""
        return {
            masked_within(key): _masked_value(named if named and key == "value" else key, inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if isinstance(value, str):
        return masked_within(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        masked = masked_within(str(value))
        return value if masked == str(value) else masked
    return value


def _masked_value(key: str, value: object) -> object:
    if value and _SECRET.search(key):
        return "…"
    # Telnyx' ids of connections are whole numbers longer than any telephone number.
    return value if key == "connection_id" and _CONNECTION_ID.fullmatch(str(value)) else _masked(value)
