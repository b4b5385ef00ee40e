"""Describes the machine on which a figure was measured: cores, clock, the time of a fixed loop, and the load."""

from __future__ import annotations

import os
import platform
import re
import time
from datetime import date
from pathlib import Path

LOOP = 1_000_000


def description() -> str:
    """Return one line: date, machine, clock, Python, the time of a fixed loop, and the load."""
    parts = [
        str(date.today()),  # noqa: DTZ011
        platform.machine(),
        f"{os.cpu_count()} cores{_clock()}",
        f"Python {platform.python_version()}",
        f"a loop of a million additions {calibration():.0f} ms",
        f"load {os.getloadavg()[0]:.1f}",
    ]
    return ", ".join(parts)


def calibration() -> float:
    """Return the milliseconds that a million additions take here, the best of five: by it two machines compare."""
    return min(_loop() for _ in range(5)) * 1000


def _loop() -> float:
    begun = time.perf_counter()
    total = 0
    for number in range(LOOP):
        total += number
    return time.perf_counter() - begun


def _clock() -> str:
    """Return the clock that Linux tells: " at 2.4 GHz"; nothing where it tells none."""
    try:
        found = re.search(r"^cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return f" at {float(found[1]) / 1000:.1f} GHz" if found else ""
