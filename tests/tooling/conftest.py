"""Real processes, cleared away whatever the test did."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
)


@pytest.fixture
def bare_environment(tmp_path: Path) -> dict[str, str]:
    """Return this process's environment without any setting of ours, writing to a folder of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "VAR_DIR": str(tmp_path / "var"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a marked process; at the end of the test it and all it started are killed."""
    started: list[Marked] = []

    def start_one(command: list[str], environment: dict[str, str]) -> Marked:
        mark = uuid.uuid4().hex
        marked = Marked(command, environment, mark, tmp_path / f"output-{len(started)}.txt")
        started.append(marked)
        return marked

    yield start_one
    for marked in started:
        marked.clear_away()
