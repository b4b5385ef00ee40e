"""Leave when nothing else works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from conferences.models import Account, AuditEntry, Ear
from conferences.models.supervision import Role
from conferences.supervision import Press, Way, hasten, open_session, seal, stop

from .conftest import Floor


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test(floor: Floor) -> Iterator[None]:
    """A try that failed is repeated after seconds: it may not happen in another test, which may have no database."""
    yield
    for thread in threading.enumerate():
        if thread.name == "stop-audit":
            thread.join(30)


def test_the_sealed_note_alone_takes_a_barging_supervisor_out(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    note = seal(open_session(kim) or session)
    assert session.ear.call_control_id not in note
    assert stop(note)
    assert call.who_hears(session) == set()
    deadline = time.monotonic() + 20
    while not audited():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_where_leave_fails_the_note_hangs_up_our_own_leg(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/leave", drop=True)
    assert stop(seal(open_session(kim) or session))
    assert not floor.world.legs[session.ear.call_control_id].alive


def test_a_note_that_was_tampered_with_does_nothing(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    note = seal(open_session(kim) or session)
    assert not stop(note[:-4] + "AAA=")
    assert not stop("")
    assert floor.sent("/leave") == []


def test_a_leave_that_is_accepted_without_effect_is_not_believed_without_the_database_either(
    floor: Floor, kim: User
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    note = seal(open_session(kim) or session)
    floor.fault("*/actions/leave", status=200)
    assert stop(note)
    assert call.who_hears(session) == set()
    assert not floor.world.legs[session.ear.call_control_id].alive


def test_a_stop_that_telnyx_does_not_show_is_not_told_as_done(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    note = seal(open_session(kim) or session)
    floor.fault("*/actions/leave", status=200)
    floor.fault("*/actions/hangup", status=200)
    assert not stop(note)
    assert call.who_hears(session) != set()


def test_a_second_press_after_the_line_is_out_keeps_the_line_up(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    note = seal(open_session(kim) or session)
    assert stop(note)
    assert stop(note)
    assert len(floor.sent("/leave")) == 2
    assert floor.world.legs[session.ear.call_control_id].alive


@pytest.mark.parametrize(
    ("pressed", "account", "ear", "sent"),
    [
        (Way.QUIETER, {}, {}, "/update"),
        (Way.QUIETER, {"monitor_harms_call": True}, {}, "/leave"),
        (Way.LEAVE, {}, {}, "/leave"),
        (Way.DISCONNECT, {}, {}, "/hangup"),
        (Way.DISCONNECT, {}, {"dialled_by_us": False}, "/leave"),
    ],
)
def test_the_note_sends_beside_a_slow_way_what_that_way_would_send_and_nothing_more(
    floor: Floor, kim: User, pressed: Way, account: dict[str, bool], ear: dict[str, bool], sent: str
) -> None:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    Account.objects.update(**account)
    Ear.objects.update(**ear)
    session = open_session(kim)
    assert session is not None
    before = len(floor.api.log)
    hasten(seal(session), way=pressed, press=Press())
    assert [entry["path"].rpartition("/actions")[2] for entry in list(floor.api.log)[before:]] == [sent]
    assert call.who_hears(session) == set()


def audited() -> bool:
    """Say whether the stop is in the audit; the thread that writes it may hold the table at this moment."""
    try:
        return AuditEntry.objects.filter(action="stopped without the database").exists()
    except OperationalError:
        return False
