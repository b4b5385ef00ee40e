"""Takes in the webhooks that Telnyx could not deliver, from its own log of deliveries.

The comparison with Telnyx corrects the board without them; but who called, how long they waited and what happened in a
call that began and ended during an outage is in no listing, only in these events.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from conferences.models import Account
from conferences.telnyx.client import Client
from conferences.telnyx.inbound import MAX_BODY_BYTES

from .store import Received, store

# A delivery is in the log as failed only after its last attempt; how long they go on is not published.
STILL_TRIED_FOR = timedelta(minutes=10)
# An account with a dead address elsewhere must not cost the comparison its reads.
MOST_PAGES = 8
OF_CALLS = ("call.", "conference.")


def fetch(*, account: Account, client: Client, since: datetime, now: datetime) -> int:
    """Store what failed since then and is not known yet; return how many requests it took.

    Raises what reading from Telnyx raises; what was read before that is stored.
    """
    pages = 0
    for page in client.failed_deliveries(since=since - STILL_TRIED_FOR):
        pages += 1
        bodies = [body_of(event) for event in page.events if str(event.get("event_type")).startswith(OF_CALLS)]
        batch = [Received(account.pk, body, now) for body in bodies if len(body) <= MAX_BODY_BYTES]
        if batch:
            store(batch, delivered=False)
        if pages == MOST_PAGES:
            break
    return pages


def body_of(event: object) -> bytes:
    """Return an event of the log as the webhook that would have brought it, and say so in its `meta`."""
    return json.dumps({"data": event, "meta": {"source": "webhook_deliveries"}}).encode()
