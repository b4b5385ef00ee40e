"""Checks that the watch over everything that is logged can fail."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests import planted
from tests.planted import API_KEY, LEGS, NUMBERS, PASSWORDS, Watch
from tests.tooling.conftest import starting
from tests.tooling.processes import ROOT, python

SUITE = f"""
import logging

def test_tells_at_debug():
    logging.getLogger("somewhere.deep").debug("signed in with %s", {PASSWORDS[0]!r})

def test_tells_in_an_error():
    try:
        raise ValueError({PASSWORDS[1]!r})
    except ValueError:
        logging.getLogger("elsewhere").exception("failed")

def test_tells_nothing():
    logging.getLogger("somewhere").debug("of {NUMBERS[0]}")
"""


@pytest.fixture
def log() -> tuple[logging.Logger, Watch]:
    """Return a logger that the watch over the whole suite does not hear, and a watch of its own."""
    logger, watch = logging.Logger("alone"), Watch()
    logger.addHandler(watch)
    return logger, watch


def test_a_password_that_is_logged_is_told_with_its_logger(log: tuple[logging.Logger, Watch]) -> None:
    logger, watch = log
    logger.debug("signing in as kim")
    assert watch.told == []
    logger.debug("signing in with %s", PASSWORDS[0])
    assert watch.told == ["password by alone"]


def test_what_the_operators_formatter_hides_counts_as_not_told(log: tuple[logging.Logger, Watch]) -> None:
    logger, watch = log
    for hidden in (*NUMBERS, API_KEY, *LEGS, planted.TYPED_CARD):
        logger.error("about %s", hidden)
    assert watch.told == []


@pytest.mark.slow
def test_a_test_in_whose_course_something_is_logged_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import nothing_planted_is_logged, pytest_configure")
    (tmp_path / "test_it.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", str(tmp_path), str(tmp_path)]
    ended = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:randomly"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "3 passed, 2 errors" in ended.stdout
    assert "AssertionError: logged: password by somewhere.deep" in ended.stdout
    assert "AssertionError: logged: password by elsewhere" in ended.stdout


@pytest.mark.slow
def test_a_process_that_writes_something_planted_fails_the_test_that_started_it(tmp_path: Path) -> None:
    def start_one() -> None:
        with starting(tmp_path) as start:
            start(python("-c", f"print({API_KEY!r})"), {}).process.wait()

    with pytest.raises(AssertionError, match=r"output-0\.txt"):
        start_one()
