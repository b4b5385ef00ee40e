"""Examines whether what is encrypted in the database can be read, and is under the newest key."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from conferences.secrets import stored_secrets
from dashboard.serving import programs

from .findings import Finding, Level


def secrets() -> Iterator[Finding]:
    """Report what is still under an older key, and what no key reads."""
    try:
        found = list(stored_secrets())
    except ImproperlyConfigured:
        return  # told above, as E006
    readable = [secret for secret in found if secret.is_readable]
    lost = [secret for secret in found if not secret.is_readable]
    old = [secret for secret in readable if not secret.is_under_newest_key]
    if lost:
        mend = f"{programs.as_typed()} rotate-secrets names them."
        yield Finding(Level.WARN, "secrets", f"{len(lost)} of {len(found)} are read by no key", mend)
    if old:
        mend = f"{programs.as_typed()} rotate-secrets; the older keys can be taken out only after that."
        yield Finding(Level.WARN, "secrets", f"{len(old)} of {len(readable)} are under an older key", mend)
    elif readable:
        yield Finding(Level.OK, "secrets", f"{len(readable)} in the database, under the newest key")
