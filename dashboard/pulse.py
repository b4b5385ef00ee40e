"""The clocks of the floor, read once for every open page: ingest, truth, and what is worth saying besides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from conferences.models import Account, Conference

from . import names
from .board import Tidings, ingest_lag, tidings
from .feeds import feeding


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat carries; the stream's own clock is the heartbeat itself."""

    now: int
    """Milliseconds since the epoch."""
    feed: str
    """What the board lives from: a Feed, or MIXED."""
    lag: int | None
    """How late webhooks come in, in milliseconds; None where none came in the last minute, or none is awaited."""
    polled: int | None
    """How old the newest comparison of a polled account is, in milliseconds; None where none is polled."""
    truth: int | None
    """Seconds since the last full comparison with Telnyx, of the account that waits longest; None before the first."""
    problem: str
    """Why the last comparison failed."""
    live: bool
    """Whether every account was compared a moment ago, and in full since its last outage."""
    since: int | None
    """Milliseconds since the epoch: since when an account may have missed something."""
    gap: bool
    """Whether what is shown may be older than an outage; False on a first start, when nothing was known before."""


def pulse(*, now: datetime) -> tuple[Pulse, Tidings]:
    """Read the clocks."""
    accounts = list(Account.objects.only("feed", "checked_at", "check_problem", "unsure_since"))
    fed = feeding(accounts)
    unsure = {account.pk: account.unsure_since for account in accounts if account.unsure_since}
    known = {account.pk for account in accounts if account.unsure_since and _was_known_before(account)}
    begun = {pk: since for pk, since in unsure.items() if pk not in known}
    lag = ingest_lag(now=now, polled=fed.polled, begun=begun)
    compared = [account.checked_at for account in accounts if account.checked_at]
    problems = [names.plain(account.check_problem, limit=300) for account in accounts if account.check_problem]
    beat = Pulse(
        now=int(now.timestamp() * 1000),
        feed=fed.feed,
        lag=None if lag is None else _milliseconds(lag),
        polled=None if fed.compared_at is None else _milliseconds(now - fed.compared_at),
        truth=max(0, int((now - min(compared)).total_seconds()))
        if compared and len(compared) == len(accounts)
        else None,
        problem=problems[0] if problems else "",
        live=all(account.is_live(now=now) for account in accounts),
        since=int(min(unsure.values()).timestamp() * 1000) if unsure else None,
        gap=bool(known),
    )
    return beat, tidings(now=now)


def _milliseconds(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds() * 1000))


def _was_known_before(account: Account) -> bool:
    """Say whether anything was compared before the account became unsure: then the board holds what was true then."""
    return Conference.objects.filter(account=account, participants_read_at__lte=account.unsure_since).exists()
