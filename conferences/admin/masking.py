"""Shows stored evidence without telling phone numbers or leg addresses to those who need not know them."""

from __future__ import annotations

import json
import re

# Ids and times have letters, dashes or more digits around them than a telephone number has.
NUMBER = re.compile(r"(?<![\w.-])\+?[0-9]{7,15}(?![\w-])|\+[0-9]{7,15}")
CALL_CONTROL_ID = re.compile(r"\bv[0-9]:[\w=-]{12,}")
SHOWN_CHARACTERS = 64 * 1024


def masked(text: str) -> str:
    """Return a text with the last three digits only of each telephone number."""
    return NUMBER.sub(lambda found: f"•••• {found[0][-3:]}", text)


def readable_body(body: bytes, *, full_numbers: bool) -> str:
    """Return a webhook's body as indented JSON (or as it came, where it is none), fit for a person's eyes.

    The address of a leg at Telnyx (call_control_id) commands it, so nobody is shown more than its beginning; who may
    not see telephone numbers does not see client_state either, because anything may be packed into it.
    """
    try:
        document = json.loads(body)
        text = json.dumps(document if full_numbers else _without_client_state(document), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body[:SHOWN_CHARACTERS].decode(errors="backslashreplace")
    text = CALL_CONTROL_ID.sub(lambda found: f"{found[0][:8]}…", text)
    text = visible(text if full_numbers else masked(text))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def visible(text: str) -> str:
    """Return a text with its control and bidi characters spelt out, so that it cannot look like something else."""
    return "".join(
        character if character.isprintable() or character == "\n" else f"\\u{ord(character):04x}" for character in text
    )


def _without_client_state(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: "…" if key == "client_state" and inner else _without_client_state(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_client_state(inner) for inner in value]
    return value
