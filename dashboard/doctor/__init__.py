"""Examines an installation: one finding for each thing that must be so, with what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from . import database, machine, secrets, telnyx
from .findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]


def examine(*, now: datetime) -> Iterator[Finding]:
    """Yield every finding; if the database cannot be used, the examinations that need it are left out."""
    yield from machine.home()
    yield from machine.descriptors()
    yield from machine.static_files()
    sound = True
    for examination in (database.database, database.migrations):
        for finding in examination() if sound else ():
            yield finding
            sound = sound and finding.level != Level.FAIL
    yield from machine.checked_settings(databases=["default"] if sound else [])
    if sound:
        yield from secrets.secrets()
        yield from telnyx.background_work(now)
        yield from telnyx.webhook_addresses()
        yield from telnyx.webhooks(now)
        yield from telnyx.accounts()
