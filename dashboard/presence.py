"""Notes that supervisors' pages are alive, so that a line is not kept open for nobody."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from conferences.models import Presence

EVERY = timedelta(seconds=5)


def note(user: User, *, now: datetime) -> None:
    """Store that the user was here; several tabs write once in five seconds together."""
    note_all([user.pk], now=now)


def note_all(user_ids: Collection[int], *, now: datetime) -> None:
    """Store that these users were here: one read, and one write if any of them was not noted a moment ago."""
    recent = Presence.objects.filter(user__in=set(user_ids), seen_at__gt=now - EVERY)
    late = set(user_ids) - set(recent.values_list("user_id", flat=True))
    if late:
        Presence.objects.bulk_create(
            [Presence(user_id=user_id, seen_at=now) for user_id in sorted(late)],
            update_conflicts=True,
            unique_fields=["user"],
            update_fields=["seen_at"],
        )
