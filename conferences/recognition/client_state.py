"""Reads the client_state of a leg, in every form that call flows and client libraries write.

Telnyx wants Base64. Ruby and Android break it into lines and end it with a line feed, some leave the padding out, and
the iOS SDK sends plain JSON.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator

from conferences.telnyx.inbound import CLIENT_STATE_LIMIT

from .marks import plain

WHOLE = "."
"""The path that means the whole value: not a place in JSON, but the reference itself."""
_URL_SAFE = str.maketrans("-_", "+/")


def values_at(client_state: str, path: str) -> tuple[str, ...]:
    """Return what a client_state may mean at a dotted path, the likeliest first; nothing where there is no text.

    A word alone may be Base64 or be meant as it is; at a place in JSON there is one answer at most.
    """
    if path == WHOLE:
        return tuple(dict.fromkeys(filter(None, _words(client_state))))
    found = _document(client_state)
    for key in path.split("."):
        if not isinstance(found, dict):
            return ()
        found = found.get(key)
    return tuple(filter(None, [plain(found)]))


def is_readable(client_state: str, path: str) -> bool:
    """Return whether a client_state is of a form that holds something at such a path at all."""
    return bool(values_at(client_state, path)) if path == WHOLE else isinstance(_document(client_state), dict)


def is_cut(client_state: str) -> bool:
    """Return whether a client_state was longer than what is kept of it."""
    return len(client_state) >= CLIENT_STATE_LIMIT


def _words(client_state: str) -> Iterator[str]:
    for text in (_decoded(client_state), client_state):
        value = _json(text)
        yield plain(text.strip() if value is None else value)


def _document(client_state: str) -> object:
    text = client_state.strip()
    return _json(text if text.startswith("{") else _decoded(text))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _decoded(client_state: str) -> str:
    """Return the text that is in Base64, with or without line feeds and padding; "" where there is none."""
    encoded = "".join(client_state.split()).translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(f"{encoded}{'=' * (-len(encoded) % 4)}".encode(), strict_mode=True).decode()
    except ValueError:
        return ""
