"""The clocks of the floor, read once for every open page: ingest, truth, and what is worth saying besides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from conferences.models import Account

from . import names
from .board import Tidings, ingest_lag, tidings


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat carries; the stream's own clock is the heartbeat itself."""

    now: int
    """Milliseconds since the epoch."""
    lag: int | None
    """How late webhooks come in, in milliseconds; None where none came in the last minute."""
    truth: int | None
    """Seconds since the last full comparison with Telnyx, of the account that waits longest; None before the first."""
    problem: str
    """Why the last comparison failed."""


def pulse(*, now: datetime) -> tuple[Pulse, Tidings]:
    """Read the clocks."""
    lag = ingest_lag(now=now)
    accounts = list(Account.objects.values_list("checked_at", "check_problem"))
    compared = [checked_at for checked_at, _problem in accounts if checked_at]
    problems = [names.plain(problem, limit=300) for _checked_at, problem in accounts if problem]
    beat = Pulse(
        now=int(now.timestamp() * 1000),
        lag=None if lag is None else int(lag.total_seconds() * 1000),
        truth=max(0, int((now - min(compared)).total_seconds()))
        if compared and len(compared) == len(accounts)
        else None,
        problem=problems[0] if problems else "",
    )
    return beat, tidings(now=now)
