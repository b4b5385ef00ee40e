"""Which feed the board lives from, and how old its knowledge is where Telnyx is only asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from conferences.models import Account
from conferences.models.account import Feed

MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Feeding:
    """How the accounts behind the board are fed, together."""

    feed: str
    """Their Feed where it is one, else MIXED."""
    polled: tuple[int, ...]
    """The accounts of which no webhook is awaited."""
    compared_at: datetime | None
    """The newest comparison, of the polled account that waits longest; None where none polls, or before the first."""


def feeding(accounts: Collection[Account] | None = None) -> Feeding:
    """Say how the board is fed; read the accounts where nobody has done so."""
    known = list(Account.objects.only("feed", "checked_at") if accounts is None else accounts)
    feeds = {account.feed for account in known}
    polled = [account for account in known if account.feed == Feed.POLLING]
    compared = [account.checked_at for account in polled if account.checked_at]
    return Feeding(
        feed=MIXED if len(feeds) > 1 else str(next(iter(feeds), Feed.WEBHOOKS.value)),
        polled=tuple(account.pk for account in polled),
        compared_at=min(compared) if compared and len(compared) == len(polled) else None,
    )
