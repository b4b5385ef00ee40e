"""A run of a proof that goes on after a failed case says so, also when it is asked again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from . import all as proofs
from .__main__ import main
from .intake import Check


@contextmanager
def third_case_fails() -> Iterator[Check]:
    def check(number: int, chance: Random) -> None:
        assert number != 2, "as it should"

    yield check


def test_a_failed_case_is_not_forgotten_when_a_finished_run_is_started_again(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.FLOORLINE_HOME = tmp_path
    monkeypatch.setitem(proofs.PROOFS, "brittle", proofs.Proof("the third case fails.", third_case_fails))
    monkeypatch.setattr(sys, "argv", ["proofs", "brittle", "--size", "10", "--go-on"])
    for _time in ("first", "again"):
        assert main() == 1
        said = capsys.readouterr().out
        assert "fails in cases 2 of 10" in said
        assert "holds" not in said
