"""Adds the top bar to pages of allauth's."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from .pages import text_page


class Framed:
    """A page of allauth's below the top bar."""

    request: Any

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the page's own context and the frame's."""
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**context, **text_page(self.request, now=timezone.now()), "writing": True}
