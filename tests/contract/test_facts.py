"""The facts of docs/telnyx-facts.md that need no ear, as tests: of the sandbox always, of a real account when asked."""

from __future__ import annotations

from uuid import uuid4

import pytest

from conferences.telnyx.errors import Rejected
from conferences.telnyx.roles import Barge, Monitor, MyLeg, Whisper

from .target import Scene

fact = pytest.mark.fact


@fact("T03")
def test_a_monitor_reads_as_muted_and_barge_does_not(telnyx: Scene) -> None:
    assert telnyx.enter(Monitor()).muted
    telnyx.set_role(Barge())
    assert not telnyx.inside().muted


@fact("T08")
def test_a_change_of_role_that_was_accepted_is_read_back(telnyx: Scene) -> None:
    telnyx.enter(Monitor())
    telnyx.set_role(Whisper(telnyx.legs["agent"]))
    assert telnyx.inside().whisper_call_control_ids == (telnyx.legs["agent"],)
    telnyx.set_role(Monitor())
    assert telnyx.inside().whisper_call_control_ids == ()


@fact("T10")
def test_a_leg_that_joins_has_the_role_of_the_join_at_once(telnyx: Scene) -> None:
    assert telnyx.enter(Whisper(telnyx.legs["agent"])).whisper_call_control_ids == (telnyx.legs["agent"],)


@fact("T11")
def test_a_leg_that_leaves_stays_connected_and_may_join_again(telnyx: Scene) -> None:
    telnyx.enter(Monitor())
    telnyx.go_out()
    assert telnyx.client.call(telnyx.mine).is_alive
    telnyx.join(Monitor())


@fact("T12")
def test_a_change_of_role_for_a_leg_that_is_not_inside_is_refused(telnyx: Scene) -> None:
    telnyx.go_out()
    with pytest.raises(Rejected) as refused:
        telnyx.set_role(Monitor())
    assert refused.value.means_gone


@fact("T13")
def test_who_has_left_is_not_listed_as_being_inside(telnyx: Scene) -> None:
    telnyx.enter(Monitor())
    telnyx.go_out()
    assert telnyx.mine not in {read.call_control_id for read in telnyx.client.participants(telnyx.conference)}


@fact("T17")
def test_a_leg_that_was_not_answered_may_not_join(telnyx: Scene) -> None:
    assert telnyx.refused_before_the_answer == "422 90034"


@fact("T18")
def test_a_command_that_comes_twice_with_one_command_id_runs_once(telnyx: Scene) -> None:
    telnyx.enter(Monitor())
    twice = uuid4()
    telnyx.set_role(Whisper(telnyx.legs["agent"]), command_id=twice)
    telnyx.set_role(Monitor())
    telnyx.set_role(Whisper(telnyx.legs["agent"]), command_id=twice)
    assert telnyx.inside().whisper_call_control_ids == ()


@fact("T19")
def test_a_call_that_has_ended_can_be_read_and_is_not_alive(telnyx: Scene) -> None:
    leg = another_leg(telnyx)
    telnyx.client.hangup(command_id=uuid4(), my_leg=leg)
    telnyx.wait(2)
    assert not telnyx.client.call(leg).is_alive


@fact("T20")
def test_living_legs_are_listed_with_their_client_state(telnyx: Scene) -> None:
    found = telnyx.client.legs_marked(connection_id=telnyx.phones.ear_connection_id, mark=telnyx.mark)
    assert {telnyx.mine, telnyx.legs["agent"]} <= set(found)


@fact("T21")
def test_a_hang_up_of_a_leg_that_has_ended_is_refused_as_gone(telnyx: Scene) -> None:
    leg = another_leg(telnyx)
    telnyx.client.hangup(command_id=uuid4(), my_leg=leg)
    telnyx.wait(2)
    with pytest.raises(Rejected) as refused:
        telnyx.client.hangup(command_id=uuid4(), my_leg=leg)
    assert refused.value.means_gone


@fact("T24")
def test_a_running_conference_is_on_the_first_page_of_those_in_progress(telnyx: Scene) -> None:
    page = next(telnyx.client.conference_pages("in_progress"))
    [mine] = [read for read in page.conferences if read.id == telnyx.conference]
    assert (mine.status, mine.ended, mine.connection_id) == ("in_progress", False, telnyx.phones.ear_connection_id)


@fact("T26")
def test_a_conference_that_never_was_is_not_found(telnyx: Scene) -> None:
    with pytest.raises(Rejected) as refused:
        telnyx.client.conference(str(uuid4()))
    assert refused.value.status == 404


@fact("T28")
def test_a_participant_is_listed_with_what_floorline_reads(telnyx: Scene) -> None:
    telnyx.enter(Monitor())
    listed = telnyx.last_answer()["data"]
    read = {"id", "call_control_id", "call_leg_id", "status", "muted", "on_hold", "whisper_call_control_ids"}
    assert all(read | {"created_at"} <= person.keys() for person in listed)


@fact("T25")
def test_a_refusal_names_a_code_of_five_digits(telnyx: Scene) -> None:
    telnyx.go_out()
    with pytest.raises(Rejected) as refused:
        telnyx.set_role(Monitor())
    assert refused.value.code.isdigit()
    assert len(refused.value.code) == 5


def another_leg(telnyx: Scene) -> MyLeg:
    """Ring the supervisor's phone once more; the caller hangs it up at once."""
    return telnyx.client.dial_test_leg(
        command_id=uuid4(),
        connection_id=telnyx.phones.ear_connection_id,
        to=telnyx.phones.supervisor,
        from_number=telnyx.phones.from_number,
        mark=telnyx.mark,
    )
