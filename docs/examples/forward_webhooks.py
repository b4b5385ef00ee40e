"""Sends Floorline a copy of each webhook of Telnyx, unchanged, and lets the call flow wait for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from queue import Full, Queue
from threading import Thread

import requests

SIGNED = ("telnyx-signature-ed25519", "telnyx-timestamp")


class Forwarder:
    """Sends copies from a thread of its own; where Floorline is away for long, new copies are dropped."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._waiting: Queue[tuple[bytes, dict[str, str]]] = Queue(maxsize=1000)
        Thread(target=self._send, daemon=True).start()

    def copy(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Take the raw body, before anything parses it: the signature covers its bytes."""
        given = {name.lower(): value for name, value in headers.items()}
        kept = {name: given[name] for name in SIGNED if name in given}
        with suppress(Full):  # Floorline reads what it has missed from Telnyx
            self._waiting.put_nowait((body, {"content-type": "application/json", **kept}))

    def _send(self) -> None:
        with requests.Session() as session:
            while True:
                body, headers = self._waiting.get()
                try:
                    session.post(self._address, data=body, headers=headers, timeout=5)
                except requests.RequestException:
                    continue
