"""A few cases of every proof; `make proof` runs as many as wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

import pytest

from tests.proofs.intake import Check, fuzz, kills, signatures
from tests.proofs.moments import moments


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepared", "cases"),
    [(kills, 2), (fuzz, 1), (signatures, 2), (moments, 6)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_few_cases_hold(prepared: Callable[[], AbstractContextManager[Check]], cases: int) -> None:
    with prepared() as check:
        for number in range(cases):
            check(number, Random(f"test/{number}"))
