"""The way in: which click brings the line in, what follows by itself, and what asks again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from conferences.models import AuditEntry, Command, Conference, Leg, Line, Presence, SupervisorSession
from conferences.models.supervision import Role
from conferences.sandbox.center.directory import DirectoryAgent, team_named
from conferences.supervision import Refused, choose_role, quieter
from conferences.supervision.authorisation import audience_of

from .conftest import Floor


@pytest.mark.slow
def test_whisper_chosen_from_outside_enters_as_monitor_and_then_follows_by_itself(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.choose(kim, Role.WHISPER, "Ana Ruiz")
    floor.wait(20, until=lambda: call.who_hears(session_now(session)) == {"Ana Ruiz"})
    assert [body["supervisor_role"] for body in floor.sent("/join")] == ["monitor"]
    floor.wait(3)
    assert call.newest(session).state == Command.State.VERIFIED


@pytest.mark.slow
def test_whisper_does_not_follow_when_somebody_joined_meanwhile(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.choose(kim, Role.WHISPER, "Ana Ruiz")
    call.scene.connect(call.scene.ring(agent("Max Falk")))
    floor.wait(20)
    assert floor.sent("/update") == []
    assert "somebody joined or left" in call.state(session).notice
    assert call.who_hears(session_now(session)) == set()


@pytest.mark.slow
def test_whisper_does_not_follow_when_the_page_was_closed(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.choose(kim, Role.WHISPER, "Ana Ruiz")
    Presence.objects.filter(user=kim).update(seen_at=floor.now - timedelta(minutes=1))
    floor.wait(20)
    assert floor.sent("/update") == []
    assert "your page was closed" in call.state(session).notice


@pytest.mark.slow
def test_a_whisper_that_is_taken_back_at_the_last_moment_does_not_follow(
    floor: Floor, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = floor.call()
    session = call.choose(kim, Role.WHISPER, "Ana Ruiz")
    looked_last = []

    def taken_back_meanwhile(conference: Conference) -> set[str]:
        looked_last.append(conference)
        SupervisorSession.objects.filter(pk=session.pk).update(wanted_role=Role.MONITOR, wanted_targets=[])
        return audience_of(conference)

    monkeypatch.setattr("conferences.supervision.roles.audience_of", taken_back_meanwhile)
    floor.wait(20)
    assert looked_last == [session.conference]
    assert call.state(session).stage == "inside"
    assert floor.sent("/update") == []


@pytest.mark.slow
def test_quieter_on_the_way_in_forgets_the_whisper_and_is_in_the_audit(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.choose(kim, Role.WHISPER, "Ana Ruiz")
    quieter(user=kim, now=floor.now)
    floor.wait(20)
    assert call.state(session).stage == "inside"
    assert floor.sent("/update") == []
    assert AuditEntry.objects.filter(action="forgot wish", actor=kim).count() == 1


@pytest.mark.slow
def test_barge_chosen_from_outside_enters_as_monitor_and_asks_again(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.choose(kim, Role.BARGE)
    floor.wait(20)
    assert floor.sent("/update") == []
    assert call.who_hears(session_now(session)) == set()
    assert "Press again" in call.state(session).notice


@pytest.mark.slow
def test_a_phone_line_joins_only_after_1_was_pressed(floor: Floor, lena: User) -> None:
    call = floor.call()
    session = call.choose(lena, Role.MONITOR)
    floor.wait(20, until=lambda: session_now(session).ear.state == "confirming")
    assert floor.sent("/join") == []
    floor.wait(20, until=lambda: call.state(session).stage == "inside")
    assert len(floor.sent("/gather_using_speak")) == 1


@pytest.mark.slow
def test_a_mailbox_never_gets_into_a_conference(floor: Floor, lena: User) -> None:
    floor.phones.set(address="+4915550100777", behaviour="voicemail")
    call = floor.call()
    session = call.choose(lena, Role.MONITOR)
    floor.wait(60)
    assert floor.sent("/join") == []
    assert "Nobody pressed 1" in call.state(session).end_reason
    assert floor.sent("/hangup") != []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("busy", "busy"),
        ("no_answer", "not answered"),
        ("not_registered", "could not be reached"),
        ("rejects", "rejected"),
    ],
)
def test_a_line_that_cannot_be_reached_is_told_in_words(floor: Floor, kim: User, behaviour: str, words: str) -> None:
    floor.phones.set(address="sip:kim@sip.telnyx.com", behaviour=behaviour)  # type: ignore[arg-type]
    call = floor.call()
    session = call.choose(kim, Role.MONITOR)
    floor.wait(50, until=lambda: call.state(session).ended_at is not None)
    assert words in call.state(session).end_reason


@pytest.mark.slow
def test_two_clicks_at_once_dial_once(floor: Floor, kim: User) -> None:
    call = floor.call()
    first = call.choose(kim, Role.MONITOR)
    second = call.choose(kim, Role.MONITOR)
    assert first.pk == second.pk
    floor.wait(10)
    assert len(floor.sent("/calls")) == 1
    assert len(floor.sent("/join")) == 1


@pytest.mark.slow
def test_the_ear_hops_to_another_conference_without_being_dialled_again(floor: Floor, kim: User) -> None:
    first, second = floor.call(), floor.call(agents=("Max Falk",))
    first.bring_in(kim)
    session = second.bring_in(kim)
    assert len(floor.sent("/calls")) == 1
    assert SupervisorSession.objects.filter(user=kim, ended_at=None).get() == session
    # So the desk of the first call goes on saying where the supervisor went.
    assert SupervisorSession.objects.get(user=kim, conference=first.conference).ended_at == session.started_at
    assert [word for word in posted(floor) if word in {"join", "leave"}] == ["join", "leave", "join"]


@pytest.mark.slow
def test_the_ear_hops_although_the_first_reading_after_the_leave_says_nothing(floor: Floor, kim: User) -> None:
    first, second = floor.call(), floor.call(agents=("Max Falk",))
    first.bring_in(kim)
    floor.faults.arm({"method": "GET", "path": "*/participants", "status": 500})
    session = second.choose(kim, Role.MONITOR)
    floor.wait(5, until=lambda: second.state(session).stage == "inside")
    assert len(floor.sent("/calls")) == 1
    assert first.who_hears(session) == set()


def test_a_dial_whose_answer_is_lost_is_found_again_by_its_mark(floor: Floor, kim: User) -> None:
    call = floor.call()
    floor.fault("/calls", drop=True, when="after")
    session = call.choose(kim, Role.MONITOR)
    floor.wait(20, until=lambda: call.state(session).stage == "inside")
    assert len(floor.world_legs_to("sip:kim@sip.telnyx.com")) == 1


def test_without_a_line_the_click_says_what_is_missing(floor: Floor, kim: User) -> None:
    Line.objects.all().delete()
    call = floor.call()
    with pytest.raises(Refused, match="no phone yet"):
        call.choose(kim, Role.MONITOR)
    assert not SupervisorSession.objects.exists()


@pytest.mark.slow
def test_a_customer_or_an_unknown_leg_can_never_be_a_whisper_target(floor: Floor, kim: User) -> None:
    call = floor.call()
    call.bring_in(kim)
    with pytest.raises(Refused, match="only to agents"):
        call.choose(kim, Role.WHISPER, "customer")
    Leg.objects.filter(agent__name="Ana Ruiz").update(party="unknown")
    with pytest.raises(Refused, match="only to agents"):
        choose_role(
            user=kim,
            conference=call.conference,
            role=Role.WHISPER,
            targets=[Leg.objects.get(agent__name="Ana Ruiz").pk],
            audience=call.present(),
            now=floor.now,
        )
    assert floor.sent("/update") == []


def test_nobody_gets_a_role_without_the_right_for_it(floor: Floor, kim: User, lena: User, omar: User) -> None:
    call = floor.call()
    for user, role in ((omar, Role.MONITOR), (lena, Role.WHISPER), (lena, Role.BARGE), (lena, Role.NONE)):
        with pytest.raises(Refused, match="You are not allowed to"):
            call.choose(user, role, *(["Ana Ruiz"] if role == Role.WHISPER else []))
    assert floor.sent("/calls") == []


def session_now(session: SupervisorSession) -> SupervisorSession:
    return SupervisorSession.objects.select_related("ear").get(pk=session.pk)


def posted(floor: Floor) -> list[str]:
    return [entry["path"].rpartition("/")[2] for entry in floor.api.log if entry["method"] == "POST"]


def agent(name: str) -> DirectoryAgent:
    return next(agent for agent in team_named("Billing").agents if agent.name == name)


def test_all_of_the_ringing_is_recorded_with_the_listening_that_it_is_for(floor: Floor, kim: User) -> None:
    session = floor.call().choose(kim, Role.MONITOR)
    floor.wait(1)
    ringing = AuditEntry.objects.filter(action__startswith="dial ").order_by("pk")
    assert list(ringing.values_list("action", "session_id")) == [
        ("dial asked", session.pk),
        ("dial accepted", session.pk),
        ("dial verified", session.pk),
    ]
