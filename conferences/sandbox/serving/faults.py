"""Injects faults, singly or by rate: refusals, delays, lost answers, late execution, answers without effect."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_WHEN = {"before", "after", "late"}


@dataclass
class Fault:
    """One fault; without a `rate` it strikes the next `times` requests (1), with one, that share of requests at random.

    `when` says whether it strikes before the request is executed (then `status` or `drop` replace the execution; a
    `status` of 200 is a lie), after (executed, but the answer is another, late or lost), or late (executed `delay_s`
    later, and answered at once with `status` or not at all). Else `delay_s` alone delays the execution (before) or only
    the answer (after).
    A 429 names `reset_s` as the seconds to wait; `detail` is what a refusal says beside its code.
    """

    method: str = "*"
    path: str = "*"
    status: int | None = None
    code: str = "10007"
    detail: str = ""
    times: int | None = None
    rate: float | None = None
    delay_s: float = 0.0
    when: str = "before"
    drop: bool = False
    reset_s: int = 1

    @property
    def replaces(self) -> bool:
        return self.when == "before" and (self.status is not None or self.drop)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return what a refusal says beside its body."""
        if self.status != 429:
            return ()
        return (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", str(self.reset_s)))

    def matches(self, *, method: str, path: str) -> bool:
        return self.method in {"*", method} and fnmatchcase(path, self.path)


# The faults of a command, and of a reading.
COMMAND_FAULTS: tuple[dict[str, Any], ...] = (
    {"drop": True},
    {"drop": True, "when": "after"},
    {"when": "late", "delay_s": 2.0},
    {"when": "late", "delay_s": 20.0},
    {"status": 429, "code": "10011", "reset_s": 2},
    {"status": 500},
    {"status": 503, "when": "after"},
    {"status": 422, "code": "10004"},
    {"status": 200},
)
READ_FAULTS: tuple[dict[str, Any], ...] = ({"drop": True}, {"status": 429, "code": "10011"}, {"status": 500})


class Faults:
    def __init__(self, *, seed: int = 1) -> None:
        self.armed: list[Fault] = []
        self._random = random.Random(f"{seed}/faults")

    def arm(self, order: dict[str, Any]) -> Fault:
        """Add a fault; raise ValueError for fields or values that make no sense."""
        unknown = set(order) - set(Fault.__dataclass_fields__)
        fault = Fault(**{name: value for name, value in order.items() if name not in unknown})
        if unknown or fault.when not in _WHEN or not (fault.rate is None or 0 <= fault.rate <= 1):
            raise ValueError(f"Unknown fault: {sorted(unknown) or fault.when}; rate {fault.rate}")
        if fault.rate is None and fault.times is None:
            fault.times = 1
        self.armed.append(fault)
        return fault

    def arm_everything(self, rate: float) -> None:
        """Let this share of all requests go wrong, in every known way alike."""
        for method, kinds in (("POST", COMMAND_FAULTS), ("GET", READ_FAULTS)):
            share = rate / len(kinds)
            for before, kind in enumerate(kinds):
                # The first fault that strikes counts, so each rate is conditional on the earlier ones not striking.
                self.arm({"method": method, "rate": min(1.0, share / (1 - before * share)), **kind})

    def take(self, *, method: str, path: str) -> Fault | None:
        """Use up and return the first fault that strikes this request; `path` is without the /v2 prefix."""
        for fault in self.armed:
            if not fault.matches(method=method, path=path):
                continue
            if fault.rate is not None and self._random.random() >= fault.rate:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.armed.remove(fault)
            return fault
        return None
