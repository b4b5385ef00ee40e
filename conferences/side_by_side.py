"""Runs background work in threads of each account's own, so that an account whose Telnyx hangs holds up no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

logger = logging.getLogger(__name__)


class SideBySide:
    """Up to `at_once` works of each account at a time, never the same one twice at once."""

    def __init__(self, *, at_once: int, name: str) -> None:
        self._at_once = at_once
        self._name = name
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._busy: set[Hashable] = set()
        self._lock = threading.Lock()
        self._is_closing = False

    def begin(self, work: Callable[[], object], *, about: Hashable, account_id: int) -> None:
        """Have an account's work done, unless the one before about the same is still waiting or under way."""
        with self._lock:
            if self._is_closing or about in self._busy:
                return
            self._busy.add(about)
        if account_id not in self._pools:
            name = f"{self._name}-{account_id}"
            self._pools[account_id] = ThreadPoolExecutor(max_workers=self._at_once, thread_name_prefix=name)
        self._pools[account_id].submit(self._do, work, about=about, account_id=account_id)

    def close(self) -> None:
        """Begin nothing any more, wait for what is under way, and close the threads' connections to the database."""
        with self._lock:
            self._is_closing = True
        for pool in self._pools.values():
            together = threading.Barrier(self._at_once)
            for _ in range(self._at_once):
                pool.submit(_close_connection, together)
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def _do(self, work: Callable[[], object], *, about: Hashable, account_id: int) -> None:
        try:
            if not self._is_closing:
                work()
        except Exception:
            # It is tried again in a moment; the others go on meanwhile.
            logger.exception("%s: a step of account %s failed; it is tried again", self._name, account_id)
            connection.close()
        finally:
            with self._lock:
                self._busy.discard(about)


def _close_connection(together: threading.Barrier) -> None:
    together.wait()  # so that each thread of an account closes its own
    connection.close()
