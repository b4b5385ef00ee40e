"""Generates signed webhooks, posts them over kept connections and takes the time."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from nacl.signing import SigningKey

from tests.proofs.histories import story

KEY = SigningKey(bytes(range(32)))
PUBLIC_KEY = b64encode(bytes(KEY.verify_key)).decode()


@dataclass
class Outcome:
    """Figures of one run."""

    seconds: float
    answers: dict[int, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.answers.get(200, 0) / self.seconds

    def wait(self, share: float) -> float:
        """Return the wait in milliseconds that this share of the answers did not exceed."""
        return sorted(self.waits)[min(len(self.waits) - 1, int(len(self.waits) * share))] * 1000


def bodies(count: int, *, seed: int) -> list[bytes]:
    """Return so many webhooks of a floor of sixty calls that talk."""
    found: list[bytes] = []
    while len(found) < count:
        found += story(seed + len(found), calls=60, seconds=120, rate=10)
    return found[:count]


def signed(body: bytes, *, path: str = "/webhooks/telnyx/") -> bytes:
    """Return a whole HTTP request."""
    lines = [f"{name}: {value}" for name, value in signature_headers(body).items()]
    lines += ["host: 127.0.0.1", "content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode() + body


def signature_headers(body: bytes) -> dict[str, str]:
    """Return the headers by which a body is known as Telnyx', sent now."""
    timestamp = str(int(time.time()))
    signature = b64encode(KEY.sign(timestamp.encode() + b"|" + body).signature).decode()
    return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}


async def post(port: int, requests: Sequence[bytes], *, connections: int, per_second: float | None = None) -> Outcome:
    """Post requests over so many connections; at a steady rate where one is given, else as fast as answers come."""
    outcome = Outcome(seconds=0)
    begun = time.perf_counter()
    left = iter(enumerate(requests))

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, request in left:
            due = begun + number / per_second if per_second else time.perf_counter()
            await asyncio.sleep(max(0, due - time.perf_counter()))
            try:
                writer.write(request)
                status = await _status(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                # A kept connection may be closed between two requests; as Telnyx would, send it again on a new one.
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                status = await _status(reader)
            outcome.answers[status] = outcome.answers.get(status, 0) + 1
            outcome.waits.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    outcome.seconds = time.perf_counter() - begun
    return outcome


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
