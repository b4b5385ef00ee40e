"""Leave when nothing else works."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from pytest_django.fixtures import Settings

from conferences.models import Account, AuditEntry, Ear, Stop
from conferences.models.supervision import Role
from conferences.supervision import Press, Refused, Way, open_session, seal, send_by_note, stop
from conferences.supervision.stops import keep_stop_alone
from conferences.telnyx.client import Client

from .conftest import Floor

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test(floor: Floor) -> Iterator[None]:
    """A try that failed is repeated after seconds: it may not happen in another test, which may have no database."""
    yield
    for thread in threading.enumerate():
        if thread.name == "stop-audit":
            thread.join(30)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("way", [Way.LEAVE, Way.DISCONNECT, Way.QUIETER])
def test_a_stop_that_is_stored_once_the_database_is_back_ends_what_has_begun_meanwhile(
    floor: Floor, kim: User, way: Way
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    barge, stop_of_note = floor.press(), floor.press()
    call.choose_at(kim, Role.BARGE, press=barge)
    floor.wait(3)
    keep_stop_alone(kim, way, stop_of_note, now=floor.now)
    floor.wait(3)
    assert call.who_hears(session) == set()
    assert (call.state(session).ended_at is None) is (way == Way.QUIETER)


@pytest.mark.slow
def test_where_leave_fails_the_note_hangs_up_our_own_leg(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/leave", drop=True)
    assert stop(seal(open_session(kim) or session))
    assert not floor.world.legs[session.ear.call_control_id].alive


@pytest.mark.slow
def test_a_note_that_was_tampered_with_does_nothing(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    note = seal(open_session(kim) or session)
    assert not stop(note[:-4] + "AAA=")
    assert not stop("")
    assert floor.sent("/leave") == []


@pytest.mark.slow
def test_a_note_of_a_page_that_was_open_before_the_secret_key_changed_still_stops(
    floor: Floor, kim: User, settings: Settings
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    note = seal(open_session(kim) or session)
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another-" * 8
    assert not stop(note)
    settings.SECRET_KEY_FALLBACKS = [before]
    assert stop(note)
    assert call.who_hears(session) == set()


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_stop_that_a_reading_does_not_show_is_not_reported_as_done(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    note = seal(open_session(kim) or session)
    floor.fault("*/actions/leave", status=200)
    floor.fault("*/actions/hangup", status=200)
    assert not stop(note)
    assert call.who_hears(session) != set()


@pytest.mark.slow
def test_a_second_press_after_the_line_is_out_keeps_the_line_up(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    note = seal(open_session(kim) or session)
    assert stop(note)
    assert stop(note)
    assert len(floor.sent("/leave")) == 2
    assert floor.world.legs[session.ear.call_control_id].alive


@pytest.mark.slow
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
    send_by_note(seal(session), way=pressed, press=Press())
    assert [entry["path"].rpartition("/actions")[2] for entry in list(floor.api.log)[before:]] == [sent]
    assert call.who_hears(session) == set()


@pytest.mark.slow
def test_in_the_middle_of_a_hop_only_a_dead_call_counts_as_silence(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    note = seal(open_session(kim) or session)
    floor.fault("*/actions/hangup", status=200)
    assert not stop(note, press=Press(hop=True))
    assert stop(note, press=Press(hop=True))
    assert not floor.world.legs[session.ear.call_control_id].alive


@pytest.mark.slow
def test_a_hop_that_this_process_has_begun_is_known_without_the_page_saying_so(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = floor.call(), floor.call(agents=("Max Falk",))
    session = first.bring_in(kim)
    note, really_leave = seal(open_session(kim) or session), Client.leave

    def leaving(client: Client, **given: Any) -> None:
        monkeypatch.setattr(Client, "leave", really_leave)
        really_leave(client, **given)
        assert stop(note)

    monkeypatch.setattr(Client, "leave", leaving)
    with contextlib.suppress(Refused):
        second.choose(kim, Role.WHISPER, "Max Falk")
    assert not floor.world.legs[session.ear.call_control_id].alive


@pytest.mark.slow
def test_a_stop_by_the_note_is_kept_with_its_person_once_the_database_is_back(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    barge, pressed = floor.press(), floor.press()
    assert stop(seal(open_session(kim) or session), press=pressed)
    deadline = time.monotonic() + 20
    while not audited():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (Stop.objects.get().way, Stop.objects.get().id) == ("leave", pressed.id)
    floor.wait(2)
    with pytest.raises(Refused, match="left since"):
        call.choose_at(kim, Role.BARGE, press=barge)


@pytest.mark.slow
def test_while_the_database_is_down_one_thread_waits_to_store_however_often_somebody_presses(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = floor.call()
    call.bring_in(kim)
    session = open_session(kim)
    assert session is not None
    note = seal(session)
    presses = [floor.press() for _ in range(5)]
    with monkeypatch.context() as down:
        down.setattr("conferences.supervision.emergency.board_change", unavailable)
        down.setattr("conferences.supervision.emergency.STORE_EVERY_SECONDS", 0.05)
        assert all(stop(note, press=press) for press in presses)
        assert [thread.name for thread in threading.enumerate()].count("stop-audit") == 1
    for thread in threading.enumerate():
        if thread.name == "stop-audit":
            thread.join(30)
    assert set(Stop.objects.values_list("id", flat=True)) <= {press.id for press in presses}
    assert AuditEntry.objects.filter(action="stopped without the database").count() == len(presses)


def unavailable(*_given: object, **_options: object) -> None:
    raise OperationalError("the database is down")


STOP_WITHOUT_A_DATABASE = """
import django
django.setup()
from conferences.models import Account, Conference, Ear, SupervisorSession
from conferences.supervision import seal, stop
ear = Ear(account=Account(pk=1, is_default=True), call_control_id="v3:kim")
conference = Conference(telnyx_id="5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90")
print(stop(seal(SupervisorSession(user_id=1, ear=ear, conference=conference))))
"""


@pytest.mark.slow
def test_what_waits_to_be_stored_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    no_database = {"DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder.sqlite3", "SECRET_KEY": "k" * 50}
    no_database |= {"TELNYX_API_BASE": "http://127.0.0.1:9/v2", "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    command = [sys.executable, "-c", STOP_WITHOUT_A_DATABASE]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **no_database}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
    assert "a supervisor was taken out without the database" in done.stderr


def audited() -> bool:
    """Return whether the stop is in the audit; the thread that writes it may hold the table at this moment."""
    try:
        return AuditEntry.objects.filter(action="stopped without the database").exists()
    except OperationalError:
        return False
