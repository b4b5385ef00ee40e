"""Who is still signed in, and what they may see now: asked for many open streams at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from conferences.permissions import rights_books

from .scope import Scope


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody whose session is valid, and what they may see."""

    user: User
    scope: Scope


def signed_in(session_key: str) -> User | None:
    """Return the active user of a session that is still valid, exactly as a request would."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = auth.get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def all_signed_in(session_keys: Collection[str], *, now: datetime) -> dict[str, SignedIn]:
    """Return who is behind these sessions: three queries, however many there are."""
    store = SessionStore()
    rows = Session.objects.filter(session_key__in=set(session_keys), expire_date__gt=now)
    opened = {row.session_key: store.decode(row.session_data) for row in rows}
    found = User.objects.in_bulk({int(data[auth.SESSION_KEY]) for data in opened.values() if auth.SESSION_KEY in data})
    users: dict[str, User] = {}
    for key, data in opened.items():
        user = found.get(int(data.get(auth.SESSION_KEY, 0)))
        if user and not _is_evidently(user, data):
            # A key that was rotated, another backend: what only Django decides, it decides alone.
            user = signed_in(key)
        if user and user.is_active:
            users[key] = user
    books = rights_books(list({user.pk: user for user in users.values()}.values()))
    return {key: SignedIn(user=user, scope=Scope.of(books[user.pk])) for key, user in users.items()}


def _is_evidently(user: User, data: dict[str, str]) -> bool:
    """Say whether a session is this user's beyond doubt: the checks of django.contrib.auth.get_user."""
    return data.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS and constant_time_compare(
        data.get(auth.HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
