"""Everything at once: clicks × joins × leaves × holds × drops × faults × revocations, and nobody hears who should not.

Hypothesis plays random shifts against the real service layer and the sandbox's world, under every semantics the
sandbox knows. Size and seed: FLOORLINE_PROOF_EXAMPLES, FLOORLINE_PROOF_STEPS (see docs/proofs.md).
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, settings, stateful
from hypothesis import strategies as st

from conferences.models import (
    AuditEntry,
    Command,
    Conference,
    Ear,
    Leg,
    Participant,
    Presence,
    SupervisorSession,
    TeamMembership,
    WebhookEvent,
)
from conferences.models.supervision import Role
from conferences.sandbox import calls, directory, hearing, membership
from conferences.supervision import Refused, disconnect, leave, quieter

from .conftest import STEP, Call, Floor

EXAMPLES = int(os.environ.get("FLOORLINE_PROOF_EXAMPLES", "12"))
STEPS = int(os.environ.get("FLOORLINE_PROOF_STEPS", "25"))
LOUD = {Role.WHISPER, Role.BARGE, Role.NONE}

# Promises 7 and 9 with the time that faulty requests may take; a tick is a quarter of a second.
STOPPED_WITHIN = 12.0
SAID_WITHIN = 1.0
WRONG_EAR_WITHIN = 3.0
FAULTS = [
    {"drop": True},
    {"drop": True, "when": "after"},
    {"status": 429, "code": "10011"},
    {"status": 500},
    {"status": 422, "code": "10004"},
    {"status": 200},
]
AGENTS = ("Ana Ruiz", "Max Falk")
ROWS = (AuditEntry, Command, SupervisorSession, Ear, Presence, Participant, Leg, Conference, WebhookEvent)


class Watch:
    """Looks at every tick at who really hears the supervisor, and how long a promise has been unkept."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift
        self.since: dict[str, datetime] = {}

    def look(self) -> None:
        floor, kim = self.shift.floor, self.shift.kim
        hearing_now = self.shift.who_hears()
        session = SupervisorSession.objects.filter(user=kim, ended_at=None).first()
        self._hold("audible after a stop", STOPPED_WITHIN, bool(hearing_now) and self.shift.stopped, floor.now)
        self._hold(
            "audible, and the screen says silent", SAID_WITHIN, bool(hearing_now) and says_silent(session), floor.now
        )
        wrong = hearing_now - self.shift.listeners if self.shift.listeners is not None else set()
        self._hold(f"a whisper reaches {wrong}", WRONG_EAR_WITHIN, bool(wrong), floor.now)

    def _hold(self, promise: str, within: float, broken: bool, now: datetime) -> None:  # noqa: FBT001
        key = promise.split(" {", maxsplit=1)[0][:20]
        if not broken:
            self.since.pop(key, None)
            return
        began = self.since.setdefault(key, now)
        assert (now - began).total_seconds() <= within + STEP, promise


def says_silent(session: SupervisorSession | None) -> bool:
    """Say whether the screen claims that nobody hears the supervisor."""
    if session is None:
        return True
    if session.role in LOUD or session.stage == SupervisorSession.Stage.LEAVING:
        return False
    newest = Command.objects.filter(session=session).exclude(kind="hangup").order_by("-asked_at").first()
    return newest is None or newest.state in {"verified", "unconfirmed", "rejected"}


class Shift(stateful.RuleBasedStateMachine):
    floor: Floor
    kim: User
    call: Call

    def __init__(self) -> None:
        super().__init__()
        self.stopped = True
        # Who may hear the running whisper, as labels; None while a role is in force that everybody may hear.
        self.listeners: set[str] | None = set()
        self.watch = Watch(self)

    @stateful.initialize(whisper=st.sampled_from(["allow-list", "deny-list"]), muted=st.booleans())
    def begin(self, *, whisper: Any, muted: bool) -> None:
        for model in ROWS:
            model.objects.all().delete()
        floor = self.floor
        floor.begin_again()
        floor.world.semantics.whisper, floor.world.semantics.monitor_reads_muted = whisper, muted
        self.grant(allowed=True)
        self.call = floor.call(agents=("Ana Ruiz", "Max Falk"))
        floor.watch = self.watch.look

    def teardown(self) -> None:
        """However the shift went: when Telnyx works again, a stop is a stop."""
        if not hasattr(self, "call"):
            return
        self.floor.faults.armed.clear()
        self.leave()
        self.pass_time(13)
        assert self.who_hears() == set()
        for entry in self.floor.api.log:
            leg = (entry["body"] or {}).get("call_control_id")
            assert leg is None or Ear.objects.filter(call_control_id=leg).exists() or not self.mine(leg)
        self.floor.api.log.clear()

    @stateful.rule(seconds=st.floats(0.25, 6))
    def pass_time(self, seconds: float) -> None:
        Presence.objects.update_or_create(user=self.kim, defaults={"seen_at": self.floor.now})
        self.floor.wait(seconds)

    @stateful.rule(
        role=st.sampled_from(list(Role)), listeners=st.sets(st.sampled_from(["Ana Ruiz", "Max Falk"]), min_size=1)
    )
    def click(self, role: Role, listeners: set[str]) -> None:
        targets = sorted(listeners & set(self.call.legs())) if role == Role.WHISPER else []
        before = self.listeners
        # From the click on the supervisor may be heard by those named, and still by those of the role before.
        self.stopped = False
        self.listeners = None if before is None or role in {Role.BARGE, Role.NONE} else before | set(targets)
        try:
            self.call.choose(self.kim, role, *targets)
        except Refused:
            return

    @stateful.rule()
    def quieten(self) -> None:
        quieter(user=self.kim, now=self.floor.now)
        self.settle_stop()

    @stateful.rule()
    def leave(self) -> None:
        leave(user=self.kim, now=self.floor.now)
        self.settle_stop()

    @stateful.rule()
    def disconnect(self) -> None:
        disconnect(user=self.kim, now=self.floor.now)
        self.settle_stop()

    @stateful.rule(fault=st.sampled_from(FAULTS), path=st.sampled_from(["update", "join", "leave", "hangup"]))
    def break_telnyx(self, fault: dict[str, Any], path: str) -> None:
        self.floor.fault(f"*/actions/{path}", **fault)

    @stateful.rule()
    def lose_webhooks(self) -> None:
        self.floor.webhooks_lost = not self.floor.webhooks_lost

    @stateful.rule(name=st.sampled_from(["Ana Ruiz", "Max Falk"]))
    def agent_leaves(self, name: str) -> None:
        for leg in [leg for leg in self.call.scene.agents if leg.label == name and leg.alive]:
            if len([agent for agent in self.call.scene.agents if agent.alive]) > 1:
                membership.hangup(self.floor.world, leg, source="callee")

    @stateful.rule()
    def somebody_unknown_joins(self) -> None:
        conference = self.call.scene.conference
        if conference is not None and conference.alive and len(conference.participants) < 6:
            leg = calls.incoming(
                self.floor.world,
                connection_id=directory.CALLS_CONNECTION_ID,
                from_="+4930123456199",
                to="+18005550101",
            )
            calls.answer(self.floor.world, leg)
            membership.join(self.floor.world, conference, leg)

    @stateful.rule()
    def the_line_drops(self) -> None:
        for ear in Ear.objects.filter(user=self.kim, ended_at=None).exclude(call_control_id=""):
            leg = self.floor.world.legs[ear.call_control_id]
            if leg.alive:
                membership.hangup(self.floor.world, leg, source="callee")

    @stateful.rule(allowed=st.booleans())
    def grant(self, *, allowed: bool) -> None:
        TeamMembership.objects.filter(user=self.kim).update(may_monitor=allowed, may_whisper=allowed, may_barge=allowed)

    # --- what is true ---------------------------------------------------------------------------------------------

    def settle_stop(self) -> None:
        self.stopped = True
        self.listeners = set() if not self.who_hears() else self.listeners

    def mine(self, leg: str) -> bool:
        known = self.floor.world.legs.get(leg)
        return known is not None and known.connection_id != directory.EAR_CONNECTION_ID

    def who_hears(self) -> set[str]:
        conference = self.call.scene.conference
        assert conference is not None
        matrix = hearing.matrix(conference, semantics=self.floor.world.semantics)
        mine = {
            stay.leg.call_control_id
            for stay in conference.participants.values()
            if stay.leg.connection_id == directory.EAR_CONNECTION_ID
        }
        return {conference.participants[one].leg.label for one, heard in matrix.items() if mine & set(heard)}


@pytest.mark.timeout(3000)
def test_nobody_hears_who_should_not_whatever_happens(floor: Floor, kim: User) -> None:
    class ThisShift(Shift):
        pass

    ThisShift.floor, ThisShift.kim = floor, kim
    stateful.run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ThisShift,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate, Phase.shrink] if EXAMPLES < 100 else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
