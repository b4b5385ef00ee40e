"""Names the types of a raw ASGI callable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CHUNKS = "floorline.chunks"
"""The ASGI extension by which a stream writes at once, without waking its task: `Callable[[bytes], bool]`.

A server that does not offer it is served by `send` alone.
"""
