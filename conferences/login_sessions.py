"""Ends sessions: those in which nobody did anything for a while, and all of them after one long shift.

The end stands in the session's row. Whatever asks for a valid session (Django, the streams, the worker) reads it there,
and only what a person does moves it: storing the session does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

LAST_AT = "last_at"
"""When a session ends whatever its person does, in seconds since 1970: the key in its data."""

ACTIVITY_EVERY = timedelta(minutes=1)
WARNED_FOR = timedelta(minutes=2)


class SessionStore(DatabaseSessionStore):
    """Django's sessions in the database, with an end that only `note_activity` moves."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.ends_at: datetime | None = None
        """The end that the row has; None where there is no row yet."""

    def create(self) -> None:
        """Begin anew, as at a sign-in and with a new password."""
        self.ends_at = None
        self.pop(LAST_AT, None)
        super().create()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row to store; the end of a row that is there already stays."""
        now = timezone.now()
        data.setdefault(LAST_AT, int(now.timestamp()) + settings.SESSION_COOKIE_AGE)
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]  # the stubs name its base
        self.ends_at = row.expire_date = self.ends_at or _end(data[LAST_AT], now=now)
        return row

    def note_activity(self, *, now: datetime) -> None:
        """Let the session go on, because its person has just done something; stored once in a minute."""
        if LAST_AT not in self:
            self.save()  # an earlier version began it: from now on it has a last end
        end = _end(self[LAST_AT], now=now)
        if self.ends_at and end - ACTIVITY_EVERY < self.ends_at <= end:
            return
        # Alone, not with the session's data: another request may be storing those.
        if Session.objects.filter(session_key=self.session_key, expire_date__gt=now).update(expire_date=end):
            self.ends_at = end

    def warning(self, *, now: datetime) -> datetime | None:
        """Return when the session ends if nobody does anything, where that is soon."""
        return soon(idle_end(self, self.ends_at), now=now) if self.ends_at else None

    def _get_session_from_db(self) -> Session | None:
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc]  # the stubs leave it out
        self.ends_at = row.expire_date if row else None
        return row


def _end(last_at: int, *, now: datetime) -> datetime:
    """Return when a session ends if nobody does anything in it from now on."""
    last = datetime.fromtimestamp(last_at, UTC)
    return min(last, now + timedelta(minutes=settings.IDLE_TIMEOUT_MINUTES)) if settings.IDLE_TIMEOUT_MINUTES else last


def idle_end(data: Mapping[str, Any] | SessionStore, ends_at: datetime) -> datetime | None:
    """Return a session's end where its person could still move it, None where the shift is over then."""
    return ends_at if ends_at.timestamp() < data.get(LAST_AT, float("inf")) else None


def soon(end: datetime | None, *, now: datetime) -> datetime | None:
    """Return an end that is to be warned of now."""
    return end if end and end - now <= WARNED_FOR else None


def shorten(*, now: datetime) -> None:
    """Let no session last longer than it may: the setting may be new, or shorter than it was."""
    if settings.IDLE_TIMEOUT_MINUTES:
        end = now + timedelta(minutes=settings.IDLE_TIMEOUT_MINUTES)
        too_long = Session.objects.filter(expire_date__gt=end + ACTIVITY_EVERY)
        if too_long.exists():
            too_long.update(expire_date=end)
