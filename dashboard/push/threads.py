"""Runs ORM work of an event loop in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from django.db import close_old_connections, connections

Value = TypeVar("Value")


async def in_thread(work: Callable[[], Value]) -> Value:
    """Run ORM work in a thread, and give its database connection back before anybody waits again."""

    def closed_after() -> Value:
        close_old_connections()
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(closed_after)
