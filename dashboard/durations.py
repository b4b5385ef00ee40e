"""Durations as the screen writes them."""

from __future__ import annotations

OPEN = "\0"
"""Stands for a running time in kept HTML; names cannot hold it (names.plain), so nobody can forge one."""


def duration(seconds: float) -> str:
    """Write a duration as mm:ss, or h:mm:ss from the first hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"
