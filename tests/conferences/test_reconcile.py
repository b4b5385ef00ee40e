"""The comparison with Telnyx: what it corrects, what it leaves alone, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from conferences import changes
from conferences.clients import client_for
from conferences.models import Account, Conference, Leg, Participant, Screen
from conferences.models.supervision import Role
from conferences.projection import evidence
from conferences.projection.evidence import Evidence, Source
from conferences.projection.listings import end_conference, note_conferences, note_participants
from conferences.reconciliation.reconciler import Reconciler, note_bridged_calls
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import calls, membership
from conferences.telnyx import transport
from tests.proofs.boards import take_in
from tests.supervision.conftest import Call, Floor

from .floors import account, many_calls, requests_of, unheard, wait
from .signed import event


def present(call: Call) -> set[str]:
    return {str(participant.leg) for participant in call.conference.participants.filter(present=True)}


# --- What a lost webhook costs ----------------------------------------------------------------------------------------


def test_a_conference_gets_its_name_by_one_reading(floor: Floor) -> None:
    call = floor.call()
    assert call.conference.name == "Billing-4312"
    assert call.conference.team == floor.account.connections.get(role="calls").team


def test_a_board_without_any_webhook_is_filled_from_listings(floor: Floor) -> None:
    scene = many_calls(floor, 1)[0]
    floor.world.outbox.clear()
    wait(floor, 20)
    call = Call(floor=floor, scene=scene)
    assert call.conference.name == "Billing-0"
    assert call.conference.participants.filter(present=True).count() == 2


@pytest.mark.slow
def test_a_conference_whose_end_was_lost_is_ended_within_a_minute_and_a_half(floor: Floor) -> None:
    call = floor.call()
    call.scene.finish()
    unheard(floor)
    assert call.conference.ended_at is None
    wait(floor, 90, until=lambda: call.conference.ended_at is not None)
    assert call.conference.end_reason == "all_left"
    assert not call.conference.participants.filter(present=True).exists()


@pytest.mark.slow
def test_hundreds_of_conferences_whose_end_was_not_delivered_end_without_a_request_for_each(floor: Floor) -> None:
    scenes = many_calls(floor, 120)
    wait(floor, 2)
    for scene in scenes:
        scene.finish()
    unheard(floor)
    assert Conference.objects.filter(ended_at=None).count() == 120
    wait(floor, 40, until=lambda: not Conference.objects.filter(ended_at=None).exists())


@pytest.mark.parametrize("how", ["left", "hung up"])
def test_a_participant_whose_departure_was_not_delivered_is_removed(floor: Floor, how: str) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    leg = call.scene.agents[1]
    assert leg.participant is not None
    if how == "left":
        membership.leave(floor.world, leg.participant)
    else:
        membership.hangup(floor.world, leg)
    unheard(floor)
    assert len(present(call)) == 3
    wait(floor, 75, until=lambda: len(present(call)) == 2)


def test_a_participant_whose_join_was_not_delivered_is_shown(floor: Floor) -> None:
    call = floor.call()
    agent = directory.team_named("Billing").agents[1]
    call.scene.connect(call.scene.ring(agent))
    unheard(floor)
    wait(floor, 75, until=lambda: len(present(call)) == 3)


def test_a_participant_whose_return_was_not_delivered_is_shown_again(floor: Floor) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    leg = call.scene.agents[1]
    assert leg.participant is not None
    membership.leave(floor.world, leg.participant)
    wait(floor, 5)
    assert len(present(call)) == 2
    assert call.scene.conference is not None
    membership.join(floor.world, call.scene.conference, leg)
    unheard(floor)
    wait(floor, 75, until=lambda: len(present(call)) == 3)


@pytest.mark.slow
def test_a_supervised_conference_is_healed_within_ten_seconds(floor: Floor, kim: User) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.choose(kim, Role.MONITOR)
    floor.wait(10)
    membership.hangup(floor.world, call.scene.agents[1])
    unheard(floor)
    floor.wait(10, until=lambda: not call.conference.participants.filter(present=True, leg__agent__name="Max Falk"))


@pytest.mark.slow
def test_what_is_on_a_screen_is_healed_within_half_a_minute_however_many_others_there_are(floor: Floor) -> None:
    floor.account.reads_per_second = 1
    scenes = many_calls(floor, 60)
    wait(floor, 6)
    call = Call(floor=floor, scene=scenes[30])
    Screen.objects.create(process=uuid4(), conference_ids=[str(call.conference.pk)], at=floor.now)
    wait(floor, 2)
    agent = directory.team_named("Billing").agents[1]
    call.scene.connect(call.scene.ring(agent))
    unheard(floor)
    for _ in range(3):
        Screen.objects.update(at=floor.now)
        wait(floor, 9)
    assert len(present(call)) == 3
    # The others are not forgotten meanwhile.
    assert 5 < Conference.objects.exclude(participants_read_at=None).count() < 40


@pytest.mark.slow
def test_every_row_says_what_it_rests_on(floor: Floor) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    wait(floor, 70)
    conference = call.conference
    told = evidence.of_conference(conference)
    assert told == Evidence(Source.WEBHOOK, conference.started_at, conference.read_at)  # type: ignore[arg-type]
    participants = {
        str(participant.leg.agent): participant
        for participant in conference.participants.filter(leg__agent__isnull=False)
    }
    ana = evidence.of_participant(participants["Ana Ruiz"])
    assert ana == Evidence(Source.WEBHOOK, participants["Ana Ruiz"].joined_at, participants["Ana Ruiz"].listed_at)  # type: ignore[arg-type]
    assert not ana.contested
    membership.hangup(floor.world, call.scene.agents[1])
    unheard(floor)
    wait(floor, 75, until=lambda: len(present(call)) == 2)
    gone = conference.participants.get(leg__agent__name="Max Falk")
    told = evidence.of_participant(gone)
    assert told == Evidence(Source.READING, gone.gone_at, gone.gone_at)  # type: ignore[arg-type]


# --- What is never taken for gone -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nobody_is_removed_because_time_has_passed(floor: Floor) -> None:
    call = floor.call()
    floor.fault("*", method="GET", status=503, times=100_000)
    wait(floor, 180)
    assert len(present(call)) == 2
    assert call.conference.ended_at is None


def test_one_listing_that_misses_a_participant_is_not_believed(floor: Floor) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    conference, hidden = call.scene.conference, call.scene.agents[1].call_control_id
    assert conference is not None
    participant = conference.participants.pop(hidden)  # a listing that is wrong once: the mixer still has the leg
    wait(floor, 75, until=lambda: call.conference.participants.exclude(missing_since=None).exists())
    conference.participants[hidden] = participant
    wait(floor, 75, until=lambda: not call.conference.participants.exclude(missing_since=None).exists())
    assert len(present(call)) == 3


@pytest.mark.slow
def test_a_conference_in_another_region_is_not_ended_while_its_calls_live(floor: Floor) -> None:
    call = floor.call()
    conference = call.scene.conference
    assert conference is not None
    del floor.world.conferences[conference.id], floor.world.active[conference.id]  # 404, and in no listing
    wait(floor, 200)
    assert call.conference.ended_at is None
    for leg in floor.world.legs.values():
        leg.state = "ended"
    wait(floor, 80, until=lambda: call.conference.ended_at is not None)
    assert call.conference.end_reason == "not_found"


@pytest.mark.slow
def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_list(floor: Floor) -> None:
    call = floor.call()
    floor.fault("*", method="GET", status=200, times=100_000)  # {"errors": …} with HTTP 200
    wait(floor, 120)
    assert call.conference.ended_at is None
    assert len(present(call)) == 2
    assert account(floor).check_problem == "Telnyx does not answer."


# --- What Telnyx answers is said --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"drop": True}, "does not answer"),
        ({"status": 502}, "does not answer"),
        ({"status": 401}, "refuses the API key"),
        ({"status": 403, "code": "20006"}, "refuses the API key"),
        ({"status": 403, "code": "20012"}, "account is inactive, blocked or not verified (HTTP 403 20012)"),
        ({"status": 403, "code": "10010"}, "does not allow this account to read (HTTP 403 10010)"),
        ({"status": 429}, "rate limit"),
        ({"status": 422, "code": "10032"}, "HTTP 422 10032"),
    ],
)
def test_a_refusal_by_telnyx_is_shown_until_it_answers_again(floor: Floor, fault: dict[str, Any], words: str) -> None:
    floor.call()
    wait(floor, 20)
    checked_at = account(floor).checked_at
    floor.fault("/conferences", method="GET", times=100_000, **fault)
    wait(floor, 40)
    assert words in account(floor).check_problem
    assert account(floor).checked_at == checked_at or checked_at is None
    floor.faults.armed.clear()
    wait(floor, 20)
    assert account(floor).check_problem == ""
    assert account(floor).checked_at > floor.now - timedelta(seconds=20)  # type: ignore[operator]


def test_bridged_calls_without_a_conference_are_noticed(floor: Floor) -> None:
    leg = calls.incoming(floor.world, connection_id="1", from_="+4930123456142", to="+18005550199")
    take_in(floor.account, [])
    wait(floor, 1)
    told = event("call.bridged", event_id="b", at=floor.now.isoformat(), call_control_id=leg.call_control_id)
    take_in(floor.account, [told])
    note_bridged_calls(account=floor.account, now=floor.now + timedelta(seconds=30))
    assert account(floor).bridged_call_seen_at is None
    note_bridged_calls(account=floor.account, now=floor.now + timedelta(seconds=90))
    assert account(floor).bridged_call_seen_at is not None


# --- What it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_comparison_that_finds_nothing_new_pushes_nothing(floor: Floor) -> None:
    floor.call()
    wait(floor, 70)
    version, rows = changes.current().version, list(Conference.objects.values("facts", "version"))
    wait(floor, 70)
    assert changes.current().version == version
    assert list(Conference.objects.values("facts", "version")) == rows


@pytest.mark.slow
def test_no_second_sees_more_reads_than_the_cap_whatever_has_happened(floor: Floor) -> None:
    scenes = many_calls(floor, 40)
    wait(floor, 3)
    chance = Random(7)
    for scene in chance.sample(scenes, 15):
        scene.finish()
    for scene in chance.sample(scenes, 15):
        if scene.agents:
            membership.hangup(floor.world, scene.agents[0])
    unheard(floor)
    wait(floor, 100)
    times = [at for at, _ in requests_of(floor)]
    busiest = max(sum(1 for other in times if at <= other < at + 1) for at in times)
    # A conference that is questioned costs one read for each of its calls besides; they are paid for afterwards.
    assert busiest <= 2 * floor.account.reads_per_second
    for start in range(int(times[0]), int(times[-1]) - 20):
        assert sum(1 for at in times if start <= at < start + 20) <= 21 * floor.account.reads_per_second


@pytest.mark.slow
def test_every_conference_is_read_in_turn(floor: Floor) -> None:
    many_calls(floor, 30)
    wait(floor, 75)
    floor.api.log.clear()
    wait(floor, 65)
    read = {path for _, path in requests_of(floor) if path.endswith("/participants")}
    assert len(read) == 30


@pytest.mark.slow
def test_a_floor_of_many_pages_is_read_and_live_though_calls_begin_all_the_time(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every new call is a stub without a name; looking for it must leave the others their turn."""
    monkeypatch.setattr(transport, "PAGE_SIZE", 10)
    first = {scene.conference.id for scene in many_calls(floor, 60) if scene.conference}
    live = False
    for _ in range(60):
        many_calls(floor, 1)
        wait(floor, 1)
        live = live or account(floor).is_live(now=floor.now)
    read = Conference.objects.exclude(participants_read_at=None)
    assert read.filter(telnyx_id__in=first).count() == 60
    assert live
    unnamed = Conference.objects.filter(read_at=None)
    assert not unnamed.filter(started_at__lt=floor.now - timedelta(seconds=5)).exists()
    pages = [at for at, path in requests_of(floor) if path == "/conferences"]
    assert len(pages) < len(requests_of(floor)) / 2


@pytest.mark.slow
def test_a_short_look_for_new_calls_marks_none_of_later_pages_as_missing(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_calls(floor, 60)
    wait(floor, 20)
    monkeypatch.setattr(transport, "PAGE_SIZE", 10)
    many_calls(floor, 1)
    wait(floor, 2)
    assert not Conference.objects.filter(read_at=None).exists()
    assert not Conference.objects.exclude(missing_since=None).exists()


@pytest.mark.slow
@pytest.mark.parametrize("pages", ["one", "many"])
@pytest.mark.parametrize("reads_per_second", [1, 5])
def test_a_new_call_that_listings_do_not_name_yet_is_read_by_itself_and_named_within_three_seconds(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, pages: str, reads_per_second: int
) -> None:
    if pages == "many":
        monkeypatch.setattr(transport, "PAGE_SIZE", 2)
    many_calls(floor, 8)
    wait(floor, 60)
    floor.account.reads_per_second = reads_per_second
    wait(floor, 1)
    scene = many_calls(floor, 1)[0]
    assert scene.conference is not None
    del floor.world.active[scene.conference.id]  # listings do not name it yet; by its id Telnyx knows it
    named = Conference.objects.filter(telnyx_id=scene.conference.id, name=scene.name)
    wait(floor, 3, until=named.exists)


@pytest.mark.slow
def test_a_long_listing_leaves_others_their_turn(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A polled account's listing of very many pages takes longer than the pause between two."""
    monkeypatch.setattr(transport, "PAGE_SIZE", 2)
    floor.webhooks_lost = True
    many_calls(floor, 60)
    for _ in range(60):
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        floor.reconciler.step(reads_per_second=5, polling=True)
    assert Participant.objects.filter(present=True).values("conference").distinct().count() > 50


def test_reading_rests_while_less_than_half_of_the_rate_limit_is_left(floor: Floor) -> None:
    floor.api.rate.limit = 20
    many_calls(floor, 40)
    wait(floor, 60)
    times = [at for at, _ in requests_of(floor)]
    for start in range(int(times[0]), int(times[-1])):
        assert sum(1 for at in times if start <= at < start + 10) <= 20


def test_a_stub_with_an_id_that_telnyx_never_gave_holds_up_nothing(floor: Floor) -> None:
    """Nothing can be asked about it; it lives and dies with its calls."""
    call = floor.call()
    ids = {"conference_id": "my conference", "call_control_id": "v3:nobody"}
    joined = event("conference.participant.joined", event_id="s", at=floor.now.isoformat(), **ids)
    take_in(floor.account, [joined])
    floor.api.log.clear()
    wait(floor, 60, until=lambda: Conference.objects.get(telnyx_id="my conference").ended_at is not None)
    listings = [at for at, path in requests_of(floor) if path == "/conferences"]
    assert len(listings) < 12
    assert len(present(call)) == 2


@pytest.mark.slow
def test_a_stub_costs_no_listing_each_second(floor: Floor) -> None:
    call = floor.call()
    conference = call.scene.conference
    assert conference is not None
    del floor.world.conferences[conference.id], floor.world.active[conference.id]
    wait(floor, 30)
    floor.api.log.clear()
    wait(floor, 60)
    assert len([path for _, path in requests_of(floor) if path == "/conferences"]) <= 10


def test_two_readers_at_once_do_not_undo_each_other(floor: Floor) -> None:
    """Supervision reads as well; what was asked for earlier and answered later is not noted."""
    call = floor.call()
    newer = Reconciler(account=floor.account, client=client_for(floor.account), clock=lambda: floor.now)
    older = Reconciler(
        account=floor.account, client=client_for(floor.account), clock=lambda: floor.now - timedelta(seconds=3)
    )
    newer.single_reads.compare_participants(call.conference)
    read_at = call.conference.participants_read_at
    older.single_reads.compare_participants(call.conference)
    assert call.conference.participants_read_at == read_at
    assert not Participant.objects.exclude(missing_since=None).exists()
    assert Leg.objects.count() == 2


# --- A process that was paused until its lease ran out ----------------------------------------------------------------


@pytest.mark.slow
def test_a_delayed_answer_does_not_end_a_conference_that_was_read_since(floor: Floor) -> None:
    call = floor.call()
    asked = floor.now
    wait(floor, 20)
    end_conference(account=floor.account, telnyx_id=call.conference.telnyx_id, reason="not_found", at=asked)
    assert call.conference.ended_at is None


@pytest.mark.slow
def test_a_delayed_answer_removes_no_participant_of_a_conference_that_was_read_since(floor: Floor) -> None:
    call = floor.call()
    asked, inside = floor.now, present(call)
    wait(floor, 70)  # everybody is read once a minute
    note_participants(conference=call.conference, reads=[], at=asked)
    assert present(call) == inside


@pytest.mark.slow
def test_a_delayed_listing_does_not_make_a_reading_look_older(floor: Floor) -> None:
    call = floor.call()
    asked = floor.now
    wait(floor, 20)
    read = call.conference.read_at
    again = client_for(floor.account).conference(call.conference.telnyx_id)
    note_conferences(account=floor.account, reads=[again], at=asked)
    assert call.conference.read_at == read


@pytest.mark.slow
def test_a_second_outage_is_over_only_after_a_pass_of_its_own(floor: Floor) -> None:
    many_calls(floor, 2)
    wait(floor, 75, until=lambda: Account.objects.get().is_live(now=floor.now))
    Account.objects.update(unsure_since=floor.now)
    listed_at = Account.objects.get().checked_at
    wait(floor, 20, until=lambda: Account.objects.get().checked_at != listed_at)
    assert Account.objects.get().unsure_since is not None
    wait(floor, 60, until=lambda: Account.objects.get().unsure_since is None)
