"""Loses, doubles or delays webhooks, each by its share."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Shares from 0 to 1; a webhook that is late by up to `longest_s` seconds arrives after newer ones."""

    drop: float = 0.0
    """Never sent, and in no log of deliveries."""
    duplicate: float = 0.0
    """Sent twice, the second time late."""
    delay: float = 0.0
    longest_s: float = 5.0

    @classmethod
    def ordered(cls, order: dict[str, Any]) -> Disturbance:
        """Read an order; raise ValueError for fields or values that make no sense."""
        if unknown := set(order) - set(cls.__slots__):
            raise ValueError(f"Unknown: {', '.join(sorted(unknown))}")
        wanted = cls(**{name: float(value) for name, value in order.items()})
        if not all(0 <= share <= 1 for share in (wanted.drop, wanted.duplicate, wanted.delay)):
            raise ValueError("drop, duplicate and delay are shares from 0 to 1.")
        if not 0 <= wanted.longest_s <= 3600 or math.isnan(wanted.longest_s):
            raise ValueError("longest_s is a number of seconds, up to an hour.")
        return wanted

    @classmethod
    def of_rate(cls, rate: float) -> Disturbance:
        """Return the one under which this share of webhooks is lost, as many doubled and as many late."""
        return cls.ordered({"drop": rate, "duplicate": rate, "delay": rate})

    def lateness(self, chance: random.Random) -> list[float]:
        """Return one webhook's deliveries, each by how many seconds it is late; none where it is lost."""
        if chance.random() < self.drop:
            return []
        first = chance.uniform(0, self.longest_s) if chance.random() < self.delay else 0.0
        again = chance.random() < self.duplicate
        return [first, first + chance.uniform(0, self.longest_s)] if again else [first]
