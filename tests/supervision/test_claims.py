"""The claim of who hears the supervisor, from click to reading, held against whom the sandbox lets hear."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from conferences.models import Account, SupervisorSession
from conferences.models.supervision import Role
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import hearing
from conferences.supervision import connect, leave, quieter
from dashboard.desk.ear import my_ear
from tests.claims import claim_told, read_claims, render_claims

from .conftest import STEP, Call, Floor
from .test_adopting import bring

Told = tuple[str, str]


def told(floor: Floor, kim: User, call: Call) -> Told:
    return claim_told(kim, call.conference, floor.now)


def sentence(floor: Floor, kim: User, call: Call) -> str:
    reader = read_claims(render_claims(kim, call.conference, floor.now))
    return next(shown.text for shown in reader.shown() if shown.place == "sentence")


def verified(floor: Floor, kim: User, call: Call) -> Callable[[], bool]:
    return lambda: told(floor, kim, call)[1] == "verified"


@pytest.fixture
def watched(floor: Floor, kim: User) -> list[Told]:
    """Watch at every tick that nobody hears Kim whom her screen does not name; return what was told, each once."""
    seen: list[Told] = []

    def look() -> None:
        for session in SupervisorSession.objects.filter(user=kim, ended_at=None).select_related("ear", "conference"):
            claim = my_ear(kim, now=floor.now).claim
            said = claim_told(kim, session.conference, floor.now)
            listening = {
                str(participant.leg_id)
                for participant in session.conference.participants.filter(present=True).select_related("leg")
                if participant.leg.call_control_id in heard_by(floor, session)
            }
            assert listening <= claim.may_hear, (said, claim)
            assert not listening or claim.heard != "nobody"
            if said not in seen[-1:]:
                seen.append(said)

    floor.watch = look
    return seen


def heard_by(floor: Floor, session: SupervisorSession) -> set[str]:
    """Return the call_control_ids of those who hear the session's line."""
    conference = floor.world.conferences.get(session.conference.telnyx_id)
    if conference is None:
        return set()
    matrix = hearing.matrix(conference, semantics=floor.world.semantics)
    return {listener for listener, speakers in matrix.items() if session.ear.call_control_id in speakers}


@pytest.mark.slow
def test_the_ordinary_way_in_is_silent_and_called_so_only_once_it_is_read(
    floor: Floor, kim: User, watched: list[Told]
) -> None:
    call = floor.call()
    call.choose(kim, Role.MONITOR)
    floor.wait(20, until=verified(floor, kim, call))
    assert watched[0] == ("nobody", "asked")
    assert {heard for heard, _state in watched} == {"nobody"}
    assert sentence(floor, kim, call) == "Nobody hears you. You hear everyone."


@pytest.mark.slow
def test_a_monitor_after_a_barge_is_no_silence_until_it_is_read(floor: Floor, kim: User, watched: list[Told]) -> None:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(5, until=verified(floor, kim, call))
    assert told(floor, kim, call) == ("everyone", "verified")
    quieter(user=kim, now=floor.now)
    assert told(floor, kim, call) == ("maybe", "accepted")
    assert sentence(floor, kim, call).endswith("may still hear you.")
    floor.wait(5, until=verified(floor, kim, call))
    assert told(floor, kim, call) == ("nobody", "verified")


@pytest.mark.slow
def test_only_the_chosen_hear_a_whisper_once_it_is_read(floor: Floor, kim: User, watched: list[Told]) -> None:
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    assert sentence(floor, kim, call) == "Switching to Whisper. Ana Ruiz may hear you."
    floor.wait(5, until=verified(floor, kim, call))
    assert sentence(floor, kim, call) == "Only Ana Ruiz hears you. The customer does not."
    call.choose(kim, Role.WHISPER, "Max Falk")
    assert sentence(floor, kim, call) == "Switching to Whisper. Ana Ruiz and Max Falk may hear you."
    floor.wait(5, until=verified(floor, kim, call))
    assert watched[-3:] == [("chosen", "verified"), ("maybe", "accepted"), ("chosen", "verified")]


@pytest.mark.slow
def test_where_no_reading_tells_monitor_is_silent_but_not_confirmed_and_a_barge_only_perhaps_heard(
    floor: Floor, kim: User, watched: list[Told]
) -> None:
    floor.world.semantics.monitor_reads_muted = False
    call = floor.call()
    call.choose(kim, Role.MONITOR)
    floor.wait(12)
    assert told(floor, kim, call) == ("nobody", "unconfirmed")
    assert not {heard for heard, _state in watched} - {"nobody"}
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(5, until=verified(floor, kim, call))
    assert told(floor, kim, call) == ("chosen", "verified")
    call.choose(kim, Role.BARGE)
    floor.wait(8)
    assert told(floor, kim, call) == ("maybe", "unconfirmed")


@pytest.mark.slow
def test_a_hop_says_on_both_desks_where_i_am(floor: Floor, kim: User, watched: list[Told]) -> None:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(5, until=verified(floor, kim, call))
    other = floor.call(agents=("Max Falk",))
    there = "You are in Billing-4312: only Ana Ruiz hears you there."
    assert sentence(floor, kim, other).startswith(there)
    assert told(floor, kim, other) == ("chosen", "verified")
    other.choose(kim, Role.MONITOR)
    assert sentence(floor, kim, call).startswith("You are joining")
    floor.wait(8, until=verified(floor, kim, other))
    assert sentence(floor, kim, other) == "Nobody hears you. You hear everyone."


@pytest.mark.slow
def test_a_parked_phone_is_heard_by_nobody(floor: Floor, kim: User) -> None:
    call = floor.call()
    connect(user=kim, now=floor.now)
    floor.wait(10)
    assert told(floor, kim, call) == ("nobody", "verified")
    assert sentence(floor, kim, call) == "Your phone is connected and in no call. Nobody hears you."


@pytest.mark.slow
def test_a_monitor_that_telnyx_does_not_carry_out_is_never_called_silent(
    floor: Floor, kim: User, watched: list[Told]
) -> None:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(5, until=verified(floor, kim, call))
    floor.fault("*/actions/update", status=200, times=9)
    floor.fault("*/actions/leave", status=422, code="10004", times=9)
    quieter(user=kim, now=floor.now)
    floor.wait(9)
    assert told(floor, kim, call) == ("nobody", "verified")
    assert ("maybe", "accepted") in watched


@pytest.mark.slow
@pytest.mark.parametrize("answered", [True, False])
def test_a_barge_that_is_executed_after_the_monitor_was_read_is_never_called_silent(
    floor: Floor, kim: User, watched: list[Told], *, answered: bool
) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    floor.fault("*/actions/update", when="late", delay_s=12.3, times=1, **({"status": 200} if answered else {}))
    call.choose(kim, Role.BARGE)
    floor.wait(1)
    quieter(user=kim, now=floor.now)
    heard = []
    for _tick in range(80):
        floor.wait(STEP)
        heard.append(bool(call.who_hears(session)))
    assert any(heard)
    assert not heard[-1]


@pytest.mark.slow
def test_until_a_leave_is_read_whoever_heard_me_may_still(floor: Floor, kim: User, watched: list[Told]) -> None:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(5, until=verified(floor, kim, call))
    floor.fault("*/actions/leave", status=200, times=1)
    leave(user=kim, now=floor.now)
    assert told(floor, kim, call) == ("maybe", "accepted")
    assert sentence(floor, kim, call) == "Leaving. The customer and Ana Ruiz may still hear you."
    floor.wait(12)
    assert told(floor, kim, call) == ("nobody", "verified")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "whom", "proved", "said"),
    [
        ("monitor", (), None, ("nobody", "verified")),
        ("whisper", ("Ana Ruiz",), None, ("chosen", "verified")),
        ("barge", (), None, ("maybe", "unknown")),
        ("barge", (), True, ("everyone", "verified")),
    ],
)
def test_of_an_adopted_line_is_told_what_a_reading_shows(
    floor: Floor, kim: User, role: str, whom: tuple[str, ...], proved: bool | None, said: Told
) -> None:
    Account.objects.update(monitor_reads_muted=proved)
    brought = bring(floor, role, *whom)  # type: ignore[arg-type]
    assert told(floor, kim, brought.call) == said


@pytest.mark.slow
def test_what_the_world_lets_them_hear_is_never_more_than_the_screen_says(
    floor: Floor, kim: User, watched: list[Told]
) -> None:
    """A shift of quick presses, each before the one before it was read."""
    floor.world.semantics.whisper = "deny-list"
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    call.bring_in(kim)
    presses = [(Role.WHISPER, "Ana Ruiz"), (Role.WHISPER, "Max Falk"), (Role.BARGE, ""), (Role.MONITOR, "")]
    for number in range(24):
        role, whom = presses[number * 7 % 4]
        call.choose(kim, role, *filter(None, [whom]))
        floor.wait(STEP * (1 + number % 5))
    joiner = next(agent for agent in directory.team_named("Billing").agents if agent.name not in call.legs())
    call.scene.connect(call.scene.ring(joiner))
    floor.wait(6)
    assert {heard for heard, _state in watched} >= {"nobody", "maybe"}
