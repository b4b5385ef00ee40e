"""Nobody listens to what is protected, and nobody goes on listening to a call that a rule takes away."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from conferences.models import Agent, AuditEntry, Conference, Connection, Protection, TeamRule
from conferences.models.supervision import Role
from conferences.sandbox.center import directory
from conferences.supervision import Refused, connect, follow
from conferences.team_rules import settle_live
from dashboard.desk.desk import desk

from .conftest import Call, Floor
from .test_adopting import bring

pytestmark = pytest.mark.slow

BECAUSE = "Talks with the works council are private."


def protect(kind: str, *, agent: str = "", pattern: str = "", reason: str = "") -> Protection:
    person = Agent.objects.get(name=agent) if agent else None
    return Protection.objects.create(kind=kind, agent=person, pattern=pattern, reason=reason)


PROTECTIONS = [
    ("agent", {"agent": "Ana Ruiz"}, "Nobody may listen to calls of this agent."),
    ("queue", {"pattern": "bill*"}, "Nobody may listen to calls from this queue."),
    ("number", {"pattern": "+49 30 123456142"}, "Nobody may listen to calls with this number."),
    ("number", {"pattern": directory.team_named("Billing").number}, "Nobody may listen to calls with this number."),
]


@pytest.mark.parametrize(("kind", "what", "sentence"), PROTECTIONS)
def test_no_role_enters_what_is_protected_and_the_reason_is_said(
    floor: Floor, kim: User, kind: str, what: dict[str, str], sentence: str
) -> None:
    call = floor.call()
    protect(kind, **what, reason=BECAUSE)
    for role, targets in ((Role.MONITOR, ()), (Role.WHISPER, ("Ana Ruiz",)), (Role.BARGE, ()), (Role.NONE, ())):
        with pytest.raises(Refused) as refused:
            call.choose(kim, role, *targets)
        assert refused.value.sentence == f"{sentence} {BECAUSE}"
    assert floor.sent("/calls") == []
    assert AuditEntry.objects.filter(action="refused", actor=kim, detail=f"{sentence} {BECAUSE}").count() == 4
    shown = desk(kim, conference_id=call.conference.pk, now=floor.now)
    assert shown is not None
    assert {button.off_because for button in shown.roles} == {f"{sentence} {BECAUSE}"}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("agent", {"agent": "Max Falk"}),
        ("queue", {"pattern": "support"}),
        ("number", {"pattern": "+4930*999"}),
    ],
)
def test_what_protects_something_else_keeps_nobody_out(
    floor: Floor, kim: User, kind: str, what: dict[str, str]
) -> None:
    protect(kind, **what)
    assert floor.call().bring_in(kim).stage == "inside"


def talks(call: Call, kim: User, role: Role) -> None:
    call.bring_in(kim)
    if role != Role.MONITOR:
        call.choose(kim, role, *(["Ana Ruiz"] if role == Role.WHISPER else []))
    call.floor.wait(3)


@pytest.mark.parametrize("role", [Role.MONITOR, Role.WHISPER, Role.BARGE])
@pytest.mark.parametrize(("kind", "what", "sentence"), PROTECTIONS[:3])
def test_a_live_ear_is_taken_out_of_a_call_that_becomes_protected(
    floor: Floor, kim: User, role: Role, kind: str, what: dict[str, str], sentence: str
) -> None:
    call = floor.call()
    talks(call, kim, role)
    session = kim.supervisor_sessions.get(ended_at=None)
    protect(kind, **what)
    floor.wait(15, until=lambda: call.who_hears(session) == set() and call.state(session).ended_at is not None)
    assert call.state(session).end_reason == sentence
    floor.wait(5)
    assert [body["call_control_id"] for body in floor.sent("/leave")] == [session.ear.call_control_id]


def test_a_protected_agent_who_comes_into_the_call_ends_the_listening(floor: Floor, kim: User) -> None:
    protect("agent", agent="Max Falk")
    call = floor.call()
    session = call.bring_in(kim)
    max_falk = next(agent for agent in directory.team_named("Billing").agents if agent.name == "Max Falk")
    call.scene.connect(call.scene.ring(max_falk))
    floor.wait(15, until=lambda: call.state(session).ended_at is not None)
    assert call.state(session).end_reason == "Nobody may listen to calls of this agent."


def test_a_line_that_the_call_flow_brought_is_taken_out_as_well_and_stays_out(floor: Floor, kim: User) -> None:
    brought = bring(floor, "monitor")
    session = brought.session
    protect("agent", agent="Ana Ruiz")
    floor.wait(15, until=lambda: brought.leg.participant is None)
    assert brought.call.state(session).end_reason == "Nobody may listen to calls of this agent."
    floor.wait(10)
    assert not kim.supervisor_sessions.filter(ended_at=None).exists()
    assert floor.sent("/hangup") == []


def test_a_line_that_the_call_flow_brings_into_a_protected_call_is_taken_out(floor: Floor, kim: User) -> None:
    protect("queue", pattern="billing")
    brought = bring(floor, "barge")
    floor.wait(15, until=lambda: brought.leg.participant is None)
    assert kim.supervisor_sessions.get().end_reason == "Nobody may listen to calls from this queue."


def test_nobody_follows_a_protected_agent(floor: Floor, kim: User) -> None:
    floor.call(agents=("Max Falk",))
    protect("agent", agent="Ana Ruiz", reason=BECAUSE)
    connect(user=kim, now=floor.now)
    with pytest.raises(Refused) as refused:
        follow(user=kim, agent=Agent.objects.get(name="Ana Ruiz"), now=floor.now)
    assert refused.value.sentence == f"Nobody may listen to calls of this agent. {BECAUSE}"


# --- Rules ------------------------------------------------------------------------------------------------------------


def without_a_team(floor: Floor) -> Call:
    """A call that only the rule of the upgrade gives to somebody."""
    call = floor.call()
    Connection.objects.update(team=None)
    Agent.objects.all().delete()
    Conference.objects.update(team=None)
    return call


def test_a_lead_listens_to_a_call_without_a_team_until_the_rule_is_gone(floor: Floor, kim: User) -> None:
    kim.team_memberships.update(is_lead=True)
    call = without_a_team(floor)
    session = call.bring_in(kim)
    assert session.stage == "inside"
    TeamRule.objects.all().delete()
    floor.wait(15, until=lambda: call.state(session).ended_at is not None)
    assert call.state(session).end_reason == "You are no longer allowed to listen here."


def test_a_rule_for_another_team_takes_the_live_ear_out(floor: Floor, kim: User) -> None:
    kim.team_memberships.update(is_lead=True)
    call = without_a_team(floor)
    session = call.bring_in(kim)
    TeamRule.objects.create(looks_at="queue", pattern="billing", place=1)
    settle_live(push=True, now=floor.now)
    floor.wait(15, until=lambda: call.state(session).ended_at is not None)
    with pytest.raises(Refused):
        call.choose(kim, Role.MONITOR)


def test_nobody_enters_a_call_of_which_no_rule_says_whose_it_is(floor: Floor, kim: User) -> None:
    kim.team_memberships.update(is_lead=True)
    TeamRule.objects.all().delete()
    with pytest.raises(Refused):
        without_a_team(floor).choose(kim, Role.MONITOR)
