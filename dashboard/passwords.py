"""Hashes passwords, at most two at once in a process, and changes them.

The pages that check a password let two in at a time, before Django begins (entrance.py). What hashes on another way, a
command for one, waits here in its own thread.
"""

from __future__ import annotations

from datetime import datetime
from threading import BoundedSemaphore

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import transaction
from django.http import HttpRequest

from conferences import audit
from conferences.models import AuditEntry

AT_ONCE = 2
_hashing = BoundedSemaphore(AT_ONCE)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's own hasher, a few at a time; its hashes are the same."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the hash, once there is room to compute it."""
        with _hashing:
            return super().encode(password, salt, iterations)


def change_own(request: HttpRequest, form: PasswordChangeForm, *, now: datetime) -> None:
    """Store the new password of a valid form, let this session alone go on, and record the change in the audit."""
    form.save(commit=False)  # hashes, which takes long; a transaction of SQLite keeps others from writing
    with transaction.atomic():
        form.user.save(update_fields=["password"])
        # In the same transaction: a person who counts as signed out for a moment is taken out of their call.
        update_session_auth_hash(request, form.user)
        request.session.save()
        audit.record(AuditEntry.Action.PASSWORD_SET, at=now, actor=form.user, detail="their own")
