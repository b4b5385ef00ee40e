"""Builds addresses of other windows on the floor for tiles, filters and saved views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import template

from dashboard.floor.window import Window

register = template.Library()


@register.simple_tag
def window_url(window: Window, **changes: Any) -> str:
    """Return the address of a window that differs in something; `only` drops every filter and keeps the order."""
    if "only" in changes:
        return Window(sort=window.sort, by_agent=window.by_agent, whole=True).url()
    return replace(window, **{"page": 1, "whole": True, **changes}).url()
