"""The board that webhooks make: the same in any order, any number of times, in any batches."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conferences import changes
from conferences.models import Account, Conference, Leg, Participant, WebhookEvent
from conferences.projection.columns import LISTING_MARGIN
from conferences.projection.listings import note_conferences, note_participants
from conferences.projection.registers import MOMENTS_KEPT, holds
from conferences.telnyx.reads import ConferenceRead, ParticipantRead
from tests.proofs.boards import after, board, differences, people, take_in, take_in_batches
from tests.proofs.histories import START, Invention, disturbed, story

from .signed import event

SAMPLES = sorted((Path(__file__).parents[1] / "data" / "webhook_samples").glob("*.json"))
BRIEFLY = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def telnyx(db: None) -> Account:
    return people()


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def joined(seconds: float, leg: str = "v3:leg", *, conference: str = "c1") -> bytes:
    payload = {"conference_id": conference, "call_control_id": leg}
    name = f"joined-{conference}-{leg}-{seconds}"
    return event("conference.participant.joined", event_id=name, at=at(seconds), **payload)


def left(seconds: float, leg: str = "v3:leg", *, conference: str = "c1") -> bytes:
    payload = {"conference_id": conference, "call_control_id": leg}
    name = f"left-{conference}-{leg}-{seconds}"
    return event("conference.participant.left", event_id=name, at=at(seconds), **payload)


def present() -> list[tuple[str, str]]:
    return sorted(Participant.objects.filter(present=True).values_list("conference__telnyx_id", "leg__call_control_id"))


# --- Order and repetition ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_shuffled_and_doubled_story_gives_the_same_board_as_the_ordered_one(telnyx: Account, seed: int) -> None:
    bodies, chance = story(seed, seconds=15), Random(seed)
    assert len(bodies) > 40
    ordered = after(partial(take_in_batches, telnyx, [[body] for body in bodies]))
    assert {key[0] for key in ordered} == {"conference", "leg", "participant"}
    for _ in range(2):
        shuffled = after(partial(take_in_batches, telnyx, disturbed(bodies, chance)))
        assert differences(ordered, shuffled) == []


@pytest.mark.slow
@BRIEFLY
@given(seed=st.integers(0, 2**32), length=st.integers(1, 30))
def test_any_history_gives_the_same_board_in_any_order(telnyx: Account, seed: int, length: int) -> None:
    chance = Random(seed)
    bodies = Invention(chance).tell(length)
    ordered = after(partial(take_in, telnyx, bodies))
    assert differences(ordered, after(partial(take_in_batches, telnyx, disturbed(bodies, chance)))) == []


@pytest.mark.slow
@BRIEFLY
@given(seed=st.integers(0, 2**32))
def test_listings_may_come_between_any_two_webhooks(telnyx: Account, seed: int) -> None:
    chance = Random(seed)
    bodies = Invention(chance, conferences=1).tell(12)
    readings = [START + timedelta(seconds=second) for second in sorted(chance.sample(range(30), 3))]

    def tell(steps: list[object]) -> None:
        note_conferences(account=telnyx, reads=[read_of("conference-0")], at=readings[0])
        for step in steps:
            if isinstance(step, bytes):
                take_in(telnyx, [step])
            elif isinstance(step, datetime):
                conference = Conference.objects.get(telnyx_id="conference-0")
                # All are named: who goes because two readings miss them depends on which webhooks have come.
                note_participants(conference=conference, reads=[inside(f"v3:leg-{n}") for n in range(6)], at=step)

    ordered = after(partial(tell, [*bodies, *readings]), facts=False)
    mixed: list[object] = [*bodies]
    chance.shuffle(mixed)
    # Readings stay in their own order: one that comes late is not noted at all.
    places = sorted((chance.randrange(len(mixed) + 1) for _ in readings), reverse=True)
    for place, reading in zip(places, reversed(readings), strict=True):
        mixed.insert(place, reading)
    assert differences(ordered, after(partial(tell, mixed), facts=False)) == []


def read_of(telnyx_id: str, **more: object) -> ConferenceRead:
    values: dict[str, object] = {"name": "Billing-1", "status": "in_progress", "created_at": START, "ended": False}
    values |= {"end_reason": "", "connection_id": "", **more}
    return ConferenceRead(id=telnyx_id, **values)  # type: ignore[arg-type]


def inside(call_control_id: str, *, status: str = "joined") -> ParticipantRead:
    return ParticipantRead(
        call_control_id=call_control_id,
        call_leg_id="",
        status=status,
        muted=False,
        on_hold=False,
        whisper_call_control_ids=(),
    )


def test_every_order_of_leaving_rejoining_and_moving_ends_the_same(telnyx: Account) -> None:
    bodies = [joined(1), left(2), joined(3), joined(2, conference="c2")]
    orders = itertools.permutations(bodies)
    first, *others = [after(partial(take_in_batches, telnyx, [[body] for body in order])) for order in orders]
    assert all(differences(first, other) == [] for other in others)


# --- What single events mean ------------------------------------------------------------------------------------------


def test_a_newer_join_revives_and_an_older_one_does_not(telnyx: Account) -> None:
    take_in(telnyx, [left(5), joined(4)])
    assert present() == []
    take_in(telnyx, [joined(6)])
    assert present() == [("c1", "v3:leg")]


def test_of_a_leave_and_a_join_at_the_same_instant_the_leave_counts(telnyx: Account) -> None:
    take_in(telnyx, [left(5)])
    take_in(telnyx, [joined(5)])
    assert present() == []


def test_whoever_hung_up_is_in_no_conference_whatever_comes_late(telnyx: Account) -> None:
    hangup = event("call.hangup", event_id="h", at=at(9), call_control_id="v3:leg", hangup_cause="normal_clearing")
    take_in(telnyx, [joined(1)])
    take_in(telnyx, [hangup])
    take_in(telnyx, [joined(20), joined(3, conference="c2")])
    assert present() == []
    assert Leg.objects.get().hangup_cause == "normal_clearing"


def test_an_ended_conference_has_no_present_participants(telnyx: Account) -> None:
    take_in(telnyx, [joined(1), joined(1, "v3:other")])
    take_in(telnyx, [event("conference.ended", event_id="e", at=at(9), conference_id="c1", reason="host_left")])
    take_in(telnyx, [joined(10, "v3:late")])
    assert present() == []
    conference = Conference.objects.get()
    assert (conference.ended_at, conference.end_reason) == (START + timedelta(seconds=9), "host_left")


def test_an_end_without_a_reason_ends_the_conference(telnyx: Account) -> None:
    take_in(telnyx, [event("conference.ended", event_id="e", at=at(9), conference_id="c1")])
    assert Conference.objects.get().ended_at == START + timedelta(seconds=9)


def test_the_time_may_stand_in_the_payload(telnyx: Account) -> None:
    inner = {"conference_id": "c1", "occurred_at": at(7)}
    take_in(telnyx, [json.dumps({"data": {"event_type": "conference.created", "id": "x", "payload": inner}}).encode()])
    assert Conference.objects.get().started_at == START + timedelta(seconds=7)


def test_conference_events_are_no_evidence_of_whose_leg_it_is(telnyx: Account) -> None:
    """Their client_state is the conference owner's, and they name no address."""
    payload = {"conference_id": "c1", "call_control_id": "v3:leg", "client_state": "b3duZXI=", "from": "+1", "to": "+2"}
    take_in(telnyx, [event("conference.participant.joined", event_id="j", at=at(1), **payload)])
    leg = Leg.objects.get()
    assert "client_state" not in leg.facts
    assert (leg.from_address, leg.to_address, leg.party) == ("", "", Leg.Party.UNKNOWN)


def test_an_unknown_connection_waits_for_an_admins_word(telnyx: Account) -> None:
    take_in(telnyx, [event("call.initiated", event_id="i", call_control_id="v3:leg", connection_id="new-one")])
    assert telnyx.connections.get(connection_id="new-one").role == "unassigned"


# --- Who speaks -------------------------------------------------------------------------------------------------------


def speaks(seconds: float, leg: str) -> bytes:
    payload = {"conference_id": "c1", "call_control_id": leg}
    return event("conference.floor.changed", event_id=f"floor-{leg}-{seconds}", at=at(seconds), **payload)


def test_the_share_of_talk_is_the_time_until_somebody_else_speaks(telnyx: Account) -> None:
    take_in(telnyx, [speaks(0, "v3:ana"), speaks(4, "v3:customer"), speaks(5.5, "v3:ana"), speaks(8, "v3:customer")])
    assert Conference.objects.get().talk == {"v3:ana": 6.5, "v3:customer": 1.5}


def test_a_speaker_named_twice_in_a_row_speaks_since_the_first_event(telnyx: Account) -> None:
    take_in(telnyx, [speaks(0, "v3:ana"), speaks(4, "v3:customer"), speaks(9, "v3:customer")])
    conference = Conference.objects.get()
    assert (conference.speaker_call_control_id, conference.speaker_since) == (
        "v3:customer",
        START + timedelta(seconds=4),
    )
    take_in(telnyx, [speaks(7, "v3:ana")])  # late
    conference.refresh_from_db()
    assert (conference.speaker_call_control_id, conference.speaker_since) == (
        "v3:customer",
        START + timedelta(seconds=9),
    )


def test_a_late_change_of_speaker_corrects_the_share(telnyx: Account) -> None:
    take_in(telnyx, [speaks(0, "v3:ana"), speaks(8, "v3:ana")])
    version = changes.current().version
    take_in(telnyx, [speaks(6, "v3:customer")])
    assert Conference.objects.get().talk == {"v3:ana": 6.0, "v3:customer": 2.0}
    assert Conference.objects.get().version == version + 1


@pytest.mark.slow
@BRIEFLY
@given(seed=st.integers(0, 2**32))
def test_the_newest_turns_are_kept_whatever_order_they_arrive_in(telnyx: Account, seed: int) -> None:
    chance = Random(seed)
    turns = {(chance.randrange(400) / 2, f"v3:{chance.randrange(3)}") for _ in range(MOMENTS_KEPT + 40)}
    bodies = [speaks(seconds, leg) for seconds, leg in sorted(turns)]
    ordered = after(partial(take_in, telnyx, bodies))
    shuffled = after(partial(take_in_batches, telnyx, disturbed(bodies, chance)))
    assert differences(ordered, shuffled) == []
    [kept] = [row["facts"]["turns"][1] for key, row in ordered.items() if key[0] == "conference"]  # type: ignore[index]
    newest = sorted(turns)[-MOMENTS_KEPT:]
    milliseconds = int(START.timestamp() * 1000)
    assert {(milliseconds + int(seconds * 1000), leg) for seconds, leg in newest} == {
        (moment, leg) for leg, moments in kept.items() for moment in moments
    }


# --- All that Telnyx sends --------------------------------------------------------------------------------------------


def test_every_recorded_webhook_is_understood(telnyx: Account) -> None:
    assert len(SAMPLES) == 48
    take_in(telnyx, [path.read_bytes() for path in SAMPLES])
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"projected"}
    events = {path.stem: json.loads(path.read_bytes())["data"] for path in SAMPLES}
    assert WebhookEvent.objects.count() == len({data["id"] for data in events.values()})
    hung_up = events["call.hangup"]
    leg = Leg.objects.get(call_control_id=hung_up["payload"]["call_control_id"])
    assert leg.hung_up_at == datetime.fromisoformat(hung_up["occurred_at"]).astimezone(UTC)
    assert (leg.from_address, leg.hangup_cause) == (hung_up["payload"]["from"], hung_up["payload"]["hangup_cause"])


def test_the_recorded_webhooks_give_the_same_board_in_any_order(telnyx: Account) -> None:
    bodies, chance = [path.read_bytes() for path in SAMPLES], Random(48)
    ordered = after(partial(take_in, telnyx, bodies))
    for _ in range(4):
        shuffled = after(partial(take_in_batches, telnyx, disturbed(bodies, chance)))
        assert differences(ordered, shuffled) == []


def test_events_of_types_unknown_to_the_board_are_kept_and_change_nothing(telnyx: Account) -> None:
    take_in(telnyx, [event("fax.received", event_id="f", call_control_id="v3:leg"), event("", event_id="empty")])
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"unknown"}
    assert board() == {}
    assert changes.current().version == 0


def test_every_hold_is_kept_whatever_order_its_webhooks_arrive_in(telnyx: Account) -> None:
    pressed = [("call.hold", 1), ("call.unhold", 4), ("call.held", 6), ("call.unhold", 9)]
    bodies = [event(type_, event_id=f"h{second}", at=at(second), call_control_id="v3:leg") for type_, second in pressed]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2, 1]):
        Leg.objects.all().delete()
        WebhookEvent.objects.all().delete()
        for number in order:
            take_in(telnyx, [bodies[number]])
        kept = holds(Leg.objects.get().facts)
        moments = [(datetime.fromtimestamp(one / 1000, UTC).isoformat(), held) for one, held in kept]
        assert moments == [(at(1), True), (at(4), False), (at(6), True), (at(9), False)]


# --- What is pushed ---------------------------------------------------------------------------------------------------


def test_only_what_can_be_seen_moves_the_board_on(telnyx: Account) -> None:
    take_in(telnyx, [joined(1), event("call.answered", event_id="a", at=at(1), call_control_id="v3:leg")])
    version = changes.current().version
    assert Conference.objects.get().version == version
    take_in(telnyx, [event("call.speak.ended", event_id="s", at=at(3), call_control_id="v3:leg")])
    assert changes.current().version == version
    take_in(telnyx, [event("call.hold", event_id="h", at=at(4), call_control_id="v3:leg")])
    assert Conference.objects.get().version == changes.current().version == version + 1


def test_a_change_of_one_conference_pushes_no_other(telnyx: Account) -> None:
    take_in(telnyx, [joined(1), joined(1, "v3:other", conference="c2")])
    version = changes.current().version
    take_in(telnyx, [left(2)])
    assert Conference.objects.get(telnyx_id="c1").version == version + 1
    assert Conference.objects.get(telnyx_id="c2").version == version


@pytest.mark.parametrize("size", [1, 40])
def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(
    telnyx: Account, size: int, django_assert_max_num_queries: object
) -> None:
    take_in(telnyx, [joined(0, f"v3:{number}") for number in range(size)])
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        take_in(telnyx, [left(1, f"v3:{number}") for number in range(size)])


def test_a_listing_newer_than_a_departure_contradicts_it_only_beyond_the_margin(telnyx: Account) -> None:
    take_in(telnyx, [joined(1), left(5)])
    conference = Conference.objects.get()
    departure = START + timedelta(seconds=5)
    note_participants(conference=conference, reads=[inside("v3:leg")], at=departure + LISTING_MARGIN)
    assert present() == []
    note_participants(conference=conference, reads=[inside("v3:leg")], at=departure + LISTING_MARGIN * 1.1)
    assert present() == [("c1", "v3:leg")]
