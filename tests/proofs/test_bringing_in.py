"""Bringing a supervisor in presses Monitor again only where that is what the refusal says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from tests.tooling.person import Person

from .moments import press_monitor


def answering(status: int, sentence: str) -> Person:
    """Return a person whose press is answered so, and whose page says a sentence afterwards."""
    banner = f'<li class="banner refused" role="alert"><p>{sentence}</p></li>' if sentence else ""
    answers = SimpleNamespace(
        get=lambda _path: banner, post=lambda *_args, **_fields: SimpleNamespace(status_code=status)
    )
    return cast(Person, answers)


@pytest.mark.parametrize(
    ("sentence", "pressed"), [("", True), ("Your phone is leaving a call. Try again in a moment.", False)]
)
def test_monitor_is_pressed_again_only_after_a_refusal_for_the_moment(sentence: str, *, pressed: bool) -> None:
    assert press_monitor(answering(302, sentence), "/conferences/1/") is pressed


@pytest.mark.parametrize(
    ("status", "sentence"), [(302, "You are not allowed to monitor in this team."), (500, ""), (404, "")]
)
def test_any_other_answer_fails_at_once(status: int, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence or str(status)):
        press_monitor(answering(status, sentence), "/conferences/1/")
