"""Faults to order: refusals, delays, lost answers, and answers without effect."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass
class Fault:
    """One fault, used up after `times` requests.

    `when` says whether it strikes before the request is executed (then `status` or `drop` replace the execution; a
    `status` of 200 is a lie) or after (executed, but the answer is another, late or lost). `delay_s` alone delays the
    execution (before) or only the answer (after).
    """

    method: str = "*"
    path: str = "*"
    status: int | None = None
    code: str = "10007"
    times: int = 1
    delay_s: float = 0.0
    when: str = "before"
    drop: bool = False

    @property
    def replaces(self) -> bool:
        return self.when == "before" and (self.status is not None or self.drop)

    def strikes(self, *, method: str, path: str) -> bool:
        return self.times > 0 and self.method in {"*", method} and fnmatchcase(path, self.path)


class Faults:
    def __init__(self) -> None:
        self.armed: list[Fault] = []

    def arm(self, order: dict[str, Any]) -> Fault:
        """Add a fault; raise ValueError for fields or values that make no sense."""
        unknown = set(order) - set(Fault.__dataclass_fields__)
        fault = Fault(**{name: value for name, value in order.items() if name not in unknown})
        if unknown or fault.when not in {"before", "after"}:
            raise ValueError(f"Unknown fault: {sorted(unknown) or fault.when}")
        self.armed.append(fault)
        return fault

    def take(self, *, method: str, path: str) -> Fault | None:
        """Use up and return the first fault that strikes this request; `path` is without the /v2 prefix."""
        for fault in self.armed:
            if fault.strikes(method=method, path=path):
                fault.times -= 1
                if not fault.times:
                    self.armed.remove(fault)
                return fault
        return None
