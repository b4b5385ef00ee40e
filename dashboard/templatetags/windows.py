"""Addresses of other windows on the floor: what a tile, a filter or a saved view leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import template

from dashboard.window import Window

register = template.Library()


@register.simple_tag
def window_url(window: Window, **changes: Any) -> str:
    """Return the address of a window that differs in something; `only` drops every filter and keeps the order."""
    if "only" in changes:
        return Window(sort=window.sort, by_agent=window.by_agent).url()
    return replace(window, **{"page": 1, **changes}).url()
