from __future__ import annotations

import html
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
    Leg,
    Line,
    Participant,
    SupervisorSession,
    WebhookEvent,
)
from conferences.models.supervision import Role
from conferences.registers import READING, stamp
from dashboard.desk import Desk, RoleButton, desk

from .conftest import Call, NewCall

MINUTE = timedelta(minutes=1)

SignIn = Callable[[User], Client]
Listens = Callable[..., SupervisorSession]


def desk_of(user: User, call: Call) -> Desk:
    shown = desk(user, conference_id=call.conference.id, now=timezone.now())
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
    assert legs["customer"].locked_because == "never a whisper target"
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
        ("barge", "Everyone hears you: the customer +49 •••• 142 and Ana Ruiz."),
        ("none", "Everyone hears you: the customer +49 •••• 142 and Ana Ruiz."),
    ],
)
def test_the_desk_says_who_hears_me(
    kim: User, new_call: NewCall, kim_listens: Listens, role: str, sentence: str
) -> None:
    call = new_call()
    kim_listens(call, role=role, targets=(call.agents[0],) if role == "whisper" else ())
    assert desk_of(kim, call).audience.sentence == sentence


@pytest.mark.parametrize("state", ["asked", "accepted", "unknown", "contradicted"])
def test_until_a_barge_is_settled_the_customer_may_hear_me(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.BARGE, state, now)
    shown = desk_of(kim, call)
    assert shown.audience.sentence.startswith("Not certain yet: assume that the customer")
    assert shown.ear.heard == "maybe"


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
    assert (shown.ear.heard == "no") is certain
    nobody = "Nobody hears you. You hear everyone."
    perhaps = "Not certain yet: assume that the customer +49 •••• 142 and Ana Ruiz may hear you."
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
    assert shown.audience.sentence == "Not certain yet: assume that Ana Ruiz may hear you."


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
    asked(session, Role.MONITOR, "accepted", now + timedelta(seconds=1), http_status=200)
    shown = desk(kim, conference_id=call.conference.id, now=now)
    assert shown is not None
    assert shown.audience.sentence == "Nobody hears you. You hear everyone."


def test_a_refused_barge_leaves_me_silent_and_says_why(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.BARGE, "rejected", now, outcome="The conference has ended.")
    shown = desk_of(kim, call)
    assert (shown.ear.heard, shown.ear.progress and shown.ear.progress.text) == ("no", "The conference has ended.")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("asked", "Whisper: asking…"),
        ("accepted", "Whisper: accepted, checking…"),
        ("verified", "verified by Telnyx"),
        ("unconfirmed", "accepted, cannot be confirmed on this account"),
        ("unknown", "Whisper: no answer from Telnyx yet, checking"),
    ],
)
def test_progress_is_told_from_the_stored_command(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime, state: str, words: str
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.WHISPER, state, now)
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
    assert button(shown, "barge").asks_twice == "Customer, Ana and Max will hear you — press again"


def test_buttons_are_off_without_the_right_and_say_so(kim: User, new_call: NewCall) -> None:
    call = new_call()
    kim.team_memberships.update(may_barge=False)
    shown = desk_of(kim, call)
    assert button(shown, "barge").off_because == "You have no right to do this here."
    assert button(shown, "whisper").off_because == ""


def test_whisper_is_off_where_no_agent_is_recognised(kim: User, new_call: NewCall) -> None:
    shown = desk_of(kim, new_call(agents=()))
    assert button(shown, "whisper").off_because == "No agent is recognised in this call."


def test_without_a_line_a_role_can_be_chosen_and_the_answer_says_what_is_missing(kim: User, new_call: NewCall) -> None:
    Line.objects.all().delete()
    shown = desk_of(kim, new_call())
    assert {role.off_because for role in shown.roles} == {""}
    assert shown.ear.place == "no-line"


def speaks(call: Call, leg: Leg, at: datetime) -> None:
    """Store that Telnyx named somebody as speaking."""
    WebhookEvent.objects.create(
        account=call.conference.account, event_id=f"speaks-{at}", event_type="conference.floor.changed",
        occurred_at=at, received_at=at, conference_telnyx_id=call.conference.telnyx_id,
        call_control_id=leg.call_control_id, state="projected", body=b"",
    )  # fmt: skip


def test_the_timeline_tells_commands_and_stays_newest_first(
    kim: User, new_call: NewCall, kim_listens: Listens, now: datetime
) -> None:
    call = new_call()
    asked(kim_listens(call), Role.WHISPER, "verified", now + timedelta(seconds=9), targets=[str(call.agents[0].id)])
    speaks(call, call.customer, now + timedelta(seconds=5))
    told = [(entry.text, entry.outcome) for entry in desk_of(kim, call).timeline]
    assert told[:3] == [
        ("Kim W. asked: Whisper to Ana Ruiz", "verified"),
        ("Change of speaker: Customer +49 •••• 142", ""),
        ("A supervisor joined", ""),
    ]


def test_a_speaker_who_is_named_again_is_no_change_of_speaker(kim: User, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    for second, leg in enumerate((call.customer, call.customer, call.agents[0], call.customer), start=1):
        speaks(call, leg, now + timedelta(seconds=second))
    told = [(entry.text, entry.at) for entry in desk_of(kim, call).timeline if entry.kind == "speaker"]
    assert told == [
        ("Change of speaker: Customer +49 •••• 142", now + timedelta(seconds=4)),
        ("Change of speaker: Ana Ruiz", now + timedelta(seconds=3)),
        ("Change of speaker: Customer +49 •••• 142", now + timedelta(seconds=1)),
    ]


def test_an_ended_call_still_names_who_was_in_it(kim: User, new_call: NewCall) -> None:
    shown = desk_of(kim, new_call(ended=True))
    assert [leg.name for leg in shown.legs] == ["Ana Ruiz", "+49 •••• 142"]
    assert {role.off_because for role in shown.roles} == {"This call has ended."}
    assert not any(leg.choosable for leg in shown.legs)


# --- What a row rests on ----------------------------------------------------------------------------------------------


def test_each_leg_says_what_it_rests_on_and_when_telnyx_listing_does_not_name_it_any_more(
    kim: User, new_call: NewCall, ana: Agent, max_falk: Agent, page_of: SignIn, now: datetime
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
    contested = "Telnyx' listing does not name it any more, since"
    assert rests_on == {
        "+49 •••• 142": [("joined by webhook", now - 9 * MINUTE), ("Telnyx confirms", now)],
        "Ana Ruiz": [("joined by webhook", now - 9 * MINUTE), (contested, now)],
        "Max Falk": [("joined, as listed", now - 8 * MINUTE), ("Telnyx confirms", now)],
    }
    page = page_of(kim).get(call.url).content.decode()
    assert html.escape(contested) in page


def test_whoever_has_left_says_who_told_it(kim: User, new_call: NewCall, ana: Agent, now: datetime) -> None:
    call = new_call(agents=(ana,), ended=True)
    joined, left = stamp(occurred_at=now - 9 * MINUTE, event_id="e1"), stamp(occurred_at=now - MINUTE, event_id="e2")
    stays = Participant.objects.filter(conference=call.conference)
    stays.update(facts={"joined": [joined, True], "presence": [left, "left"]}, left_at=now - MINUTE)
    stays.filter(leg=call.customer).update(
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
    assert confirmed.text == "Telnyx confirms"
    Conference.objects.filter(pk=call.conference.pk).update(missing_since=now)
    contested = desk_of(kim, call).confirmed
    assert contested is not None
    assert (contested.text, contested.at) == ("Telnyx' listing does not name it any more, since", now)
