"""One scene for the whole suite, so that a real account's phones ring once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .target import Scene, scene


@pytest.fixture(scope="module")
def telnyx() -> Iterator[Scene]:
    """Two own legs and an own conference: of the sandbox, unless `python -m tests.contract` chose a real account."""
    with scene() as one:
        yield one
