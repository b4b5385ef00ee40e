"""Posts webhooks as Telnyx does: signed, concurrently, in no fixed order, again when not answered well."""

from __future__ import annotations

import heapq
import http.client
import itertools
import json
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conferences.sandbox.formats import resources
from conferences.sandbox.formats.errors import ApiError
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.telephony.state import WebhookSent, iso
from conferences.sandbox.webhooks.disturbance import Disturbance
from conferences.sandbox.webhooks.posting import Posting

TIMEOUT_S = 2.0
RETRY_AFTER_S = (1.0, 3.0, 9.0, 27.0)
"""Not published for voice; "a few within about a minute"."""
BACKLOG = 300_000
AT_ONCE = 48
"""The most deliveries under way at the same time. The receiver commits what waits together before it answers: with four
at once each commit holds four, and ten thousand calls' webhooks come faster than that."""
LOG_KEPT = 5_000
PAST_S = 60.0
"""An event older than this was played from a call's past; it is sent when nothing of the present waits."""
BEHIND_S = 3.0
_AGAIN = {408, 429}


@dataclass(slots=True, eq=False)
class Delivery:
    n: int
    event: WebhookSent
    attempts: int = 0
    last_status: int | None = None
    """None while nobody answered."""
    started_at: float = 0.0
    finished_at: float | None = None
    """None while attempts are still to come."""

    @property
    def status(self) -> str:
        return "delivered" if self.last_status == 200 else "failed"

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "event_id": self.event.id,
            "event_type": self.event.type,
            "occurred_at": self.event.occurred_at,
            "url": self.event.url,
            "call_control_id": self.event.payload.get("call_control_id"),
            "conference_id": self.event.payload.get("conference_id"),
            "attempts": self.attempts,
            "last_status": self.last_status,
        }


def listing(log: Iterable[Delivery], query: Mapping[str, str]) -> Json:
    """Answer GET /webhook_deliveries: finished deliveries, the newest first."""
    status, since = query.get("filter[status][eq]"), query.get("filter[started_at][gte]")
    try:
        earliest = datetime.fromisoformat(since).timestamp() if since else 0.0
    except ValueError as error:
        raise ApiError(
            422, "10026", "'filter[started_at][gte]' must be an ISO 8601 datetime.", pointer="filter"
        ) from error
    ended = [one for one in log if one.finished_at is not None and one.started_at >= earliest]
    kept = [one for one in reversed(ended) if status in {None, one.status}]
    chosen, meta = resources.page(kept, total=len(kept), query=query)
    return {"data": [_resource(one) for one in chosen], "meta": meta}


def _resource(delivery: Delivery) -> Json:
    return {
        "record_type": "webhook_delivery",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, delivery.event.id)),
        "user_id": str(uuid.UUID(int=0)),
        "status": delivery.status,
        "started_at": iso(delivery.started_at),
        "finished_at": iso(delivery.finished_at or delivery.started_at),
        "attempts": [],
        "webhook": _data(delivery.event),
    }


def _data(event: WebhookSent) -> Json:
    return {
        "event_type": event.type,
        "id": event.id,
        "occurred_at": event.occurred_at,
        "payload": event.payload,
        "record_type": "event",
    }


def body_of(event: WebhookSent, *, attempt: int) -> bytes:
    envelope = {
        "data": _data(event),
        "meta": {"attempt": attempt, "delivered_to": event.url},
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Deliveries:
    """A heap of what is due, emptied by many threads, each with connections of its own that stay open.

    Behind it waits what was played from the past: ten thousand calls' would hold up the present for minutes.
    """

    def __init__(self, *, key: Ed25519PrivateKey, workers: int = AT_ONCE) -> None:
        self._key = key
        self._workers = workers
        self._due: list[tuple[float, int, Delivery]] = []
        self._past: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._ties = itertools.count()
        self._chance = random.Random("deliveries")
        self.disturbance = Disturbance()
        self.posting = Posting()
        self.log: deque[Delivery] = deque(maxlen=LOG_KEPT)
        self.delivered = 0
        self.given_up = 0

    @property
    def waiting(self) -> int:
        return len(self._due) + len(self._past)

    @property
    def is_behind(self) -> bool:
        """Return whether what could have been posted seconds ago still waits."""
        with self._changed:
            return bool(self._due) and time.monotonic() - self._due[0][0] > BEHIND_S

    def start(self) -> None:
        for number in range(self._workers):
            threading.Thread(target=self._work, name=f"delivery-{number}", daemon=True).start()

    def post(self, events: deque[WebhookSent]) -> None:
        """Take over everything in the outbox."""
        if not events:
            return
        now, past = time.monotonic(), iso(time.time() - PAST_S)
        with self._changed:
            while events:
                delivery = Delivery(n=next(self._numbers), event=events.popleft(), started_at=time.time())
                if self.waiting >= BACKLOG:
                    self.given_up += 1
                    continue
                late = self.disturbance.lateness(self._chance)
                if late:
                    self.log.append(delivery)
                for seconds in late:
                    if delivery.event.occurred_at < past and seconds == 0:
                        self._past.append(delivery)
                    else:
                        heapq.heappush(self._due, (now + seconds, next(self._ties), delivery))
            self._changed.notify_all()

    def since(self, number: int) -> list[dict[str, Any]]:
        with self._changed:
            return [delivery.as_json() for delivery in self.log if delivery.n > number]

    def _work(self) -> None:
        connections: dict[str, http.client.HTTPConnection] = {}
        while True:
            delivery = self._next()
            delivery.attempts += 1
            body = body_of(delivery.event, attempt=delivery.attempts)
            delivery.last_status = self._send(connections, delivery.event.url, body)
            self._settle(delivery)

    def _next(self) -> Delivery:
        with self._changed:
            while not self._due or self._due[0][0] > time.monotonic():
                if self._past:
                    return self._past.popleft()
                self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
            return heapq.heappop(self._due)[2]

    def _settle(self, delivery: Delivery) -> None:
        status = delivery.last_status
        again = status is None or status >= 500 or status in _AGAIN
        if not again or delivery.attempts > len(RETRY_AFTER_S):
            with self._changed:
                delivery.finished_at = time.time()
                self.delivered += status == 200
                self.given_up += again
            return
        with self._changed:
            due = time.monotonic() + RETRY_AFTER_S[delivery.attempts - 1]
            heapq.heappush(self._due, (due, next(self._ties), delivery))
            self._changed.notify()

    def _send(self, connections: dict[str, http.client.HTTPConnection], url: str, body: bytes) -> int | None:
        """Return the status, or None without an answer. No redirects, no proxies.

        A kept connection may have been closed by the other side meanwhile, so the first failure on a used one
        is tried once more on a fresh one.
        """
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body, headers = self.posting.written(body, key=self._key, now=time.time())
        for _ in range(2):
            connection = connections.pop(parts.netloc, None)
            fresh = connection is None
            try:
                connection = connection or http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
                connection.request("POST", target, body=body, headers=headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
                if connection:
                    connection.close()
                if fresh or isinstance(error, TimeoutError):
                    return None
            else:
                connections[parts.netloc] = connection
                return response.status
        return None
