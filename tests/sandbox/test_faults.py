"""Faults by rate: seeded, per endpoint, and in every known way alike."""

from __future__ import annotations

from collections import Counter

import pytest

from conferences.sandbox.serving import server
from conferences.sandbox.serving.faults import COMMAND_FAULTS, Fault, Faults
from tests.sandbox.conftest import environment


def struck(
    faults: Faults, count: int, *, method: str = "POST", path: str = "/conferences/x/actions/update"
) -> list[bool]:
    return [faults.take(method=method, path=path) is not None for _ in range(count)]


def test_a_rate_strikes_so_many_and_never_runs_out() -> None:
    faults = Faults(seed=1)
    faults.arm({"path": "*/actions/update", "status": 500, "rate": 0.3})
    assert 250 < sum(struck(faults, 1000)) < 350
    assert sum(struck(faults, 1000, path="/conferences/x/actions/leave")) == 0


def test_the_same_seed_strikes_the_same_requests() -> None:
    stories = []
    for seed in (1, 1, 2):
        faults = Faults(seed=seed)
        faults.arm({"status": 500, "rate": 0.5})
        stories.append(struck(faults, 64))
    assert stories[0] == stories[1]
    assert stories[0] != stories[2]


def test_a_rate_with_times_ends_after_so_many_strikes() -> None:
    faults = Faults(seed=1)
    faults.arm({"drop": True, "rate": 0.5, "times": 3})
    assert sum(struck(faults, 100)) == 3
    assert faults.armed == []


def test_every_kind_of_fault_is_equally_frequent() -> None:
    faults = Faults(seed=1)
    faults.arm_everything(0.3)
    kinds: Counter[str] = Counter()
    for _ in range(9000):
        fault = faults.take(method="POST", path="/calls")
        if fault is not None:
            kinds[str((fault.status, fault.when, fault.drop, fault.delay_s))] += 1
    assert len(kinds) == len(COMMAND_FAULTS)
    assert all(200 < number < 400 for number in kinds.values()), kinds
    assert 250 < sum(struck(faults, 1000, method="GET", path="/conferences")) < 350


def test_a_429_says_how_long_to_wait() -> None:
    assert dict(Fault(status=429, reset_s=7).headers)["x-ratelimit-reset"] == "7"
    assert Fault(status=500).headers == ()


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_beyond_one_is_refused(rate: float, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="rate"):
        Faults().arm({"rate": rate})
    with pytest.raises(SystemExit):
        server.main([f"--fault-rate={rate}"], environment(), parent=0)
    assert "--fault-rate must be between 0 and 1" in capsys.readouterr().err


def test_the_option_arms_the_sandbox_from_its_start() -> None:
    options = server.parse(["--fault-rate", "0.3", "--calls", "0"])
    assert server.build(options, environment(), now=0.0).faults.armed
    assert not server.build(server.parse([]), environment(), now=0.0).faults.armed
