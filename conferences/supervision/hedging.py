"""A way to silence that does not wait for the database: sent at the latest after a moment, stored when it can be."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from conferences.telnyx.client import Rejected, Unanswered

# Storing takes milliseconds; what takes longer waits for a lock that somebody else holds.
STORED_WITHIN = 0.7

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def sent_in_time(send: Callable[[], object]) -> Iterator[None]:
    """Store something in the block; should that take too long, `send` is called meanwhile, from another thread.

    What is sent afterwards, once it is stored, carries the same command_id, so Telnyx executes it once.
    """
    timer = threading.Timer(STORED_WITHIN, _send, args=[send])
    timer.name, timer.daemon = "stop-in-time", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _send(send: Callable[[], object]) -> None:
    logger.warning("the database keeps a supervisor's way to silence waiting; it is sent before it is stored")
    with contextlib.suppress(Rejected, Unanswered):
        send()
