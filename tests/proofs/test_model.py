"""A few shifts of the proof “model”; `make proof NAME=model` plays as many as wanted."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random

import pytest

from .model import model


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_random_shifts_nobody_hears_a_supervisor_unintended(transactional_db: None) -> None:
    with model(nullcontext, steps=12) as check:
        for number in range(1, 3):
            check(number, Random(number))
