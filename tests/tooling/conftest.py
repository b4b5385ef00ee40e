"""Real processes, cleared away whatever the test did."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import planted
from tests.tooling.processes import Marked

Start = Callable[..., Marked]
OURS = (
    "TELNYX_",
    "SANDBOX_",
    "SECRET_KEY",
    "FIELD_KEYS",
    "DATABASE_URL",
    "PUBLIC_URL",
    "ALLOWED_HOSTS",
    "HOST",
    "PORT",
    "OIDC_",
)


def without_settings(folder: Path) -> dict[str, str]:
    """Return this process's environment without any setting of ours, writing to a folder of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "VAR_DIR": str(folder / "var"), "PYTHONUNBUFFERED": "1", "LOG_LEVEL": "DEBUG"}


@contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Start marked processes; in the end they and all they started are killed, and have told nothing planted."""
    started: list[Marked] = []

    def start_one(command: list[str], environment: dict[str, str]) -> Marked:
        marked = Marked(command, environment, uuid.uuid4().hex, folder / f"output-{len(started)}.txt")
        started.append(marked)
        return marked

    try:
        yield start_one
    finally:
        for marked in started:
            marked.clear_away()
    for marked in started:
        assert planted.found(marked.said()) == [], marked.output


@pytest.fixture
def bare_environment(tmp_path: Path) -> dict[str, str]:
    return without_settings(tmp_path)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path) as start_one:
        yield start_one
