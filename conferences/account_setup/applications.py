"""Reads an account's applications at Telnyx when somebody asks for it, and keeps for a while how they are set up.

No webhook and no reading of calls tells what these settings do: a failover address, a first-command time-out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from django.core.cache import cache

from conferences.clients import setup_client_for
from conferences.models import Account
from conferences.telnyx.setup import Application

KEPT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Applications:
    """The applications as they were at a moment, by their ids."""

    read_at: datetime
    by_id: dict[str, Application]


def read_applications(account: Account, *, now: datetime) -> None:
    """Read them, and keep them for the guide. Raises Rejected or Unanswered, and ImproperlyConfigured without a key."""
    rows = setup_client_for(account).applications().rows
    cache.set(_name(account), {"read_at": now, "rows": [asdict(row) for row in rows]}, KEPT_SECONDS)


def known_applications(account: Account) -> Applications | None:
    """Return what was read a while ago, None where nothing was."""
    kept = cache.get(_name(account))
    if kept is None:
        return None
    return Applications(kept["read_at"], {row["id"]: Application(**row) for row in kept["rows"]})


def _name(account: Account) -> str:
    return f"setup-applications-{account.pk}"
