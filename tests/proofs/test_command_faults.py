"""The proof “command faults”: however Telnyx fails, a stop becomes silence, and soon.

Size, first seed and where to go on: FLOORLINE_PROOF_SHIFTS, FLOORLINE_PROOF_SEED, FLOORLINE_PROOF_FILE. With a file,
what was played is kept in it, a line per shift, and a second run begins after its last line.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.clients import client_for
from tests.supervision.conftest import Floor, floor

from .shifts import FaultyHttp, play

__all__ = ["floor"]

SHIFTS = int(os.environ.get("FLOORLINE_PROOF_SHIFTS", "12"))
SEED = int(os.environ.get("FLOORLINE_PROOF_SEED", "1"))
FILE = os.environ.get("FLOORLINE_PROOF_FILE", "")

P99_SECONDS = 3.0
MAX_SECONDS = 12.0


@pytest.fixture
def http(floor: Floor) -> FaultyHttp:
    http = FaultyHttp(floor, Random(SEED))
    client_for(floor.account)._session.mount("http://", http)
    return http


@pytest.mark.timeout(0)
def test_a_stop_becomes_silence_however_telnyx_fails(floor: Floor, kim: User, http: FaultyHttp) -> None:
    played = list(_so_far())
    with Path(FILE or os.devnull).open("a") as file:
        for seed in range(SEED + len(played), SEED + SHIFTS):
            outcome = play(floor, kim, http, seed=seed)
            played.append(asdict(outcome) | {"silent_after": outcome.silent_after})
            file.write(json.dumps(played[-1]) + "\n")
            file.flush()
    seconds = sorted(one["silent_after"] for one in played)
    left = [one["seed"] for one in played if one["left_audible"]]
    worst = max(played, key=lambda one: one["silent_after"])
    p99 = seconds[int(0.99 * (len(seconds) - 1))]
    faults = Counter(fault for one in played for fault in one["faults"])
    print(  # noqa: T201 - the proof's own report
        f"\n{len(played)} shifts from seed {SEED}, {faults.total()} faults {dict(faults)}: {len(left)} left audible; "
        f"silent after {seconds[len(seconds) // 2]} s (median), {p99} s (p99), {seconds[-1]} s (seed {worst['seed']})"
    )
    assert left == []
    assert p99 <= P99_SECONDS or len(played) < 100, p99
    assert seconds[-1] <= MAX_SECONDS, worst


def _so_far() -> Iterator[dict[str, Any]]:
    if FILE and Path(FILE).exists():
        yield from map(json.loads, Path(FILE).read_text().splitlines()[:SHIFTS])
