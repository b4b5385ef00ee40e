"""Measures the limit without HTTP: verify, parse and durably insert in batches, in one thread."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup()

from django.db import transaction  # noqa: E402 - models need the loaded apps

from benchmarks.load import KEY, PUBLIC_KEY, bodies  # noqa: E402
from conferences.intake.store import Received, keep, open_connection, read  # noqa: E402
from conferences.models import Account  # noqa: E402
from conferences.telnyx.inbound import public_key, verify  # noqa: E402


def measure(*, batch: int, count: int, seed: int) -> tuple[float, float]:
    """Return events per second and CPU µs per event."""
    account, now, keys = Account.objects.get(), datetime.now(UTC), [public_key(PUBLIC_KEY)]
    timestamp = str(int(now.timestamp()))
    told = [(body, signature(body, timestamp)) for body in bodies(count, seed=seed)]
    begun, cpu = time.perf_counter(), time.process_time()
    for start in range(0, count, batch):
        readings = []
        for body, signed in told[start : start + batch]:
            verify(body=body, signature=signed, timestamp=timestamp, keys=keys, now=now)
            readings.append(read(Received(account.pk, body, now)))
        with transaction.atomic():
            keep(account.pk, readings)
    return count / (time.perf_counter() - begun), (time.process_time() - cpu) / count * 1e6


def signature(body: bytes, timestamp: str) -> str:
    from base64 import b64encode

    return b64encode(KEY.sign(timestamp.encode() + b"|" + body).signature).decode()


if __name__ == "__main__":
    open_connection()
    print(*measure(batch=int(sys.argv[1]), count=int(sys.argv[2]), seed=int(sys.argv[3])))
