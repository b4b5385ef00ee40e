"""Signs webhooks as Telnyx does, and hands them to an intake as a server would."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nacl.signing import SigningKey

from conferences.intake.endpoint import Intake

Headers = list[tuple[bytes, bytes]]


def public_text(key: SigningKey) -> str:
    """Return a key's public half as the portal shows it."""
    return b64encode(bytes(key.verify_key)).decode()


def signature(key: SigningKey, body: bytes, *, timestamp: str) -> Headers:
    """Return the two headers that Telnyx sends with a body."""
    signed = key.sign(timestamp.encode() + b"|" + body).signature
    return [(b"telnyx-signature-ed25519", b64encode(signed)), (b"telnyx-timestamp", timestamp.encode())]


def event(event_type: str, *, event_id: object = None, at: str = "2026-08-21T14:00:00Z", **payload: object) -> bytes:
    """Return a webhook's body."""
    data = {"record_type": "event", "event_type": event_type, "id": event_id, "occurred_at": at, "payload": payload}
    return json.dumps({"data": data, "meta": {"attempt": 1}}).encode()


@dataclass
class Post:
    """One request as a server would hand it on, in as many pieces as given."""

    body: bytes
    headers: Headers = field(default_factory=list)
    method: str = "POST"
    pieces: int = 1
    stalls: bool = False
    path: str = "/webhooks/telnyx/"

    async def to(self, intake: Intake) -> int:
        """Return the status that it is answered with."""
        size = -(-len(self.body) // self.pieces) or 1
        parts = [self.body[start : start + size] for start in range(0, len(self.body), size)] or [b""]
        messages = [{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts]
        answers: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            if self.stalls:
                await asyncio.Event().wait()
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            answers.append(message)

        scope = {"type": "http", "method": self.method, "path": self.path, "headers": self.headers}
        await intake(scope, receive, send)
        assert [answer["type"] for answer in answers] == ["http.response.start", "http.response.body"]
        return int(answers[0]["status"])


@dataclass
class Telnyx:
    """Whoever holds the private key."""

    intake: Intake
    key: SigningKey

    def signed(
        self,
        body: bytes,
        *,
        seconds_ago: float = 0,
        key: SigningKey | None = None,
        pieces: int = 1,
        path: str = "/webhooks/telnyx/",
    ) -> Post:
        """Return a correctly signed request."""
        timestamp = str(int(time.time() - seconds_ago))
        return Post(body, signature(key or self.key, body, timestamp=timestamp), pieces=pieces, path=path)

    def post(self, *posts: Post) -> list[int]:
        """Send requests at the same moment; return their statuses in order."""

        async def together(posts: Sequence[Post]) -> list[int]:
            return list(await asyncio.gather(*(post.to(self.intake) for post in posts)))

        return asyncio.run(together(posts))

    def send(self, *bodies: bytes) -> list[int]:
        """Sign and send bodies at the same moment."""
        return self.post(*(self.signed(body) for body in bodies))
