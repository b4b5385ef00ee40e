"""Hashes passwords, at most two at once in a process.

The pages that check a password let two in at a time, before Django begins (entrance.py). What hashes on another way, a
command for one, waits here in its own thread.
"""

from __future__ import annotations

from threading import BoundedSemaphore

from django.contrib.auth.hashers import PBKDF2PasswordHasher

AT_ONCE = 2
_hashing = BoundedSemaphore(AT_ONCE)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's own hasher, a few at a time; its hashes are the same."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the hash, once there is room to compute it."""
        with _hashing:
            return super().encode(password, salt, iterations)
