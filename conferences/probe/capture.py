"""Records what a probe sends, is answered, hears and is told by webhooks; nothing leaves it unredacted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from conferences.models import Account, WebhookEvent
from conferences.telnyx.transport import Exchange

from .redaction import Redaction

FORMAT = 1
HOSTS = ("api.telnyx.com", "api.telnyx.eu")
Line = Mapping[str, Any]


class Capture:
    """One probe's requests and what came of them, as they were; its lines are for other eyes."""

    def __init__(self, *, clock: Callable[[], datetime] = timezone.now) -> None:
        self.step = ""
        """The step of the walk that the next requests belong to."""
        self._clock = clock
        self._began = clock()
        self._redaction = Redaction()
        self._entries: list[tuple[float, str, Exchange | Line]] = []
        self._legs: set[str] = set()
        self._conference = ""

    def name(self, value: str, words: str) -> None:
        """Replace a value by these words in every line."""
        self._redaction.name(value, words)

    def name_leg(self, leg: str, words: str) -> None:
        """Name a leg of the probe, whose webhooks are taken in afterwards."""
        self._legs.add(leg)
        self.name(leg, words)

    def name_conference(self, conference_id: str) -> None:
        """Name the probe's conference."""
        self._conference = conference_id
        self.name(conference_id, "the conference")

    def note(self, exchange: Exchange) -> None:
        """Keep a request and its answer."""
        self._entries.append((self._since_the_beginning(self._clock()), self.step, exchange))

    def note_heard(self, *, listener: str, speaker: str, heard: bool | None) -> None:
        """Keep whether one phone heard another."""
        at = self._since_the_beginning(self._clock())
        told = {"kind": "heard", "listener": listener, "speaker": speaker, "heard": heard}
        self._entries.append((at, self.step, told))

    def note_asked(self, question: str, *, heard: bool | None) -> None:
        """Keep the answer to another question that only an ear can answer."""
        at = self._since_the_beginning(self._clock())
        self._entries.append((at, self.step, {"kind": "asked", "question": question, "heard": heard}))

    def take_webhooks(self, account: Account) -> int:
        """Take in what webhooks have told about the probe's own legs; return how many."""
        about = Q(call_control_id__in=self._legs)
        if self._conference:
            about |= Q(conference_telnyx_id=self._conference)
        found = WebhookEvent.objects.filter(about, account=account, received_at__gte=self._began)
        events = list(found.order_by("received_at", "pk"))
        for event in events:
            at = self._since_the_beginning(event.received_at)
            told = self._redaction.value(_json(bytes(event.body)))
            self._entries.append((at, "", {"kind": "webhook", "event": told}))
        return len(events)

    def lines(self, *, api_base: str, region: str) -> list[Line]:
        """Return everything in the order of time, redacted, after a line about the whole."""
        host = urlsplit(api_base).hostname or ""
        head = {
            "kind": "capture",
            "format": FORMAT,
            "floorline": settings.VERSION,
            "began": self._began.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "telnyx": host if host in HOSTS else "another server",
            "region": region or "the account's own",
        }
        return [head, *(self._line(*entry) for entry in sorted(self._entries, key=lambda entry: entry[0]))]

    def _line(self, at: float, step: str, entry: Exchange | Line) -> Line:
        if isinstance(entry, Exchange):
            return self._request(at, step, entry)
        return {"kind": entry["kind"], "at": at, "step": step, **entry}

    def _request(self, at: float, step: str, exchange: Exchange) -> Line:
        # The only body whose `name` is a conference's without saying so.
        kind = "conference" if exchange.path == "/conferences" else ""
        return {
            "kind": "request",
            "at": at,
            "step": step,
            "method": exchange.method,
            "path": self._redaction.path(exchange.path),
            "query": self._redaction.value(exchange.query),
            "body": self._redaction.value(exchange.body, field=kind),
            "status": exchange.status,
            "answer": self._redaction.value(exchange.answer),
        }

    def _since_the_beginning(self, moment: datetime) -> float:
        return round((moment - self._began).total_seconds(), 3)


def as_text(lines: Sequence[Line]) -> str:
    """Return lines as JSONL."""
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
