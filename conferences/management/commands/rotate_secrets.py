"""Encrypts every stored secret with the newest key: `floorline rotate-secrets`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from conferences.secrets import stored_secrets


class Command(BaseCommand):
    help = (
        "Encrypt every secret in the database with the first of FIELD_KEYS; the other keys can then go. Ends with 1 "
        "where one cannot be read."
    )
    # E006 stops other commands where a secret cannot be read; this one says which, and does the rest.
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        secrets = list(stored_secrets())
        lost = [secret for secret in secrets if not secret.is_readable]
        old = [secret for secret in secrets if secret not in lost and not secret.is_under_newest_key]
        rotated = sum(secret.rotate() for secret in old)
        already = len(secrets) - len(lost) - len(old)
        self.stdout.write(f"Encrypted anew: {rotated}. Under the newest key already: {already}.")
        if changed := len(old) - rotated:
            self.stdout.write(f"Changed by somebody meanwhile: {changed}. Run this once more.")
        if lost:
            named = ", ".join(map(str, lost))
            sys.exit(f"floorline: None of the FIELD_KEYS can read {named}. Put back the key, or type the secret anew.")
