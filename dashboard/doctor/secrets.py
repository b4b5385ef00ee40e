"""Examines whether what is encrypted in the database is under the newest key."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from conferences.secrets import stored_secrets
from dashboard.serving import programs

from .findings import Finding, Level


def secrets() -> Iterator[Finding]:
    """Report what is still under an older key; what no key reads is told by the check of the accounts."""
    try:
        found = [secret for secret in stored_secrets() if secret.is_readable]
        old = [secret for secret in found if not secret.is_under_newest_key]
    except ImproperlyConfigured:
        return  # told above, as E006
    if old:
        mend = f"{programs.as_typed()} rotate-secrets; then take the older keys out of FIELD_KEYS."
        yield Finding(Level.WARN, "secrets", f"{len(old)} of {len(found)} are under an older one of FIELD_KEYS", mend)
    elif found:
        yield Finding(Level.OK, "secrets", f"{len(found)} in the database, under the newest of FIELD_KEYS")
