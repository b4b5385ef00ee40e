"""Contains the Django project: pages, streams, settings, and the processes that serve them."""

from __future__ import annotations

__version__ = "0.1.0"
