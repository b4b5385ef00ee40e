"""A few cases of every proof; `make proof` runs as many as wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

import pytest

from tests.proofs import all as proofs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepared", "cases"), [(proofs.kills, 2), (proofs.fuzz, 1)], ids=lambda value: getattr(value, "__name__", None)
)
def test_a_few_cases_hold(prepared: Callable[[], AbstractContextManager[proofs.Check]], cases: int) -> None:
    with prepared() as check:
        for number in range(cases):
            check(number, Random(f"test/{number}"))
