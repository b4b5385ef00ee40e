"""Frames what is sent as server-sent events."""

from __future__ import annotations

import json


def sse_message(html: str, *, id: int) -> bytes:  # noqa: A002 - the field's own name
    """Frame HTML as one unnamed message; every line needs its own `data:`, or the rest of it is lost."""
    # Not splitlines(), which splits at more than the three line ends of the format.
    data = html.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\ndata: ")
    return f"data: {data}\nid: {id}\n\n".encode()


def sse_event(name: str, data: object, *, id: int) -> bytes:  # noqa: A002 - the field's own name
    """Frame a named event, which the page's script hears and htmx does not swap."""
    return f"event: {name}\ndata: {json.dumps(data)}\nid: {id}\n\n".encode()
