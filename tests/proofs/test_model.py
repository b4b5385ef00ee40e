"""A few shifts of the proof “model”; `make proof NAME=model` plays as many as wanted."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random

import pytest

from .model import model


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nobody_hears_who_should_not_whatever_happens(transactional_db: None) -> None:
    with model(nullcontext, steps=20) as check:
        for number in range(1, 5):
            check(number, Random(number))
