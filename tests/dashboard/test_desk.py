from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from conferences.models import (
    Account,
    Agent,
    Command,
    Conference,
    Ear,
    Leg,
    Line,
    Participant,
    SupervisorSession,
)
from conferences.models.supervision import Role
from conferences.projection.registers import READING, stamp
from dashboard.desk.buttons import RoleButton
from dashboard.desk.desk import Desk, desk

from .conftest import Call, NewCall

MINUTE = timedelta(minutes=1)

SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]


def desk_of(user: User, call: Call, *, now: datetime | None = None) -> Desk:
    shown = desk(user, conference_id=call.conference.id, now=now or timezone.now())
    assert shown is not None
    return shown


def button(shown: Desk, role: str) -> RoleButton:
    return next(button for button in shown.roles if button.role == role)


def asked(session: SupervisorSession, role: str, state: str, now: datetime, **more: object) -> Command:
    return Command.objects.create(
        account=session.ear.account, actor=session.user, ear=session.ear, session=session, role=role, state=state,
        kind=Command.Kind.UPDATE, conference=session.conference, asked_at=now, **more,
    )  # fmt: skip


def test_only_agents_can_be_chosen_and_the_others_say_why_not(kim: User, new_call: NewCall, account: Account) -> None:
    call = new_call()
    stranger = Leg.objects.create(account=account, call_control_id="who", from_address="+12025550990")
    Participant.objects.create(account=account, conference=call.conference, leg=stranger, present=True)
    legs = {leg.party: leg for leg in desk_of(kim, call).legs}
    assert (legs["agent"].choosable, legs["customer"].choosable, legs["unknown"].choosable) == (True, False, False)
    assert legs["customer"].locked_because == "cannot be whispered to"
    assert "treated as a customer" in legs["unknown"].locked_because


def test_the_only_agent_is_chosen_already_but_never_one_of_two(
    kim: User, new_call: NewCall, ana: Agent, max_falk: Agent
) -> None:
    assert [leg.chosen for leg in desk_of(kim, new_call(agents=(ana,))).legs] == [True, False]
    assert [leg.chosen for leg in desk_of(kim, new_call(agents=(ana, max_falk))).legs] == [False, False, False]


def test_my_own_leg_is_neither_listed_nor_part_of_the_audience(
    kim: User, new_call: NewCall, kim_listens: Listens
) -> None:
    call = new_call()
    kim_listens(call)
    shown = desk_of(kim, call)
    assert {leg.name for leg in shown.legs} == {"Ana Ruiz", "+49 •••• 142"}
    assert set(shown.present) == {call.customer.id, call.agents[0].id}


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        ("monitor", "Nobody hears you. You hear everyone."),
        ("whisper", "Only Ana Ruiz hears you. The customer does not."),
        ("barge", "Everyone hears you: the customer and Ana Ruiz."),
        ("none", "Everyone hears you: the customer and Ana Ruiz."),
    ],
)
def test_the_desk_says_who_hears_me(
    kim: User, new_call: NewCall, kim_listens: Listens, role: str, sentence: str
) -> None:
    call = new_call()
    kim_listens(call, role=role, targets=(call.agents[0],) if role == "whisper" else ())
    assert desk_of(kim, call).audience.sentence == sentence


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("asked", "Switching to Barge. The customer and Ana Ruiz may hear you."),
        ("accepted", "Switching to Barge. The customer and Ana Ruiz may hear you."),
        ("unknown", "Careful: the customer and Ana Ruiz may hear you."),
        ("unconfirmed", "Barge was sent, but Telnyx can't confirm it. Careful: the customer"),
        ("contradicted", "Telnyx shows something other than Barge. Careful: the customer"),
    ],
)
def test_until_a_barge_is_confirmed_the_customer_may_hear_me(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str, said: str
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.BARGE, state, now)
    shown = desk_of(kim, call)
    assert shown.audience.sentence.startswith(said)
    assert (shown.ear.claim.heard, shown.ear.claim.state) == ("maybe", state)


@pytest.mark.parametrize(("seconds", "certain"), [(5, False), (119, False), (121, True)])
def test_while_an_unanswered_barge_may_be_executed_late_a_monitor_is_not_said_to_be_silent(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, seconds: int, certain: bool
) -> None:
    call = new_call()
    session = kim_listens(call)
    sent_at = now - timedelta(seconds=seconds)
    asked(session, Role.BARGE, "expired", sent_at, sent_at=sent_at)
    asked(session, Role.MONITOR, "verified", now, sent_at=now, http_status=200)
    shown = desk(kim, conference_id=call.conference.id, now=now)
    assert shown is not None
    assert (shown.ear.claim.heard == "nobody") is certain
    nobody = "Nobody hears you. You hear everyone."
    perhaps = "Careful: the customer and Ana Ruiz may hear you."
    assert shown.audience.sentence == (nobody if certain else perhaps)


def test_an_unanswered_whisper_may_still_reach_those_it_named(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = kim_listens(call)
    asked(session, Role.WHISPER, "expired", now, sent_at=now, targets=[str(call.agents[0].id)])
    asked(session, Role.MONITOR, "accepted", now + timedelta(seconds=1), http_status=200)
    shown = desk(kim, conference_id=call.conference.id, now=now)
    assert shown is not None
    assert shown.audience.sentence == "Switching to Monitor. Ana Ruiz may still hear you."


def test_escape_finds_the_way_to_quieter_on_monitor_too(
    kim: User, new_call: NewCall, kim_listens: Listens, page_of: SignIn
) -> None:
    """A louder request may still be executed late; who presses Escape then must not press into nothing."""
    kim_listens(new_call())
    assert "data-quieter" in page_of(kim).get("/").content.decode()


def test_a_barge_that_was_answered_or_never_sent_leaves_no_doubt(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = kim_listens(call)
    asked(session, Role.BARGE, "verified", now, sent_at=now, http_status=200)
    asked(session, Role.BARGE, "verified", now, sent_at=now)  # no answer, but read back
    asked(session, Role.BARGE, "expired", now)
    asked(session, Role.MONITOR, "verified", now + timedelta(seconds=1), http_status=200)
    shown = desk(kim, conference_id=call.conference.id, now=now)
    assert shown is not None
    assert shown.audience.sentence == "Nobody hears you. You hear everyone."


def test_a_refused_barge_leaves_me_silent_and_says_why(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.BARGE, "rejected", now, settled_at=now, outcome="The conference has ended.")
    shown = desk_of(kim, call, now=now + timedelta(seconds=19))
    assert (shown.ear.claim.heard, shown.ear.claim.state) == ("nobody", "verified")
    assert shown.ear.progress is not None
    assert shown.ear.progress.text == "The conference has ended."


def test_shares_of_talk_include_the_running_turn_and_make_a_hundred(
    kim: User, new_call: NewCall, max_falk: Agent, ana: Agent, now: datetime
) -> None:
    call = new_call(agents=(max_falk, ana, ana))  # Max has left; Ana is there on a new leg
    gone, old, new = call.agents
    Participant.objects.filter(leg__in=[gone, old]).update(present=False, left_at=now)
    talk = dict(zip([gone, old, new, call.customer], [10.0, 20.0, 10.0, 30.0], strict=True))
    Conference.objects.update(
        talk={leg.call_control_id: seconds for leg, seconds in talk.items()},
        speaker_call_control_id=new.call_control_id, speaker_since=now,
    )  # fmt: skip

    def shares(seconds: int) -> dict[str, int | None]:
        return {leg.name: leg.share for leg in desk_of(kim, call, now=now + timedelta(seconds=seconds)).legs}

    assert shares(0) == {"Ana Ruiz": 50, "+49 •••• 142": 50}
    assert shares(30) == {"Ana Ruiz": 67, "+49 •••• 142": 33}
    # A party that has left the call speaks no more.
    Participant.objects.filter(leg=new).update(present=False, left_at=now + timedelta(seconds=30))
    Conference.objects.update(ended_at=now + timedelta(seconds=60))
    last = [leg.share for leg in desk_of(kim, call, now=now + timedelta(seconds=90)).legs]
    assert sum(share or 0 for share in last) == 100
    assert sorted(share for share in last if share is not None) == [10, 30, 60]


def test_an_agent_on_an_old_and_a_new_leg_is_one_person_in_the_picture(
    kim: User, new_call: NewCall, kim_listens: Listens, ana: Agent
) -> None:
    call = new_call(agents=(ana, ana))
    kim_listens(call, role="whisper", targets=tuple(call.agents))
    shown = desk_of(kim, call)
    assert [node.name for node in shown.audience.nodes] == ["+49 •••• 142", "Ana Ruiz"]
    assert shown.audience.sentence == "Only Ana Ruiz hears you. The customer does not."
    assert shown.ear.headline.count("Ana") == 1


@pytest.mark.parametrize("state", ["rejected", "expired"])
def test_a_refusal_ends_and_the_line_says_again_what_is_so(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str
) -> None:
    call = new_call()
    session = kim_listens(call)
    asked(session, Role.MONITOR, "verified", now - timedelta(minutes=1), settled_at=now, http_status=200)
    asked(session, Role.BARGE, state, now, settled_at=now, outcome="Telnyx' rate limit is reached.")
    said = [
        desk_of(kim, call, now=now + timedelta(seconds=seconds)).ear.progress.text  # type: ignore[union-attr]
        for seconds in (1, 19, 21)
    ]
    assert said == ["Telnyx' rate limit is reached.", "Telnyx' rate limit is reached.", "Confirmed by Telnyx"]


def test_why_my_line_never_came_ends_with_what_it_says(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    session = kim_listens(call)
    Ear.objects.update(state=Ear.State.ENDED, ended_at=now)
    ended = {"stage": SupervisorSession.Stage.ENDED, "ended_at": now, "inside_at": None}
    SupervisorSession.objects.update(**ended, end_reason="No free line.")

    def told(seconds: int) -> str:
        left = desk_of(kim, call, now=now + timedelta(seconds=seconds)).left
        return left.text if left else ""

    assert told(300) == "No free line."  # as long as nothing says that it was a refusal of the moment
    dial = asked(session, "", "rejected", now, settled_at=now)
    assert (told(19), told(21)) == ("No free line.", "")
    dial.delete()
    Ear.objects.create(
        account=session.ear.account, user=kim, kind="sip", state=Ear.State.DIALLING,
        created_at=now + timedelta(seconds=30),
    )  # fmt: skip
    assert told(31) == ""


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("asked", "Whisper: sending…"),
        ("accepted", "Switching to Whisper…"),
        ("verified", "Confirmed by Telnyx"),
        ("unconfirmed", "Sent, but Telnyx can't confirm it. Treat it as audible, or leave."),
        ("unknown", "Whisper: Telnyx has not answered yet"),
    ],
)
def test_progress_is_told_from_the_stored_command(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str, words: str
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.WHISPER, state, now, targets=[str(call.agents[0].id)])
    progress = desk_of(kim, call).ear.progress
    assert progress is not None
    assert progress.text == words


def test_a_target_on_hold_cannot_hear_a_whisper_now(kim: User, new_call: NewCall, kim_listens: Listens) -> None:
    call = new_call()
    kim_listens(call, role=Role.WHISPER, targets=(call.agents[0],))
    Participant.objects.filter(leg=call.agents[0]).update(on_hold=True)
    assert desk_of(kim, call).audience.warning == "Ana Ruiz cannot hear you now: on hold."


def test_barge_names_its_audience_before_it_is_done(kim: User, new_call: NewCall, ana: Agent, max_falk: Agent) -> None:
    shown = desk_of(kim, new_call(agents=(ana, max_falk)))
    assert button(shown, "barge").asks_twice == "Customer, Ana and Max will hear you. Press again."


def test_buttons_are_off_without_the_right_and_say_so(kim: User, new_call: NewCall) -> None:
    call = new_call()
    kim.team_memberships.update(may_barge=False)
    shown = desk_of(kim, call)
    assert button(shown, "barge").off_because == "You are not allowed to barge in this team."
    assert button(shown, "whisper").off_because == ""


def test_whisper_is_off_where_no_agent_is_recognised(kim: User, new_call: NewCall) -> None:
    shown = desk_of(kim, new_call(agents=()))
    assert button(shown, "whisper").off_because == "No known agent is on this call."


def test_without_a_line_a_role_can_be_chosen_and_the_answer_says_what_is_missing(kim: User, new_call: NewCall) -> None:
    Line.objects.all().delete()
    shown = desk_of(kim, new_call())
    assert {role.off_because for role in shown.roles} == {""}
    assert shown.ear.place == "no-line"


def test_an_ended_call_still_names_who_was_in_it(kim: User, new_call: NewCall) -> None:
    shown = desk_of(kim, new_call(ended=True))
    assert [leg.name for leg in shown.legs] == ["Ana Ruiz", "+49 •••• 142"]
    assert {role.off_because for role in shown.roles} == {"This call has ended."}
    assert not any(leg.choosable for leg in shown.legs)


# --- What a row rests on ----------------------------------------------------------------------------------------------


def test_each_leg_says_what_it_rests_on_and_when_telnyx_listing_does_not_name_it_any_more(
    kim: User, lena: User, new_call: NewCall, ana: Agent, max_falk: Agent, page_of: SignIn, now: datetime
) -> None:
    call = new_call(agents=(ana, max_falk))
    joined = stamp(occurred_at=now - 9 * MINUTE, event_id="e1")
    heard = {"joined": [joined, True], "presence": [joined, "joined"]}
    read = {"listed": [stamp(occurred_at=now - 8 * MINUTE, event_id=READING), True]}
    in_call = Participant.objects.filter(conference=call.conference)
    in_call.filter(leg=call.customer).update(facts=heard, listed_at=now)
    in_call.filter(leg=call.agents[0]).update(facts=heard, listed_at=now - MINUTE, missing_since=now)
    in_call.filter(leg=call.agents[1]).update(facts=read, joined_at=now - 8 * MINUTE, listed_at=now)
    rests_on = {leg.name: [(seen.text, seen.at) for seen in leg.rests_on] for leg in desk_of(kim, call).legs}
    contested = "not found at Telnyx since"
    assert rests_on == {
        "+49 •••• 142": [("joined by webhook", now - 9 * MINUTE), ("last checked", now)],
        "Ana Ruiz": [("joined by webhook", now - 9 * MINUTE), (contested, now)],
        "Max Falk": [("joined, as listed", now - 8 * MINUTE), ("last checked", now)],
    }
    assert contested in page_of(lena).get(call.url).content.decode()
    assert contested not in page_of(kim).get(call.url).content.decode()


def test_a_participant_who_left_shows_the_source_of_the_departure(
    kim: User, new_call: NewCall, ana: Agent, now: datetime
) -> None:
    call = new_call(agents=(ana,), ended=True)
    joined, left = stamp(occurred_at=now - 9 * MINUTE, event_id="e1"), stamp(occurred_at=now - MINUTE, event_id="e2")
    participants = Participant.objects.filter(conference=call.conference)
    participants.update(facts={"joined": [joined, True], "presence": [left, "left"]}, left_at=now - MINUTE)
    participants.filter(leg=call.customer).update(
        facts={"joined": [joined, True], "presence": [joined, "joined"]}, left_at=None
    )
    rests_on = {leg.name: [(seen.text, seen.at) for seen in leg.rests_on] for leg in desk_of(kim, call).legs}
    assert rests_on == {
        "Ana Ruiz": [("left by webhook", now - MINUTE)],
        "+49 •••• 142": [("joined by webhook", now - 9 * MINUTE)],
    }


def test_a_conference_that_the_listing_does_not_name_is_not_called_confirmed(
    kim: User, new_call: NewCall, now: datetime
) -> None:
    call = new_call()
    facts = {"seen": [stamp(occurred_at=now - 9 * MINUTE, event_id="e1"), True]}
    Conference.objects.filter(pk=call.conference.pk).update(facts=facts)
    confirmed = desk_of(kim, call).confirmed
    assert confirmed is not None
    assert confirmed.text == "last checked"
    Conference.objects.filter(pk=call.conference.pk).update(missing_since=now)
    contested = desk_of(kim, call).confirmed
    assert contested is not None
    assert (contested.text, contested.at) == ("not found at Telnyx since", now)
