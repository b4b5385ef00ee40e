"""The oracle knows every refusal that speaks of other presses, and calls it unjust where nothing else was pressed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from conferences.supervision.choice import OVERTAKEN, STAYS_ON_MONITOR
from conferences.supervision.presses import TOO_LATE
from conferences.supervision.stops import LEFT, SILENCED

from .oracle import Pressed, Presses

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def press(what: str, *, seconds: float = 0, refused: str = "") -> Pressed:
    at = NOW + timedelta(seconds=seconds)
    return Pressed(what=what, at=at, page=uuid4(), number=1, call="a", received=at, answered=at, refused=refused)


@pytest.mark.parametrize("sentence", [TOO_LATE, LEFT, SILENCED, OVERTAKEN, STAYS_ON_MONITOR])
def test_a_refusal_without_another_press_is_unjust(sentence: str) -> None:
    refused = press("whisper", refused=sentence)
    assert Presses([refused]).unjust(refused)


@pytest.mark.parametrize(("seconds", "unjust"), [(-1.5, False), (-3, True), (1, False), (3, False)])
def test_a_whisper_may_give_way_to_monitor_on_another_page_that_is_later_or_at_once(
    seconds: float, *, unjust: bool
) -> None:
    refused = press("whisper", refused=STAYS_ON_MONITOR)
    assert Presses([press("monitor", seconds=seconds), refused]).unjust(refused) is unjust


def test_a_barge_does_not_give_way_to_a_whisper_that_its_own_page_had_replaced() -> None:
    elsewhere, before, barge = press("whisper", seconds=-2), press("whisper", seconds=-1), press("barge")
    before.page, barge.number = barge.page, 2
    assert Presses([elsewhere, barge]).overtaken(barge)
    assert not Presses([elsewhere, before, barge]).overtaken(barge)
    before.answered = None  # its request is still under way
    assert not Presses([elsewhere, before, barge]).overtaken(barge)
    before.refused = "Somebody joined or left."
    assert Presses([elsewhere, before, barge]).overtaken(barge)


def test_a_whisper_does_not_give_way_to_monitor_that_the_other_page_had_left_for_barge() -> None:
    monitor, barge, whisper = press("monitor", seconds=-1), press("barge", seconds=-0.5), press("whisper")
    barge.page, barge.number = monitor.page, 2
    assert Presses([monitor, whisper]).overtaken(whisper)
    assert not Presses([monitor, barge, whisper]).overtaken(whisper)


def test_a_whisper_does_not_give_way_to_monitor_that_its_own_page_had_silenced_since() -> None:
    monitor, quieter, whisper = press("monitor", seconds=-2), press("quieter", seconds=-1), press("whisper")
    quieter.page, quieter.call, whisper.number = whisper.page, "", 2
    assert Presses([monitor, whisper]).overtaken(whisper)
    assert not Presses([monitor, quieter, whisper]).overtaken(whisper)


def test_a_refusal_for_another_press_that_the_oracle_does_not_know_fails() -> None:
    refused = press("whisper", refused="You pressed something else since. Press again.")
    with pytest.raises(AssertionError, match="nobody judges"):
        Presses([refused]).unjust(refused)
