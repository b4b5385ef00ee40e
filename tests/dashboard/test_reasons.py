from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from conferences.thresholds import DEFAULTS, Thresholds, strictest
from dashboard.floor.reasons import Clues, Flag, Reason, reasons_of, weight_of

SALES = Thresholds(
    long_call=timedelta(minutes=2),
    very_long_call=timedelta(minutes=5),
    same_speaker=timedelta(seconds=8),
    hold=timedelta(seconds=9),
    transfers=1,
)
MOMENT = timedelta(microseconds=1)


def keys(clues: Clues, now: datetime) -> list[Flag]:
    return [reason.key for reason in reasons_of(clues, now=now)[0]]


@pytest.mark.parametrize(
    ("clue", "threshold", "flag"),
    [
        ("started_at", timedelta(minutes=10), Flag.LONG),
        ("started_at", timedelta(minutes=30), Flag.VERY_LONG),
        ("one_speaker_since", timedelta(seconds=40), Flag.ONE_VOICE),
        ("held_since", timedelta(seconds=60), Flag.HELD),
    ],
)
def test_a_reason_begins_at_its_moment_and_that_moment_is_known_before(
    now: datetime, clue: str, threshold: timedelta, flag: Flag
) -> None:
    clues = replace(Clues(), **{clue: now})  # type: ignore[arg-type]
    reasons, changes_at = reasons_of(clues, now=now + threshold - MOMENT)
    assert flag not in [reason.key for reason in reasons]
    assert changes_at == now + threshold
    assert flag in keys(clues, now + threshold)


def test_over_thirty_minutes_takes_the_place_of_over_ten(now: datetime) -> None:
    assert keys(Clues(started_at=now - timedelta(minutes=31)), now) == [Flag.VERY_LONG]


def test_the_third_transfer_is_the_fourth_agent(now: datetime) -> None:
    assert keys(Clues(agent_legs=3, last_agent_joined_at=now), now) == []
    [reason] = reasons_of(Clues(agent_legs=4, last_agent_joined_at=now), now=now)[0]
    assert (reason.sentence, reason.since) == ("third transfer", now)
    assert reasons_of(Clues(agent_legs=6), now=now)[0][0].sentence == "5 transfers"


def test_an_agent_is_new_for_fourteen_days(now: datetime) -> None:
    clues = Clues(newest_agent_since=now - timedelta(days=14) + MOMENT)
    assert keys(clues, now) == [Flag.NEW_AGENT]
    assert reasons_of(clues, now=now)[1] == now + MOMENT
    assert keys(clues, now + MOMENT) == []


def test_one_voice_is_told_since_the_last_change_of_speaker_and_runs_on(now: datetime) -> None:
    [reason] = reasons_of(Clues(one_speaker_since=now), now=now + timedelta(seconds=50))[0]
    assert reason == Reason(Flag.ONE_VOICE, now)
    assert reason.ticks
    assert "silent" not in reason.sentence


def test_the_heaviest_reason_comes_first(now: datetime) -> None:
    clues = Clues(started_at=now - timedelta(minutes=11), held_since=now - timedelta(minutes=2), agent_legs=4)
    assert keys(clues, now) == [Flag.HELD, Flag.TRANSFERS, Flag.LONG]
    assert weight_of(reasons_of(clues, now=now)[0]) == 5


def test_where_nothing_can_change_by_itself_no_moment_is_waited_for(now: datetime) -> None:
    assert reasons_of(Clues(agent_legs=9), now=now)[1] is None


@pytest.mark.parametrize(
    ("clue", "threshold", "flag"),
    [
        ("started_at", timedelta(minutes=2), Flag.LONG),
        ("started_at", timedelta(minutes=5), Flag.VERY_LONG),
        ("one_speaker_since", timedelta(seconds=8), Flag.ONE_VOICE),
        ("held_since", timedelta(seconds=9), Flag.HELD),
    ],
)
def test_a_teams_own_threshold_decides_when_a_reason_begins(
    now: datetime, clue: str, threshold: timedelta, flag: Flag
) -> None:
    clues = replace(Clues(), **{clue: now})  # type: ignore[arg-type]
    before, changes_at = reasons_of(clues, SALES, now=now + threshold - MOMENT)
    assert flag not in [reason.key for reason in before]
    assert changes_at == now + threshold
    assert flag in [reason.key for reason in reasons_of(clues, SALES, now=now + threshold)[0]]


def test_the_words_follow_the_thresholds(now: datetime) -> None:
    clues = Clues(started_at=now - timedelta(minutes=3), agent_legs=2)
    assert [reason.sentence for reason in reasons_of(clues, SALES, now=now)[0]] == ["first transfer", "over 2 min"]


def test_of_several_teams_the_smallest_values_count() -> None:
    patient = Thresholds(long_call=timedelta(minutes=20), hold=timedelta(seconds=5))
    assert strictest([1, 2], {1: SALES, 2: patient, 3: DEFAULTS}) == replace(
        SALES, hold=timedelta(seconds=5), waiting=DEFAULTS.waiting
    )
    assert strictest([], {1: SALES}) == DEFAULTS
