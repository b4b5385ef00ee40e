"""Two changes at once: while one is on its way, the supervisor asks for another, and Telnyx may mix up their order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from conferences.models import Account, Command
from conferences.models.supervision import Role
from conferences.supervision import Refused, leave, quieter
from conferences.telnyx.client import Client
from conferences.telnyx.errors import Unanswered
from dashboard.desk.claim import Heard
from dashboard.desk.ear import my_ear

from .conftest import STEP, Call, Floor

pytestmark = pytest.mark.slow

Meanwhile = Callable[..., None]
NOBODY = Heard.NOBODY


@pytest.fixture
def meanwhile(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Let something be clicked while the next change of role is under way, before or after Telnyx executes it."""

    def arm(click: Callable[[], Any], *, executed: str, answered: bool = True) -> None:
        really_set = Client.set_role

        def set_role(client: Client, **given: Any) -> None:
            monkeypatch.setattr(Client, "set_role", really_set)
            if executed == "first":
                really_set(client, **given)
            click()
            if executed == "last":
                floor.wait(2)  # the click has long been read back
                really_set(client, **given)
            if not answered:
                raise Unanswered

        monkeypatch.setattr(Client, "set_role", set_role)

    return arm


def unreadable(floor: Floor) -> None:
    """Let this account be one where no reading tells a monitor from a barge."""
    floor.world.semantics.monitor_reads_muted = False
    Account.objects.update(monitor_reads_muted=False)
    floor.account.refresh_from_db()


def inside(floor: Floor, kim: User) -> Call:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.choose(kim, Role.MONITOR)
    floor.wait(8)
    return call


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("executed", ["first", "last"])
@pytest.mark.parametrize(("role", "targets"), [(Role.BARGE, []), (Role.WHISPER, ["Ana Ruiz"])])
def test_a_stop_pressed_while_a_louder_role_is_under_way_ends_in_silence(
    floor: Floor,
    kim: User,
    meanwhile: Meanwhile,
    role: Role,
    targets: list[str],
    executed: str,
    *,
    answered: bool,
    readable: bool,
) -> None:
    if not readable:
        unreadable(floor)
    call = inside(floor, kim)
    session = kim.supervisor_sessions.get()
    meanwhile(lambda: quieter(user=kim, now=floor.now), executed=executed, answered=answered)
    call.choose(kim, role, *targets)
    floor.wait(12)
    assert call.who_hears(session) == set()
    state = call.state(session)
    assert state.role == Role.MONITOR or state.ended_at is not None


@pytest.mark.parametrize("readable", [True, False])
def test_a_late_answer_to_monitor_does_not_hide_the_louder_role_that_came_after_it(
    floor: Floor, kim: User, meanwhile: Meanwhile, *, readable: bool
) -> None:
    if not readable:
        unreadable(floor)
    call = inside(floor, kim)
    session = kim.supervisor_sessions.get()
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(6)
    meanwhile(lambda: call.choose(kim, Role.BARGE), executed="first")
    quieter(user=kim, press=floor.press(), now=floor.now)
    assert call.who_hears(session) != set()
    assert call.state(session).role == Role.BARGE
    floor.wait(12)
    assert bool(call.who_hears(session)) is (call.state(session).role == Role.BARGE)


def test_a_leave_pressed_while_a_barge_is_under_way_ends_outside(floor: Floor, kim: User, meanwhile: Meanwhile) -> None:
    call = inside(floor, kim)
    session = kim.supervisor_sessions.get()
    meanwhile(lambda: leave(user=kim, now=floor.now), executed="first")
    call.choose(kim, Role.BARGE)
    floor.wait(6)
    assert call.who_hears(session) == set()
    assert call.state(session).ended_at is not None


@pytest.mark.parametrize("readable", [True, False])
def test_a_barge_that_is_executed_after_leaving_and_coming_back_is_not_heard(
    floor: Floor, kim: User, *, readable: bool
) -> None:
    if not readable:
        unreadable(floor)
    call = inside(floor, kim)
    floor.fault("*/actions/update", when="late", delay_s=12)
    call.choose(kim, Role.BARGE)
    leave(user=kim, now=floor.now)
    floor.wait(2)
    with contextlib.suppress(Refused):
        call.choose(kim, Role.MONITOR)
    floor.wait(15)
    assert call.who_hears(kim.supervisor_sessions.latest("started_at")) == set()


def test_a_role_is_still_read_back_when_the_next_one_was_refused(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    session = kim.supervisor_sessions.get()
    call.choose(kim, Role.BARGE)
    barge = call.newest(session)
    floor.fault("*/actions/update", status=422, code="10004")
    with pytest.raises(Exception, match="Telnyx refused"):
        call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(6)
    assert Command.objects.get(pk=barge.pk).state == Command.State.VERIFIED


def heard_for(floor: Floor, call: Call, kim: User, *, seconds: float) -> tuple[float, float]:
    """Let time pass; return for how long Kim was heard, and for how long of it the screen said that nobody hears."""
    heard, unsaid = [0.0], [0.0]

    def look() -> None:
        session = kim.supervisor_sessions.latest("started_at")
        if call.who_hears(session):
            heard[0] += STEP
            unsaid[0] += STEP if my_ear(kim, now=floor.now).claim.heard == NOBODY else 0

    floor.watch = look
    floor.wait(seconds)
    return heard[0], unsaid[0]


@pytest.mark.parametrize("failing", [0, 100])
def test_a_barge_without_an_answer_that_no_reading_would_show_is_never_heard_late(
    floor: Floor, kim: User, failing: int
) -> None:
    unreadable(floor)
    call = inside(floor, kim)
    floor.fault("*/actions/update", when="late", delay_s=20, times=1)
    call.choose(kim, Role.BARGE)
    if failing:
        floor.faults.arm({"method": "GET", "path": "*/participants", "status": 503, "times": failing})
    heard, _unsaid = heard_for(floor, call, kim, seconds=40)
    assert heard == 0
    assert kim.ears.latest("created_at").ended_at is not None


@pytest.mark.parametrize("role", [Role.BARGE, Role.WHISPER])
def test_a_louder_role_that_is_executed_after_its_stop_is_silenced_within_seconds(
    floor: Floor, kim: User, role: Role
) -> None:
    call = inside(floor, kim)
    floor.fault("*/actions/update", when="late", delay_s=1.1)
    call.choose(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else []))
    quieter(user=kim, press=floor.press(), now=floor.now)
    heard, unsaid = heard_for(floor, call, kim, seconds=15)
    assert 0 < heard <= 2
    assert unsaid == 0


@pytest.mark.parametrize("stopped", [True, False])
def test_a_barge_that_is_accepted_and_executed_ten_seconds_later_is_said_to_be_heard_perhaps(
    floor: Floor, kim: User, *, stopped: bool
) -> None:
    call = inside(floor, kim)
    floor.fault("*/actions/update", status=200, when="late", delay_s=10)
    call.choose(kim, Role.BARGE)
    if stopped:
        quieter(user=kim, press=floor.press(), now=floor.now)
    heard, unsaid = heard_for(floor, call, kim, seconds=20)
    assert 0 < heard <= (3 if stopped else 30)
    assert unsaid == 0


def test_a_barge_that_is_executed_after_its_stop_is_silenced_while_the_comparison_hangs(
    floor: Floor, kim: User
) -> None:
    call = inside(floor, kim)
    floor.fault("*/actions/update", status=200, when="late", delay_s=10)
    call.choose(kim, Role.BARGE)
    quieter(user=kim, press=floor.press(), now=floor.now)
    floor.busy.add("reconciler")  # a request of the comparison has no answer, so no regular reading comes
    heard, unsaid = heard_for(floor, call, kim, seconds=20)
    assert 0 < heard <= 3
    assert unsaid == 0


def test_the_doubt_about_an_accepted_barge_ends_after_two_minutes(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    floor.fault("*/actions/update", status=200)
    call.choose(kim, Role.BARGE)
    quieter(user=kim, press=floor.press(), now=floor.now)
    floor.wait(110)
    assert my_ear(kim, now=floor.now).claim.heard != NOBODY
    floor.wait(15)
    assert my_ear(kim, now=floor.now).claim.heard == NOBODY


def test_a_verified_barge_leaves_no_doubt_behind(floor: Floor, kim: User) -> None:
    call = inside(floor, kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    quieter(user=kim, press=floor.press(), now=floor.now)
    floor.wait(3)
    assert my_ear(kim, now=floor.now).claim.heard == NOBODY
