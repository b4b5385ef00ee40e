"""The timeline of a conference and the strip of who spoke when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conferences.models import (
    Account,
    Agent,
    Cause,
    Command,
    Conference,
    Leg,
    Note,
    Participant,
    SupervisorSession,
)
from conferences.models.supervision import Role
from conferences.projection.registers import HOLDS, TURNS, stamp
from dashboard.desk.speech import SpeechStrip

from .conftest import Call, NewCall
from .test_desk import asked, desk_of

MINUTE = timedelta(minutes=1)

SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]


def presses_hold(leg: Leg, at: datetime, *, resumes: datetime | None = None) -> None:
    """Store what the projection keeps of a hold that was pressed on a phone, and of its end."""
    moments = {"held": [int(at.timestamp() * 1000)], "resumed": [int(resumes.timestamp() * 1000)] if resumes else []}
    Leg.objects.filter(pk=leg.pk).update(facts={HOLDS: [stamp(occurred_at=at, event_id="e"), moments]})


def test_the_timeline_tells_commands_and_stays_newest_first(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.WHISPER, "verified", now + timedelta(seconds=9), targets=[str(call.agents[0].id)])
    told = [(entry.text, entry.outcome) for entry in desk_of(kim, call).timeline]
    assert told[:2] == [("Kim W. switched to Whisper to Ana Ruiz", ""), ("Kim W. joined", "")]


def test_a_join_and_a_leave_that_a_command_tells_stand_once_in_the_timeline(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = kim_listens(call)

    def texts() -> list[str]:
        told = [entry for entry in desk_of(kim, call).timeline if entry.text.startswith("Kim W.")]
        return [f"{entry.text}: {entry.outcome}".removesuffix(": ") for entry in told]

    join = asked(session, Role.MONITOR, "rejected", now)
    Command.objects.update(kind=Command.Kind.JOIN)
    assert texts() == ["Kim W. joined", "Kim W.: join on Monitor: refused"]
    Command.objects.filter(pk=join.pk).update(state="accepted")
    assert texts() == ["Kim W. joined on Monitor: sent, checking"]
    Command.objects.filter(pk=join.pk).update(state="verified")
    assert texts() == ["Kim W. joined on Monitor"]
    leave = asked(session, "", "verified", now + MINUTE)
    Command.objects.filter(pk=leave.pk).update(kind=Command.Kind.LEAVE)
    Participant.objects.filter(leg__call_control_id="v3:kim").update(present=False, left_at=now + MINUTE)
    assert texts() == ["Kim W. left", "Kim W. joined on Monitor"]
    for state in ("accepted", "unconfirmed", "unknown", "verified"):
        Command.objects.filter(pk=leave.pk).update(state=state)
        assert texts() == ["Kim W. left", "Kim W. joined on Monitor"]
    # The line came back and was dropped later: no command tells that.
    Participant.objects.filter(leg__call_control_id="v3:kim").update(left_at=now + 5 * MINUTE)
    assert texts() == ["Kim W. left", "Kim W. left", "Kim W. joined on Monitor"]


def test_a_leave_that_no_command_tells_stands_beside_an_earlier_one_of_the_same_leg(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session, second = kim_listens(call), timedelta(seconds=1)
    for number, kind in enumerate(("join", "leave", "join")):
        command = asked(session, Role.MONITOR, "verified", now + 5 * number * second)
        Command.objects.filter(pk=command.pk).update(kind=kind)
    dropped = {"present": False, "joined_at": now + 10 * second, "left_at": now + 20 * second}
    Participant.objects.filter(leg__call_control_id="v3:kim").update(**dropped)
    told = [entry.text for entry in desk_of(kim, call).timeline if entry.text.startswith("Kim W.")]
    assert told == ["Kim W. left", "Kim W. joined on Monitor", "Kim W. left", "Kim W. joined on Monitor"]


def test_supervision_transfers_holds_and_notes_stand_out_in_the_timeline(
    kim: User, new_call: NewCall, kim_listens: Listens, ana: Agent, max_falk: Agent, now: datetime
) -> None:
    call = new_call(agents=(ana, max_falk))
    Participant.objects.filter(leg__agent=max_falk).update(joined_at=now + timedelta(seconds=1))
    session = kim_listens(call)
    presses_hold(call.agents[1], now + timedelta(seconds=2), resumes=now + timedelta(seconds=3))
    asked(session, Role.BARGE, "verified", now + timedelta(seconds=4))
    Note.objects.create(conference=call.conference, author=kim, at=now + timedelta(seconds=5), text="Wants\na refund.")
    Participant.objects.filter(leg=call.customer).update(on_hold=True, held_since=now + timedelta(seconds=6))
    outstanding = [entry for entry in desk_of(kim, call).timeline if entry.icon]
    assert [(entry.kind, entry.text, entry.outcome, entry.role) for entry in outstanding] == [
        ("hold", "Customer +49 •••• 142 was put on hold", "", ""),
        ("note", "Note by Kim W.", "Wants a refund.", ""),
        ("command-verified", "Kim W. switched to Barge", "", "barge"),
        ("hold", "Max Falk ended the hold", "", ""),
        ("hold", "Max Falk pressed hold", "", ""),
        ("transfer", "Transferred to Max Falk", "", ""),
    ]


def test_a_hold_of_another_call_stands_in_no_timeline(kim: User, new_call: NewCall, now: datetime) -> None:
    earlier, call = new_call(), new_call()
    presses_hold(earlier.agents[0], now)
    presses_hold(call.agents[0], now - timedelta(hours=1))  # before this call began
    assert held_in(kim, call) == []


def held_in(user: User, call: Call) -> list[str]:
    return [entry.text for entry in desk_of(user, call).timeline if entry.kind == "hold"]


def test_a_leg_that_came_from_a_call_brings_no_hold_and_takes_none_when_it_goes_on_to_another(
    kim: User, new_call: NewCall, now: datetime
) -> None:
    call = new_call()
    [agent] = call.agents
    stay = Participant.objects.filter(leg=agent)
    for joined_at, left_at, present, shown in (
        (now, None, True, ["Ana Ruiz ended the hold"]),
        (now - MINUTE, None, True, ["Ana Ruiz ended the hold", "Ana Ruiz pressed hold"]),
        (now - 2 * MINUTE, now, False, ["Ana Ruiz pressed hold"]),
        (now - 2 * MINUTE, now + MINUTE, False, ["Ana Ruiz ended the hold", "Ana Ruiz pressed hold"]),
        (now - 2 * MINUTE, now, True, ["Ana Ruiz ended the hold", "Ana Ruiz pressed hold"]),  # came back
        (None, None, True, ["Ana Ruiz ended the hold", "Ana Ruiz pressed hold"]),
    ):
        presses_hold(agent, now - MINUTE, resumes=now + MINUTE)
        stay.update(joined_at=joined_at, left_at=left_at, present=present)
        assert held_in(kim, call) == shown, (joined_at, left_at, present)


@pytest.mark.parametrize(("after", "shown"), [(0, ["Ana Ruiz pressed hold"]), (1, [])])
def test_no_hold_stands_after_the_end_of_a_call(
    kim: User, new_call: NewCall, now: datetime, after: int, shown: list[str]
) -> None:
    call = new_call(ended=True)
    presses_hold(call.agents[0], now + timedelta(seconds=after))
    Conference.objects.filter(id=call.conference.id).update(ended_at=now)
    assert held_in(kim, call) == shown


def test_the_timeline_tells_who_asked_from_what_came_of_itself(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = kim_listens(call)
    for second, cause in enumerate((Cause.PRESSED, Cause.CALL_ENDED, Cause.SIGNED_OUT), start=1):
        asked(session, "", "verified", now + timedelta(seconds=second), cause=cause)
    Command.objects.update(kind=Command.Kind.LEAVE)
    told = [(entry.text, entry.outcome) for entry in desk_of(kim, call).timeline]
    assert told[:3] == [
        ("Kim W. left (signed out)", ""),
        ("Kim W. left (the call ended)", ""),
        ("Kim W. left", ""),
    ]


def speak(call: Call, *turns: tuple[Leg, datetime]) -> None:
    """Store that Telnyx named these as speaking."""
    begun: dict[str, list[int]] = {}
    for leg, at in turns:
        begun.setdefault(leg.call_control_id, []).append(int(at.timestamp() * 1000))
    facts = {TURNS: [stamp(occurred_at=turns[-1][1], event_id="e"), begun]}
    Conference.objects.filter(pk=call.conference.pk).update(facts=facts)


def strip_of(user: User, call: Call) -> SpeechStrip:
    strip = desk_of(user, call).speech
    assert strip is not None
    return strip


def turns_of(strip: SpeechStrip, start: datetime) -> dict[str, list[tuple[float, float | None]]]:
    """Return the seconds at which each speaker's turns began and ended."""

    def seconds(moment: datetime | None) -> float | None:
        return (moment - start).total_seconds() if moment else None

    return {lane.name: [(seconds(one.began) or 0.0, seconds(one.ended)) for one in lane.turns] for lane in strip.lanes}


def test_the_strip_shows_who_spoke_when_and_a_speaker_who_is_named_again_goes_on(
    kim: User, new_call: NewCall, now: datetime
) -> None:
    call = new_call()
    who = (call.customer, call.customer, call.agents[0], call.customer)
    speak(call, *((leg, now + timedelta(seconds=second)) for second, leg in enumerate(who)))
    strip = strip_of(kim, call)
    assert turns_of(strip, now) == {"Ana Ruiz": [(2, 3)], "Customer +49 •••• 142": [(0, 2), (3, None)]}
    assert [turn.name for turn in strip.newest] == ["Customer +49 •••• 142", "Ana Ruiz", "Customer +49 •••• 142"]
    assert not [entry for entry in desk_of(kim, call).timeline if entry.kind == "speaker"]


def test_a_turn_ends_where_its_speaker_leaves_the_call_ends_or_the_feed_stops(
    kim: User, new_call: NewCall, account: Account, now: datetime
) -> None:
    gone, ended, unfed = new_call(age=MINUTE), new_call(age=MINUTE, ended=True), new_call(age=MINUTE)
    for call in (gone, ended, unfed):
        speak(call, (call.customer, now - timedelta(seconds=9)))
    Participant.objects.filter(leg=gone.customer).update(present=False, left_at=now - timedelta(seconds=4))
    number = "Customer +49 •••• 142"
    assert turns_of(strip_of(kim, gone), now) == {number: [(-9, -4)]}
    assert turns_of(strip_of(kim, ended), now) == {number: [(-9, 0)]}
    Account.objects.update(feed_stopped_since=now - timedelta(seconds=2))
    assert turns_of(strip_of(kim, unfed), now) == {number: [(-9, -2)]}


def test_a_supervisor_who_speaks_is_named(
    kim: User, lena: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    kim_listens(call, role=Role.BARGE)
    speak(call, (Leg.objects.get(call_control_id="v3:kim"), now), (call.customer, now + MINUTE))
    assert turns_of(strip_of(lena, call), now) == {"Customer +49 •••• 142": [(60, None)], "Kim W.": [(0, 60)]}


def test_an_agent_on_a_new_leg_keeps_their_lane_and_nobody_is_named_where_nobody_spoke(
    kim: User, new_call: NewCall, ana: Agent, now: datetime
) -> None:
    call = new_call(agents=(ana, ana))
    assert desk_of(kim, call).speech is None
    speak(call, (call.agents[0], now), (call.customer, now + MINUTE), (call.agents[1], now + 2 * MINUTE))
    assert turns_of(strip_of(kim, call), now)["Ana Ruiz"] == [(0, 60), (120, None)]


def test_the_strip_is_drawn_in_seconds_and_is_live_while_the_call_is(
    kim: User, new_call: NewCall, page_of: SignIn, now: datetime
) -> None:
    live, ended = new_call(), new_call(ended=True)
    for call in (live, ended):
        speak(call, (call.agents[0], now - timedelta(seconds=40)), (call.customer, now - timedelta(seconds=30)))
    page = page_of(kim).get(ended.url).content.decode()
    assert '<svg class="speech-lane party-agent" viewBox="0 0 40.0 10" preserveAspectRatio="none">' in page
    assert '<rect x="0.0" width="10.0" height="10"/></svg>' in page
    assert '<rect x="10.0" width="30.0" height="10"/></svg>' in page
    page = page_of(kim).get(live.url).content.decode()
    assert f'data-from="{int((now - timedelta(seconds=40)).timestamp() * 1000)}"' in page
    assert page.count("data-runs") == 1
