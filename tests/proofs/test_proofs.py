"""A few cases of every proof; `make proof` runs as many as wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from random import Random

import pytest

from tests.proofs.deploys import deploys
from tests.proofs.floods import floods
from tests.proofs.guesses import guesses
from tests.proofs.intake import Check, fuzz, kills, signatures, storms
from tests.proofs.losses import losses
from tests.proofs.moments import moments
from tests.proofs.strangers import Size

# Beside other tests on a busy machine: smaller, and as late as Telnyx would still wait.
small_storms = partial(storms, events=400, seconds=3, within=1.9)
small_floods = partial(floods, Size(seconds=4, sign_ins=8, idle=400, stalled=100, quick=1), slack=2)
patient_deploys = partial(deploys, slack=3)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("prepared", "cases"),
    [
        pytest.param(kills, range(2), id="kills"),
        pytest.param(fuzz, range(1), id="fuzz"),
        pytest.param(signatures, range(2), id="signatures"),
        pytest.param(moments, range(7), id="moments"),
        pytest.param(small_storms, range(1), id="storms"),
        pytest.param(small_floods, range(1), id="flood"),
        pytest.param(guesses, range(60), id="guesses"),
        pytest.param(patient_deploys, [0], id="deploys: a server is replaced"),
        pytest.param(patient_deploys, [1], id="deploys: a server is killed"),
    ],
)
def test_every_proof_holds_for_a_few_cases(
    prepared: Callable[[], AbstractContextManager[Check]], cases: Iterable[int]
) -> None:
    with prepared() as check:
        for number in cases:
            check(number, Random(f"test/{number}"))


@pytest.mark.slow
def test_the_board_becomes_correct_again_after_lost_webhooks(db: None) -> None:
    with losses(nullcontext) as check:
        for number in range(2):
            check(number, Random(f"test/{number}"))
