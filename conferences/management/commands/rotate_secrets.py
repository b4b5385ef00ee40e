"""Encrypts every stored secret with the newest key: `floorline rotate-secrets`."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from conferences.secrets import stored_secrets


class Command(BaseCommand):
    help = (
        "Encrypt every secret in the database with the first of FIELD_KEYS (second factors without FIELD_KEYS: with a "
        "key made of SECRET_KEY); the other keys can then go. Ends with 1 where one cannot be read."
    )
    # E006 stops other commands where a secret cannot be read; this one says which, and does the rest.
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        if not (settings.FIELD_KEYS or settings.SECRET_KEY_GIVEN):
            # Without a SECRET_KEY each process makes up its own: nothing could be read again.
            sys.exit("floorline: Set SECRET_KEY, or FIELD_KEYS, as they are set for the web process.")
        secrets = list(stored_secrets())
        readable = [secret for secret in secrets if secret.is_readable]
        old = [secret for secret in readable if not secret.is_under_newest_key]
        rotated = sum(secret.rotate() for secret in old)
        self.stdout.write(f"Encrypted anew: {rotated}. Under the newest key already: {len(readable) - len(old)}.")
        if changed := len(old) - rotated:
            self.stdout.write(f"Changed by somebody meanwhile: {changed}. Run this once more.")
        if lost := ", ".join(str(secret) for secret in secrets if not secret.is_readable):
            sys.exit(
                f"floorline: No key can read {lost}. Put the key back (FIELD_KEYS, or SECRET_KEY_FALLBACKS), type the "
                "secret anew, or remove the second factor."
            )
