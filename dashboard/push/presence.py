"""Records which supervisors have a page open, and what it shows.

A line is not kept open without a page, and what a page shows is compared with Telnyx first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User

from conferences.models import Presence, Screen

EVERY = timedelta(seconds=5)
SCREEN_EVERY = timedelta(seconds=10)
SCREEN_LIFE = timedelta(minutes=1)
MOST_ON_SCREEN = 200


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


def note_polled(page: UUID, conference_ids: Iterable[str], *, now: datetime) -> None:
    """Store what a page without a stream shows, once in ten seconds; it is forgotten like a process that is gone."""
    if not Screen.objects.filter(process=page, at__gt=now - SCREEN_EVERY).exists():
        note_screen(page, conference_ids, now=now)


def note_screen(process: UUID, conference_ids: Iterable[str], *, now: datetime) -> None:
    """Store what this process shows, the first of it if it is much, and forget what processes showed that are gone."""
    shown = list(dict.fromkeys(conference_ids))[:MOST_ON_SCREEN]
    Screen.objects.bulk_create(
        [Screen(process=process, conference_ids=shown, at=now)],
        update_conflicts=True,
        unique_fields=["process"],
        update_fields=["conference_ids", "at"],
    )
    Screen.objects.filter(at__lt=now - SCREEN_LIFE).delete()
