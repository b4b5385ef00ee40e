"""Telnyx refuses, is silent, executes late, or lies: what the supervisor reads, and who hears whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from conferences.models import AuditEntry, Command
from conferences.models.supervision import Role
from conferences.supervision import Refused, leave, quieter
from dashboard.desk.ear import Place, my_ear

from .conftest import Floor

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "10009", "refuses the API key"),
        (404, "90058", "no longer knows this call"),
        (422, "90015", "no longer connected"),
        (422, "90018", "has hung up"),
        (422, "90019", "has ended"),
        (422, "90034", "not picked up your phone yet"),
        (422, "90044", "already in this call"),
        (429, "10011", "too many requests"),
        (422, "10004", "code 10004"),
    ],
)
def test_a_refused_role_is_told_in_words_and_changes_nothing(
    floor: Floor, kim: User, status: int, code: str, words: str
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", status=status, code=code)
    with pytest.raises(Refused, match=words):
        call.choose(kim, Role.BARGE)
    assert call.state(session).role == Role.MONITOR
    assert call.newest(session).state == Command.State.REJECTED
    assert call.who_hears(session) == set()


@pytest.mark.parametrize(("status", "words"), [(401, "API key"), (422, "refused"), (429, "too many requests")])
def test_a_refused_dial_leaves_no_ear_behind(floor: Floor, kim: User, status: int, words: str) -> None:
    call = floor.call()
    floor.fault("/calls", status=status, code="10011" if status == 429 else "")
    with pytest.raises(Refused, match=words):
        call.choose(kim, Role.MONITOR)
    assert not kim.ears.filter(ended_at=None).exists()


def test_a_whisper_whose_answer_is_lost_is_verified_by_reading(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", drop=True, when="after")
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    assert call.newest(session).state == Command.State.UNKNOWN
    floor.wait(3)
    assert call.newest(session).state == Command.State.VERIFIED
    assert call.state(session).role == Role.WHISPER
    assert len(floor.sent("/update")) == 1


def test_a_barge_that_never_arrived_is_given_up_and_not_sent_again(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", drop=True)
    call.choose(kim, Role.BARGE)
    floor.wait(10)
    assert [body["supervisor_role"] for body in floor.sent("/update")] == ["barge", "monitor"]
    assert call.who_hears(session) == set()
    assert call.state(session).role == Role.MONITOR


def test_the_screen_never_says_nobody_while_a_barge_that_is_executed_late_is_heard(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", when="late", delay_s=20.6)
    call.choose(kim, Role.BARGE)
    told: list[tuple[bool, str]] = []
    floor.watch = lambda: told.append((bool(call.who_hears(session)), str(my_ear(kim, now=floor.now).claim.heard)))
    floor.wait(24)
    heard = [said for audible, said in told if audible]
    assert heard
    assert "nobody" not in heard
    assert call.state(session).role == Role.MONITOR


def test_an_answer_of_200_without_effect_is_not_believed_and_joining_anew_helps(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", status=200)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(5)
    assert Command.objects.get(session=session, kind="update").state == Command.State.CONTRADICTED
    assert call.newest(session).state == Command.State.VERIFIED
    assert call.who_hears(session) == {"Ana Ruiz"}
    assert floor.sent("/join")[-1]["whisper_call_control_ids"] == floor.sent("/update")[0]["whisper_call_control_ids"]


def test_where_joining_anew_does_not_help_either_the_line_is_taken_out(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    floor.fault("*/actions/update", status=200, times=9)
    floor.fault("*/actions/leave", status=422, code="10004", times=99)
    quieter(user=kim, now=floor.now)
    floor.wait(9)
    assert call.who_hears(session) == set()
    assert not floor.world.legs[session.ear.call_control_id].alive


def test_monitor_is_asked_again_until_it_is_answered(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    floor.fault("*/actions/update", drop=True, times=2)
    quieter(user=kim, now=floor.now)
    assert call.who_hears(session) != set()
    floor.wait(4)
    assert call.who_hears(session) == set()
    assert call.newest(session).attempts == 3


def test_a_monitor_that_is_refused_when_it_is_asked_again_takes_the_line_out(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    floor.fault("*/actions/update", drop=True, times=2)
    floor.fault("*/actions/update", status=422, code="10004")
    quieter(user=kim, press=floor.press(), now=floor.now)
    floor.wait(8)
    assert call.state(session).stage == "ended"
    assert call.who_hears(session) == set()
    assert "refused to silence" in call.state(session).end_reason


@pytest.mark.parametrize("refusals", [1, 99])
def test_a_way_back_in_that_is_refused_when_it_is_asked_again_ends_the_session(
    floor: Floor, kim: User, refusals: int
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    floor.fault("*/actions/update", status=200)
    floor.fault("*/actions/join", drop=True)
    floor.fault("*/actions/join", status=422, code="10004", times=refusals)
    quieter(user=kim, press=floor.press(), now=floor.now)
    floor.wait(8)
    assert call.state(session).stage == "ended"
    assert call.scene.conference is not None
    assert session.ear.call_control_id not in call.scene.conference.participants
    assert my_ear(kim, now=floor.now).place != Place.IN_CONFERENCE


def test_a_leave_without_an_answer_ends_in_hanging_up_our_own_leg(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.fault("*/actions/leave", drop=True, times=99)
    leave(user=kim, now=floor.now)
    floor.wait(8)
    assert call.who_hears(session) == set()
    assert "hung up to make sure" in call.state(session).end_reason
    hung_up = [entry["path"] for entry in floor.api.log if entry["path"].endswith("/hangup")]
    assert hung_up == [f"/calls/{session.ear.call_control_id}/actions/hangup"]


def test_leaving_a_conference_that_has_ended_is_no_error(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.webhooks_lost = True
    call.scene.finish()
    leave(user=kim, now=floor.now)
    floor.wait(1)
    assert call.state(session).ended_at is not None


def test_a_louder_click_that_waited_too_long_is_never_sent(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    early = floor.now
    floor.travel.move_to(floor.now + timedelta(seconds=6))
    from conferences.supervision.roles import send_role_command

    command = send_role_command(session, role=Role.BARGE, listeners=[], audience=[], now=early)
    assert command is not None
    assert command.state == Command.State.EXPIRED
    assert floor.sent("/update") == []


@pytest.mark.parametrize("whisper", ["allow-list", "deny-list"])
def test_a_customer_who_joins_a_whisper_does_not_hear_it_for_long(floor: Floor, kim: User, whisper: str) -> None:
    floor.world.semantics.whisper = whisper  # type: ignore[assignment]
    call = floor.call()
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(3)
    join_customer(floor, call)
    floor.wait(2)
    assert call.who_hears(session) == set()
    assert "not a known agent joined" in call.state(session).notice


def test_a_whisper_ends_when_its_last_listener_leaves(floor: Floor, kim: User) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    session = call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(3)
    call.scene.release(call.scene.agents[0])
    floor.wait(3)
    assert call.state(session).role == Role.MONITOR
    assert "Nobody you whispered to is on the call" in call.state(session).notice


def test_where_monitor_does_not_read_back_as_muted_the_screen_says_it_cannot_be_confirmed(
    floor: Floor, kim: User
) -> None:
    floor.world.semantics.monitor_reads_muted = False
    call = floor.call()
    session = call.choose(kim, Role.MONITOR)
    floor.wait(15)
    assert call.newest(session).state == Command.State.UNCONFIRMED
    assert call.state(session).verified_at is None


def test_a_supervisor_alone_with_supervisors_leaves(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.wait(4)
    for leg in [call.scene.customer, *call.scene.agents]:
        assert leg is not None
        hang_up_quietly(floor, leg)
    floor.wait(4)
    assert call.state(session).ended_at is not None
    assert floor.world.legs[session.ear.call_control_id].alive


def test_a_right_taken_away_ends_the_listening(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    kim.team_memberships.all().delete()
    floor.wait(2)
    assert call.state(session).ended_at is not None
    assert "no longer allowed to listen" in call.state(session).end_reason


def test_every_step_is_in_the_audit(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    leave(user=kim, now=floor.now)
    floor.wait(3)
    actions = list(AuditEntry.objects.filter(actor=kim).order_by("id").values_list("action", flat=True))
    for action in ("entering", "dial accepted", "join asked", "join accepted", "join verified", "leave asked", "ended"):
        assert action in actions


def join_customer(floor: Floor, call: object) -> None:
    from conferences.sandbox.telephony import calls, membership

    leg = calls.incoming(floor.world, connection_id="2781903345512846337", from_="+4930123456199", to="+18005550101")
    calls.answer(floor.world, leg)
    membership.join(floor.world, call.scene.conference, leg)  # type: ignore[attr-defined]


def hang_up_quietly(floor: Floor, leg: object) -> None:
    """Hang up without ending the conference, as when a supervisor's presence keeps it open."""
    from conferences.sandbox.telephony import membership

    membership.hangup(floor.world, leg, source="caller")  # type: ignore[arg-type]
