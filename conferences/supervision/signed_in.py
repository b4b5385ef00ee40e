"""Whether a supervisor is still signed in anywhere: an ear does not outlive the session that brought it (promise 11).

Signing out hangs up by itself. Nobody tells of a session that ran out, was ended by an administrator or died with a
changed password, so it is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from conferences.models import Ear

LOOK_EVERY = timedelta(seconds=5)


@dataclass(slots=True)
class _Look:
    """Who with a live ear was signed in, and when that was read; kept so that not every step reads all sessions."""

    at: datetime
    users: frozenset[int]


_last: list[_Look] = []


def is_signed_in(user: User, *, now: datetime) -> bool:
    """Say whether a user has a valid session; a no is never older than this question."""
    if _last and timedelta(0) <= now - _last[0].at < LOOK_EVERY and user.pk in _last[0].users:
        return True
    _last[:] = [_Look(at=now, users=_users_signed_in(now=now))]
    return user.pk in _last[0].users


def _users_signed_in(*, now: datetime) -> frozenset[int]:
    listening = set(Ear.objects.filter(ended_at=None).values_list("user", flat=True))
    store, found = SessionStore(), set[int]()
    for session in Session.objects.filter(expire_date__gt=now).iterator():
        user_id = int(store.decode(session.session_data).get(auth.SESSION_KEY, 0))
        if user_id in listening - found and _is_valid(session.session_key):
            found.add(user_id)
    return frozenset(found)


def _is_valid(session_key: str) -> bool:
    """Say whether a request with this session would be answered: the password may have changed since."""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    return auth.get_user(request).is_authenticated
