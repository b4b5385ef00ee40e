"""Finds out who is still signed in, asked for one session, for many, or for a user, and which rights they have.

A session that has yet to add a second factor is not signed in here: it sees no call, and keeps no line.
Who is so no longer, because their session has ended, is told in the audit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from conferences import audit
from conferences.models import AuditEntry, Ear

from . import second_factor
from .login_sessions import SessionStore, idle_end, shorten
from .permissions import RightsBook, rights_books


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody whose session is valid, and what they may see and do, as the database has it now."""

    user: User
    rights: RightsBook
    idle_end: datetime | None = None
    """When the session ends if nobody does anything; None where it ends in any case."""

    def differs_from(self, viewer: User, rights: RightsBook) -> bool:
        """Return whether anything that rights come from is another than a page began with."""
        return self.rights != rights or (self.user.is_staff, self.user.is_superuser) != (
            viewer.is_staff,
            viewer.is_superuser,
        )


class _OnlyLookedAt(SessionStore):
    """A session that Django decides about and leaves as it is.

    It would otherwise give a session under an older SECRET_KEY a new key, which only a page's answer can tell the
    browser: a look from elsewhere would sign its user out.
    """

    key_salt = SessionStore().key_salt  # the class that wrote it is part of the salt

    def cycle_key(self) -> None: ...

    def flush(self) -> None: ...


def signed_in(session_key: str) -> User | None:
    """Return the active user of a session that is still valid, as a request would, and change nothing."""
    user, session = _user_behind(session_key)
    return None if user is None or second_factor.is_owed(user, session) else user


def _user_behind(session_key: str) -> tuple[User | None, SessionStore]:
    request = HttpRequest()
    request.session = session = _OnlyLookedAt(session_key)
    user = auth.get_user(request)
    return (user if isinstance(user, User) and user.is_active else None), session


def idle_end_of(session_key: str, *, now: datetime) -> datetime | None:
    """Return when a session ends if nobody does anything in it; None where it ends in any case."""
    row = Session.objects.filter(session_key=session_key, expire_date__gt=now).first()
    return idle_end(SessionStore().decode(row.session_data), row.expire_date) if row else None


def all_signed_in(session_keys: Collection[str], *, now: datetime) -> dict[str, SignedIn]:
    """Return who is behind these sessions: three queries, however many there are."""
    found = _behind(Session.objects.filter(session_key__in=set(session_keys), expire_date__gt=now))
    books = rights_books(list({one.user.pk: one.user for one in found.values()}.values()))
    return {
        key: SignedIn(user=one.user, rights=books[one.user.pk], idle_end=one.idle_end) for key, one in found.items()
    }


LOOK_EVERY = timedelta(seconds=5)
ENDED_AT_ONCE = 100
_last: list[_Look] = []


@dataclass(slots=True)
class _Look:
    """The users with a live ear who were signed in at a reading, kept so that not every step reads all sessions."""

    at: datetime
    users: frozenset[int]


def is_signed_in(user: User, *, now: datetime) -> bool:
    """Return whether a user has a valid session; a no is never older than this question."""
    if _last and timedelta(0) <= now - _last[0].at < LOOK_EVERY and user.pk in _last[0].users:
        return True
    listening = set(Ear.objects.live().values_list("user", flat=True))
    _last[:] = [_Look(at=now, users=signed_in_among(listening, now=now))]
    return user.pk in _last[0].users


def signed_in_among(users: Collection[int], *, now: datetime) -> frozenset[int]:
    """Return which of these users have a valid session, in whatever browser; reads all sessions."""
    found = _behind(Session.objects.filter(expire_date__gt=now), among=users)
    return frozenset(one.user.pk for one in found.values())


def sessions_of(user: User, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Return the valid sessions of one person with what they hold, in whatever browser; reads all sessions."""
    store = SessionStore()
    found = {
        session.session_key: store.decode(session.session_data)
        for session in Session.objects.filter(expire_date__gt=now).iterator()
    }
    mine = str(user.pk)
    return {
        key: data for key, data in found.items() if data.get(auth.SESSION_KEY) == mine and _is_evidently(user, data)
    }


def forget() -> None:
    """Look again at the next question."""
    _last.clear()


def end_sessions(*, now: datetime) -> None:
    """Delete sessions that have ended, some at a time, and tell in the audit who was signed out by that, and why."""
    shorten(now=now)
    ended = list(Session.objects.filter(expire_date__lte=now).order_by("expire_date")[:ENDED_AT_ONCE])
    found = _behind(Session.objects.filter(pk__in=[session.pk for session in ended])) if ended else {}
    for session in ended:
        who = found.get(session.session_key)
        with transaction.atomic():
            gone, _by_model = Session.objects.filter(pk=session.pk, expire_date__lte=now).delete()
            if gone and who is not None:
                action = AuditEntry.Action.SIGNED_OUT_IDLE if who.idle_end else AuditEntry.Action.SIGN_IN_ENDED
                audit.record(action, at=session.expire_date, actor=who.user)


@dataclass(frozen=True, slots=True)
class _Behind:
    user: User
    idle_end: datetime | None


def _behind(sessions: QuerySet[Session], *, among: Collection[int] | None = None) -> dict[str, _Behind]:
    """Return the active users of these sessions by session key, as `signed_in` would decide each; or only those among.

    A session says whose it is only once it is decoded, so all of them are read, one after the other.
    """
    store, opened, ends = SessionStore(), dict[str, dict[str, Any]](), dict[str, datetime | None]()
    for session in sessions.iterator():
        data = store.decode(session.session_data)
        if auth.SESSION_KEY in data and (among is None or int(data[auth.SESSION_KEY]) in among):
            opened[session.session_key] = data
            ends[session.session_key] = idle_end(data, session.expire_date)
    found = User.objects.in_bulk({int(data[auth.SESSION_KEY]) for data in opened.values()})
    behind: dict[str, _Behind] = {}
    for key, data in opened.items():
        user = found.get(int(data[auth.SESSION_KEY]))
        if user and not _is_evidently(user, data):
            # A rotated key or another backend: Django decides these cases.
            user = _user_behind(key)[0]
        if user and user.is_active:
            behind[key] = _Behind(user=user, idle_end=ends[key])
    asked = {one.user.pk: one.user for key, one in behind.items() if opened[key].get(second_factor.ASKED)}
    owing = second_factor.owing(asked.values())
    return {
        key: one for key, one in behind.items() if one.user.pk not in owing or not opened[key].get(second_factor.ASKED)
    }


def _is_evidently(user: User, data: Mapping[str, Any]) -> bool:
    """Return whether a session is this user's beyond doubt: the checks of django.contrib.auth.get_user."""
    return data.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS and constant_time_compare(
        data.get(auth.HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
