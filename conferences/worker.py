"""Runs the background loops: ears, comparison with Telnyx, bridged calls, team rules, sessions, seals, retention.

One thread looks for ears, another for accounts to compare. Each account's are handed to threads of its own, so that a
Telnyx that hangs or refuses holds up no other account. A loop that fails says so in the log and goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import connection

from conferences.models.account import Feed
from conferences.reconciliation.reconciler import Reconciler, note_bridged_calls
from conferences.telnyx.client import Client

from .audit_chain import sealing
from .clients import client_for
from .lease import RENEW_SECONDS, Holder
from .logins import end_sessions
from .models import Account
from .retention import delete_old_rows
from .side_by_side import SideBySide
from .supervision import adopt, open_ears, renew_lines, step_ear
from .supervision.commands import clock
from .team_rules import RuleWatch

EAR_SECONDS = 0.15
RENEW_LINES_SECONDS = 1.0
ADOPT_SECONDS = 1.0
RECONCILE_SECONDS = 0.5
FEED_SECONDS = 1.0
RULES_SECONDS = 2.0
BRIDGED_SECONDS = 30.0
SESSIONS_SECONDS = 5.0
SEAL_SECONDS = 10.0
DELETE_SECONDS = 300.0
BETWEEN_BATCHES_SECONDS = 0.5  # the intake goes first
EARS_AT_ONCE = 8

logger = logging.getLogger(__name__)


class EarLoop:
    """Steps every open ear a few times a second, never the same one twice at once."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._ears = SideBySide(at_once=EARS_AT_ONCE, name="ear")

    def step(self) -> None:
        """Hand every ear that is not being stepped to its account's threads."""
        for ear_id, account_id in open_ears().items():
            self._ears.begin(partial(self._step_one, ear_id), about=ear_id, account_id=account_id)

    def close(self) -> None:
        """Wait for the steps under way; none begins any more."""
        self._ears.close()

    def _step_one(self, ear_id: UUID) -> None:
        # Asked once more: the lease may have run out while this ear waited for its turn.
        if self._holder.is_ours(now=clock()):
            step_ear(ear_id=ear_id, now=clock())


class ReconcileLoop:
    """Steps one Reconciler per account; other credentials or another region get a new one, in place of the old one."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._accounts = SideBySide(at_once=1, name="comparison")
        self._reconcilers: dict[int, tuple[Client, Reconciler]] = {}

    def step(self) -> None:
        """Have every account in use compared that is not being compared, each in a thread of its own."""
        accounts = {account.pk: account for account in Account.objects.filter(is_active=True).order_by("pk")}
        for gone in [pk for pk in list(self._reconcilers) if pk not in accounts]:
            self._reconcilers.pop(gone, None)
        for account in accounts.values():
            self._accounts.begin(partial(self._compare_one, account), about=account.pk, account_id=account.pk)

    def close(self) -> None:
        """Wait for the comparisons under way; none begins any more."""
        self._accounts.close()

    def _compare_one(self, account: Account) -> None:
        # Asked once more: the lease may have run out while this account waited for its turn.
        if self._holder.is_ours(now=clock()):
            self.compare(account)

    def compare(self, account: Account) -> None:
        """Do what is due for an account, if it has an API key."""
        if not account.credentials().api_key:
            self._reconcilers.pop(account.pk, None)
            return
        client = client_for(account)
        known, reconciler = self._reconcilers.get(account.pk, (None, None))
        if reconciler is None or known is not client:
            reconciler = Reconciler(account=account, client=client, clock=clock)
            self._reconcilers[account.pk] = (client, reconciler)
        reconciler.step(reads_per_second=account.reads_per_second, polling=account.feed == Feed.POLLING)

    def watch_feeds(self) -> None:
        """Store which feeds have stopped; beside `step`, which a Telnyx that does not answer holds up for seconds."""
        for _client, reconciler in list(self._reconcilers.values()):
            reconciler.watch_feed()

    def note_bridged(self) -> None:
        """Look for bridged calls without a conference."""
        for account in Account.objects.filter(is_active=True):
            note_bridged_calls(account=account, now=clock())


def run(stop: threading.Event) -> None:
    """Run every loop until `stop` is set; where several workers run, one works and the others stand by."""
    holder = Holder("worker")
    ears, reconciling, rules = EarLoop(holder), ReconcileLoop(holder), RuleWatch()
    loops: list[tuple[Callable[[], object], float]] = [
        (ears.step, EAR_SECONDS),
        # A loop of its own: it waits for Telnyx while a phone is rung again, and no ear waits with it.
        (lambda: renew_lines(now=clock()), RENEW_LINES_SECONDS),
        (lambda: adopt(now=clock()), ADOPT_SECONDS),
        (reconciling.step, RECONCILE_SECONDS),
        (reconciling.watch_feeds, FEED_SECONDS),
        (reconciling.note_bridged, BRIDGED_SECONDS),
        (lambda: rules.step(now=clock()), RULES_SECONDS),
        (lambda: end_sessions(now=clock()), SESSIONS_SECONDS),
        (partial(seal_audit, holder, sealing.Sealer(), stop), SEAL_SECONDS),
        (partial(_delete_old_rows, stop), DELETE_SECONDS),
    ]
    steps: list[tuple[Callable[[], object], float]] = [(lambda: holder.claim(now=clock()), RENEW_SECONDS)]
    steps += [(partial(_under_lease, holder, step), pause) for step, pause in loops]
    threads = [threading.Thread(target=_repeat, args=(step, pause, stop), daemon=True) for step, pause in steps]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(timeout=5)
    ears.close()
    holder.give_back(now=clock())
    # Last: a comparison may wait for Telnyx for seconds, and is no harm beside that of the next worker.
    reconciling.close()


def _under_lease(holder: Holder, step: Callable[[], object]) -> None:
    if holder.is_ours(now=clock()):
        step()


def seal_audit(holder: Holder, sealer: sealing.Sealer, stop: threading.Event) -> None:
    """Seal what is new in the audit; after an upgrade everything is, so the lease is asked for before each batch."""
    while holder.is_ours(now=clock()) and sealer.step(now=clock()) == sealing.BATCH:
        if stop.wait(BETWEEN_BATCHES_SECONDS):
            return


def _delete_old_rows(stop: threading.Event) -> None:
    while delete_old_rows(now=clock()) and not stop.wait(BETWEEN_BATCHES_SECONDS):
        pass


def _repeat(step: Callable[[], object], pause: float, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            step()
        except Exception:
            # An unavailable database or Telnyx must not end the loop: it has to notice when they are back.
            logger.exception("a background step failed; it is tried again")
            connection.close()
        stop.wait(pause)
    connection.close()
