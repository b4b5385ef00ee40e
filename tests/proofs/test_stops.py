"""A few shifts of the proof “stops”; `make proof NAME=stops` plays as many as wanted."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random

import pytest

from .stops import stops


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_stop_ends_in_silence_while_telnyx_fails(transactional_db: None) -> None:
    with stops(nullcontext) as check:
        for number in range(1, 6):
            check(number, Random(number))
