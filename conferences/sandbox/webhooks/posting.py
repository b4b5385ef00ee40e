"""Writes a webhook as an application posts it that is set up for version 2, for version 1, or for TeXML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conferences.sandbox.webhooks.signing import signed_headers

FORMATS = ("2", "1", "texml")


@dataclass(frozen=True, slots=True)
class Posting:
    """The way in which webhooks are posted."""

    format: str = "2"
    clock_s: float = 0.0
    """Seconds that the times of signatures are ahead of this machine's clock."""

    @classmethod
    def ordered(cls, order: dict[str, Any]) -> Posting:
        """Read an order; raise ValueError for fields or values that make no sense."""
        if unknown := set(order) - set(cls.__slots__):
            raise ValueError(f"Unknown: {', '.join(sorted(unknown))}")
        wanted = cls(format=str(order.get("format", "2")), clock_s=float(order.get("clock_s", 0)))
        if wanted.format not in FORMATS or not abs(wanted.clock_s) <= 3600:
            raise ValueError(f"format is one of {', '.join(FORMATS)}; clock_s a number of seconds, up to an hour.")
        return wanted

    def written(self, body: bytes, *, key: Ed25519PrivateKey, now: float) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of a webhook, from its body in version 2."""
        timestamp = int(now + self.clock_s)
        if self.format == "2":
            return body, signed_headers(body, key=key, timestamp=timestamp)
        event = json.loads(body)["data"]
        if self.format == "1":
            # Version 1 is signed in a way of its own.
            older = {"record_type": "event", "event_type": event["event_type"].replace(".", "_"), "id": event["id"]}
            headers = {"content-type": "application/json", "x-telnyx-signature": f"t={timestamp},h=0"}
            return json.dumps({**older, "payload": event["payload"]}).encode(), headers
        form = urlencode({"CallSid": event["payload"].get("call_control_id", ""), "CallStatus": "ringing"}).encode()
        headers = signed_headers(form, key=key, timestamp=timestamp)
        return form, {**headers, "content-type": "application/x-www-form-urlencoded"}
