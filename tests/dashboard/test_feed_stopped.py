"""A feed that stopped is said within fifteen seconds and accuses no call; a quiet floor has not stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from conferences.clients import client_for
from conferences.lease import Holder
from conferences.models import Account, Conference, WebhookEvent
from conferences.permissions import EVERYWHERE, RightsScope
from conferences.sandbox.telephony import membership
from conferences.supervision.authorisation import needs_reading
from conferences.worker import ReconcileLoop
from dashboard.floor.health import FloorHealth, floor_health
from dashboard.floor.live import LiveFloor
from dashboard.floor.sorting import Entry
from dashboard.floor.window import Window
from tests.conferences.floors import many_calls, wait
from tests.supervision.conftest import Floor, InProcess, session_to

EVERYTHING = RightsScope(seen=EVERYWHERE)
State = Callable[[], bool]


@pytest.fixture
def busy(floor: Floor) -> Floor:
    """A floor of eight calls, live and compared."""
    many_calls(floor, 8)
    wait(floor, 75, until=lambda: Account.objects.get().is_live(now=floor.now))
    wait(floor, 5)
    return floor


def beat(floor: Floor) -> FloorHealth:
    return floor_health(now=floor.now)[0]


def accused(floor: Floor) -> list[str]:
    """Return the calls of which somebody who opens the page now is told that the speaker does not change."""
    board = LiveFloor()
    board.refresh(now=floor.now)
    entries: list[Entry] = list(board.entries(EVERYTHING, Window()))
    return [entry.card.name for entry in entries if "one-voice" in entry.flags]


def speak(floor: Floor) -> None:
    """Let the customer speak in every call."""
    for conference in list(floor.world.active.values()):
        membership.take_floor(floor.world, next(iter(conference.participants.values())).leg)


def freeze(floor: Floor) -> None:
    """Telnyx as a whole: no webhook comes, and its API does not answer."""
    floor.webhooks_lost = True
    floor.faults.arm({"method": "GET", "path": "*", "when": "before", "drop": True, "times": 100_000})


def stopped_within(floor: Floor, seconds: float) -> None:
    wait(floor, seconds, until=lambda: beat(floor).stopped is not None)


@pytest.mark.slow
def test_a_frozen_telnyx_is_said_within_fifteen_seconds_and_accuses_nobody(busy: Floor) -> None:
    speak(busy)
    wait(busy, 3)
    freeze(busy)
    stopped_within(busy, 10)  # and a heartbeat comes every five
    assert not beat(busy).live
    assert needs_reading(Conference.objects.select_related("account")[0], role="whisper", now=busy.now)  # type: ignore[arg-type]
    wait(busy, 60)
    assert accused(busy) == []


@pytest.mark.slow
def test_an_idle_floor_notices_a_frozen_telnyx_as_soon(floor: Floor) -> None:
    wait(floor, 40)
    freeze(floor)
    stopped_within(floor, 11)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["call", "join", "leave", "end"])
def test_what_a_reading_shows_and_no_webhook_told_stops_the_feed(busy: Floor, what: str) -> None:
    busy.webhooks_lost = True
    conference = next(iter(busy.world.active.values()))
    legs = [participant.leg for participant in conference.participants.values()]
    if what == "call":
        many_calls(busy, 1)
    elif what == "join":
        membership.join(busy.world, conference, legs_of_a_new_call(busy))
    elif what == "leave":
        membership.leave(busy.world, conference.participants[legs[1].call_control_id])
    else:
        membership.end(busy.world, conference)
    stopped_within(busy, 90 if what in {"join", "leave"} else 45)


def legs_of_a_new_call(floor: Floor) -> Any:
    from conferences.sandbox.center import directory
    from conferences.sandbox.telephony import calls

    return calls.incoming(
        floor.world, connection_id=directory.CALLS_CONNECTION_ID, from_="+13125550142", to="+18005550101"
    )


@pytest.mark.slow
def test_a_new_call_that_no_webhook_tells_is_said_fifteen_seconds_after_it_began(busy: Floor) -> None:
    busy.webhooks_lost = True
    many_calls(busy, 1)
    wait(busy, 14)
    assert beat(busy).stopped is None
    wait(busy, 5, until=lambda: beat(busy).stopped is not None)


@pytest.mark.slow
def test_after_the_feed_runs_again_it_is_live_once_all_is_compared_and_accuses_anew(busy: Floor) -> None:
    speak(busy)
    wait(busy, 2)
    busy.webhooks_lost = True
    many_calls(busy, 1)
    stopped_within(busy, 20)
    wait(busy, 30)
    busy.webhooks_lost = False
    speak(busy)
    wait(busy, 2)
    assert beat(busy).stopped is None
    assert accused(busy) == []
    wait(busy, 75, until=lambda: beat(busy).live)
    wait(busy, 20)
    assert accused(busy)  # forty seconds of one speaker, heard by a feed that runs


@pytest.mark.slow
def test_one_long_speech_is_accused_while_other_webhooks_come(busy: Floor) -> None:
    speak(busy)
    for _ in range(9):
        wait(busy, 5)
        membership.take_floor(busy.world, next(iter(busy.world.legs.values())))
    assert beat(busy).stopped is None
    assert len(accused(busy)) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("feed", ["webhooks", "copies"])
def test_a_quiet_floor_with_one_event_a_minute_has_not_stopped(busy: Floor, feed: str) -> None:
    Account.objects.update(feed=feed)
    for _ in range(4):
        speak(busy)
        wait(busy, 60)
        assert beat(busy).stopped is None
    assert accused(busy)


@pytest.mark.slow
def test_the_end_of_a_shift_is_not_a_feed_that_stopped(busy: Floor) -> None:
    for conference in list(busy.world.active.values()):
        membership.end(busy.world, conference)
    wait(busy, 120)
    assert (beat(busy).stopped, beat(busy).live) == (None, True)


@pytest.mark.slow
def test_with_webhooks_not_kept_a_feed_that_runs_has_not_stopped(busy: Floor) -> None:
    for _ in range(12):
        many_calls(busy, 1)
        speak(busy)
        wait(busy, 5)
        WebhookEvent.objects.all().delete()
    assert beat(busy).stopped is None


@pytest.mark.slow
def test_where_telnyx_is_polled_no_webhook_is_awaited_and_nobody_accused(busy: Floor) -> None:
    speak(busy)
    wait(busy, 2)
    Account.objects.update(feed="polling")
    busy.webhooks_lost = True
    for _ in range(60):
        if busy.now.second % 20 == 0:
            many_calls(busy, 1)
        busy.world.advance(busy.world.now + 1)
        busy.travel.move_to(busy.now)
        busy.deliver()
        busy.reconciler.step(reads_per_second=5, polling=True)
    assert beat(busy).stopped is None
    assert accused(busy) == []


@pytest.mark.slow
def test_what_was_there_when_floorline_began_is_no_evidence(floor: Floor) -> None:
    floor.webhooks_lost = True
    many_calls(floor, 3)
    wait(floor, 3)
    floor.webhooks_lost = False
    wait(floor, 60)
    assert beat(floor).stopped is None


@pytest.mark.slow
def test_a_webhook_that_is_late_by_seconds_stops_nothing(busy: Floor) -> None:
    busy.webhooks_lost = True
    many_calls(busy, 1)
    late = list(busy.world.outbox)
    wait(busy, 12)
    busy.world.outbox.extend(late)
    busy.webhooks_lost = False
    wait(busy, 30)
    assert beat(busy).stopped is None
    assert Account.objects.get().is_live(now=busy.now + timedelta(seconds=1))


# --- The worker's own loop: another region, and another process -------------------------------------------------------


def work(
    floor: Floor, loop: ReconcileLoop, seconds: int, *, until: State | None = None, always: State | None = None
) -> None:
    """Let the worker's loop compare, and watch the feeds, for so many seconds."""
    for _ in range(seconds):
        if until is not None and until():
            return
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        floor.deliver()
        loop.compare(Account.objects.get())
        loop.watch_feeds()
        assert always is None or always()
    assert until is None or until(), "it did not happen in time"


def thaw(floor: Floor) -> None:
    floor.webhooks_lost = False
    floor.faults.armed.clear()


@pytest.mark.slow
def test_after_a_change_of_region_during_an_outage_only_the_new_comparison_judges_the_feed(busy: Floor) -> None:
    loop = ReconcileLoop(Holder("worker"))
    work(busy, loop, 10)
    freeze(busy)
    work(busy, loop, 15, until=lambda: beat(busy).stopped is not None)
    Account.objects.update(region="Europe")
    client_for(Account.objects.get(), session=session_to(InProcess(busy)))
    work(busy, loop, 10, always=lambda: beat(busy).stopped is not None)
    thaw(busy)
    speak(busy)
    work(busy, loop, 90, until=lambda: beat(busy).live)
    work(busy, loop, 30, always=lambda: beat(busy).live)


@pytest.mark.slow
def test_a_worker_that_begins_during_an_outage_is_live_once_telnyx_answers_and_all_is_compared(busy: Floor) -> None:
    loop = ReconcileLoop(Holder("worker"))
    work(busy, loop, 10)
    freeze(busy)
    work(busy, loop, 15, until=lambda: beat(busy).stopped is not None)
    loop = ReconcileLoop(Holder("worker"))
    work(busy, loop, 20, always=lambda: beat(busy).stopped is not None)
    thaw(busy)
    work(busy, loop, 90, until=lambda: beat(busy).live)
    work(busy, loop, 30, always=lambda: beat(busy).live)


@pytest.mark.slow
def test_a_worker_that_begins_while_webhooks_are_missing_waits_for_one(busy: Floor) -> None:
    loop = ReconcileLoop(Holder("worker"))
    work(busy, loop, 10)
    busy.webhooks_lost = True
    many_calls(busy, 1)
    work(busy, loop, 30, until=lambda: beat(busy).stopped is not None)
    loop = ReconcileLoop(Holder("worker"))
    work(busy, loop, 90, always=lambda: beat(busy).stopped is not None)
    thaw(busy)
    speak(busy)
    work(busy, loop, 90, until=lambda: beat(busy).live)
