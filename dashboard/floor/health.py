"""Measures ingest and polling, and builds the notices shown above the board."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from conferences import names
from conferences.changes import current
from conferences.models import Account, Conference, WebhookEvent
from conferences.models.account import Feed

BRIDGED_IS_RECENT = timedelta(minutes=30)
LAG_IS_RECENT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class FloorHealth:
    """The figures of a heartbeat; the stream's own clock is the heartbeat itself."""

    now: int
    """Milliseconds since the epoch."""
    feed: str
    """The way in which the board is fed: a Feed, or MIXED."""
    lag: int | None
    """The delay of webhooks, in milliseconds; None where none came in the last minute, or none is awaited."""
    polled: int | None
    """The age of a polled account's newest comparison, in milliseconds; None where none is polled."""
    truth: int | None
    """Seconds since the last full comparison with Telnyx, of the account that waits longest; None before the first."""
    problem: str
    """Why the last comparison failed."""
    live: bool
    """Whether every account was compared a moment ago, and in full since its last outage."""
    since: int | None
    """Milliseconds since the epoch: since when an account may have missed something."""
    stopped: int | None
    """Milliseconds since the epoch: since when an account's webhooks have stopped coming; None while they come."""
    gap: bool
    """Whether what is shown may be older than an outage; False on a first start, when nothing was known before."""


@dataclass(frozen=True, slots=True)
class FloorNotices:
    """Notices above the board: the last webhook, calls bridged without a conference, and a clock that is wrong."""

    last_event_at: datetime | None
    bridged_seen: bool
    clock_off: int = 0
    """By how many seconds our clock is ahead of Telnyx', negative where behind; 0 where it is right."""

    @property
    def shown(self) -> tuple[bool, int]:
        """The content of the banners; equal where they need not be sent again."""
        return self.bridged_seen, self.clock_off

    @property
    def clock_off_by(self) -> int:
        return abs(self.clock_off)


def floor_health(*, now: datetime) -> tuple[FloorHealth, FloorNotices]:
    """Read how current the board is, and the notices above it."""
    shown = ("feed", "checked_at", "check_problem", "unsure_since", "feed_stopped_since")
    accounts = list(Account.objects.filter(is_active=True).only(*shown))
    fed = feeding(accounts)
    unsure = {account.pk: account.unsure_since for account in accounts if account.unsure_since}
    known = {account.pk for account in accounts if account.unsure_since and _was_known_before(account)}
    begun = {pk: since for pk, since in unsure.items() if pk not in known}
    lag = ingest_lag(now=now, polled=fed.polled, begun=begun)
    compared = [account.checked_at for account in accounts if account.checked_at]
    problems = [names.plain(account.check_problem, limit=300) for account in accounts if account.check_problem]
    stopped = [account.feed_stopped_since for account in accounts if account.feed_stopped_since]
    beat = FloorHealth(
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
        stopped=int(min(stopped).timestamp() * 1000) if stopped else None,
        gap=bool(known),
    )
    return beat, floor_notices(now=now)


def floor_notices(*, now: datetime) -> FloorNotices:
    """Return when the last webhook was ingested, whether bridged calls were seen a moment ago, and a wrong clock."""
    in_use = Account.objects.filter(is_active=True)
    accounts = list(in_use.only("bridged_call_seen_at", "heard_at", "clock_ahead"))
    bridged = [account.bridged_call_seen_at for account in accounts if account.bridged_call_seen_at]
    return FloorNotices(
        last_event_at=current().ingested_at,
        bridged_seen=any(seen > now - BRIDGED_IS_RECENT for seen in bridged),
        clock_off=max((account.clock_is_off_by(now=now) for account in accounts), key=abs, default=0),
    )


def ingest_lag(
    *, now: datetime, polled: Collection[int] = (), begun: Mapping[int, datetime] = MappingProxyType({})
) -> timedelta | None:
    """Return how late webhooks come in, by the middle one of the last five; None on a quiet floor.

    Polled accounts do not count: their board does not depend on webhooks. Neither do
    events from before an account was added: nothing was shown then that could be old.
    """
    last = WebhookEvent.objects.filter(received_at__gt=now - LAG_IS_RECENT).order_by("-received_at")
    if polled:
        last = last.exclude(account_id__in=polled)
    for account, beginning in begun.items():
        last = last.exclude(account_id=account, occurred_at__lt=beginning)
    lags = sorted(received - occurred for received, occurred in last.values_list("received_at", "occurred_at")[:5])
    return max(timedelta(0), lags[len(lags) // 2]) if lags else None


def _milliseconds(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds() * 1000))


def _was_known_before(account: Account) -> bool:
    """Return whether anything was compared before the account became unsure: the board holds what was true then."""
    return Conference.objects.filter(account=account, participants_read_at__lte=account.unsure_since).exists()


MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Feeding:
    """The way in which the accounts behind the board are fed, together."""

    feed: str
    """Their Feed where it is one, else MIXED."""
    polled: tuple[int, ...]
    """The accounts of which no webhook is awaited."""
    compared_at: datetime | None
    """The newest comparison, of the polled account that waits longest; None where none polls, or before the first."""


def feeding(accounts: Collection[Account] | None = None) -> Feeding:
    """Return how the board is fed; read the accounts where nobody has done so."""
    in_use = Account.objects.filter(is_active=True)
    known = list(in_use.only("feed", "checked_at") if accounts is None else accounts)
    feeds = {account.feed for account in known}
    polled = [account for account in known if account.feed == Feed.POLLING]
    compared = [account.checked_at for account in polled if account.checked_at]
    return Feeding(
        feed=MIXED if len(feeds) > 1 else str(next(iter(feeds), Feed.WEBHOOKS.value)),
        polled=tuple(account.pk for account in polled),
        compared_at=min(compared) if compared and len(compared) == len(polled) else None,
    )
