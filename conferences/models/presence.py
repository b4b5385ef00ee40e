"""Defines which supervisors have a page open, and what web processes show."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models


class PresenceQuerySet(models.QuerySet["Presence"]):
    """Presences by whether a page is open."""

    ALIVE_FOR = timedelta(seconds=15)

    def alive(self, *, now: datetime) -> PresenceQuerySet:
        """Return those of supervisors who have a page open."""
        return self.filter(seen_at__gte=now - self.ALIVE_FOR)


class Presence(models.Model):
    """When a supervisor last had a page open: a stream, or a page that refreshes itself."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)
    seen_at = models.DateTimeField()

    objects = PresenceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} {self.seen_at}"

    def is_alive(self, *, now: datetime) -> bool:
        """Return whether this supervisor has a page open."""
        return self.seen_at >= now - PresenceQuerySet.ALIVE_FOR


class Screen(models.Model):
    """The conferences that one web process shows, so that the comparison with Telnyx reads them first."""

    process = models.UUIDField(primary_key=True)
    conference_ids: models.JSONField[Any, Any] = models.JSONField(default=list)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.process} {self.at}"
