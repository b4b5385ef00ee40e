"""Everything at once: clicks × joins × leaves × holds × drops × faults × revocations, and nobody hears who should not.

Random shifts run against the real service layer and the sandbox's world, under every semantics the sandbox knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any

import time_machine
from django.contrib.auth.models import User
from django.test import override_settings

from conferences.clients import client_for
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
from tests.supervision.conftest import STEP, Floor, InProcess, new_api, new_world

from .boards import people
from .histories import START
from .stops import SETTINGS, supervisor

STEPS = 50
# So many shifts are enough to say how many of them must have been heard at all.
ENOUGH = 10
LOUD = {Role.WHISPER, Role.BARGE, Role.NONE}

# Promises 7 and 9 with the time that faulty requests may take; a tick is a quarter of a second.
STOPPED_WITHIN = 12.0
SAID_WITHIN = 1.0
WRONG_EAR_WITHIN = 3.0
FAULTS: list[dict[str, Any]] = [
    {"drop": True},
    {"drop": True, "when": "after"},
    {"status": 429, "code": "10011"},
    {"status": 500},
    {"status": 422, "code": "10004"},
    {"status": 200},
]
PATHS = ("update", "join", "leave", "hangup")
AGENTS = ("Ana Ruiz", "Max Falk")
ROWS = (AuditEntry, Command, SupervisorSession, Ear, Presence, Participant, Leg, Conference, WebhookEvent)


class Watch:
    """Looks at every tick at who really hears the supervisor, and how long a promise has been unkept."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift
        self.since: dict[str, datetime] = {}
        self.heard = 0

    def look(self) -> None:
        shift = self.shift
        hearing_now = shift.who_hears()
        self.heard += bool(hearing_now)
        session = SupervisorSession.objects.filter(user=shift.kim, ended_at=None).first()
        self._hold("audible after a stop", broken=bool(hearing_now) and shift.stopped, within=STOPPED_WITHIN)
        unsaid = bool(hearing_now) and says_silent(session)
        self._hold("audible, and the screen says silent", broken=unsaid, within=SAID_WITHIN)
        wrong = hearing_now - shift.listeners if shift.listeners is not None else set()
        unseen = session is None and shift.is_inside()
        self._hold("inside without a supervision that anybody could see", broken=unseen, within=STOPPED_WITHIN)
        self._hold("a whisper reaches somebody else", broken=bool(wrong), within=shift.patience)

    def _hold(self, promise: str, *, broken: bool, within: float) -> None:
        now = self.shift.floor.now
        if not broken:
            self.since.pop(promise, None)
            return
        began = self.since.setdefault(promise, now)
        assert (now - began).total_seconds() <= within + STEP, promise


def says_silent(session: SupervisorSession | None) -> bool:
    """Say whether the screen claims that nobody hears the supervisor."""
    if session is None:
        return True
    if session.role in LOUD or session.stage == SupervisorSession.Stage.LEAVING:
        return False
    newest = Command.objects.filter(session=session).exclude(kind="hangup").order_by("-asked_at").first()
    return newest is None or newest.state in {"verified", "unconfirmed", "rejected"}


class Shift:
    """One supervisor's random shift on one call."""

    def __init__(self, *, floor: Floor, kim: User, seed: int) -> None:
        self.floor, self.kim = floor, kim
        self.chance = Random(seed)
        self.story: list[str] = []
        self.stopped = True
        # Who may hear the running whisper, as labels; None while a role is in force that everybody may hear.
        self.listeners: set[str] | None = set()
        self.troubled_at: datetime | None = None
        self.watch = Watch(self)
        for model in ROWS:
            model.objects.all().delete()
        floor.begin_again()
        floor.world.semantics.whisper = self.chance.choice(["allow-list", "deny-list"])
        floor.world.semantics.monitor_reads_muted = self.chance.random() < 0.5
        self.allow(granted=True)
        self.call = floor.call(agents=AGENTS)
        floor.watch = self.watch.look

    def run(self, steps: int) -> None:
        """Do random things, then end the shift; raise AssertionError as soon as a promise is broken for too long."""
        acts: dict[Callable[[], None], int] = {
            self.pass_time: 4,
            self.whisper: 5,
            self.choose: 3,
            self.stop: 2,
            self.break_telnyx: 3,
            self.let_the_way_in_come_late: 1,
            self.lose_webhooks: 1,
            self.agent_leaves: 1,
            self.agent_joins: 1,
            self.somebody_unknown_joins: 2,
            self.the_line_drops: 1,
            self.lose_the_right_for_a_moment: 1,
        }
        for act in self.chance.choices(list(acts), weights=list(acts.values()), k=steps):
            self.story.append(act.__name__)
            act()
        self.end()

    def end(self) -> None:
        """However the shift went: when Telnyx works again, a whisper stays private, and a stop is a stop."""
        self.floor.faults.armed.clear()
        self.wait(STOPPED_WITHIN + 1)
        self.troubled_at = None
        self.whisper()
        self.wait(4)
        self.somebody_unknown_joins()
        self.wait(4)
        leave(user=self.kim, now=self.floor.now)
        self.stopped = True
        self.wait(STOPPED_WITHIN + 1)
        assert self.who_hears() == set()
        for entry in self.floor.api.log:
            leg = (entry["body"] or {}).get("call_control_id")
            assert leg is None or self.floor.world.legs[leg].connection_id == directory.EAR_CONNECTION_ID

    def wait(self, seconds: float) -> None:
        """Let time pass with the page open."""
        Presence.objects.update_or_create(user=self.kim, defaults={"seen_at": self.floor.now})
        self.floor.wait(seconds)

    def pass_time(self) -> None:
        self.wait(self.chance.uniform(0.25, 6))

    def whisper(self) -> None:
        self.enter()
        inside = sorted(self.agents_inside())
        self.click(Role.WHISPER, *self.chance.sample(inside, k=self.chance.randint(1, len(inside)) if inside else 0))
        self.wait(1)

    def choose(self) -> None:
        self.enter()
        self.click(self.chance.choice([Role.BARGE, Role.NONE, Role.MONITOR]))
        self.wait(0.5)

    def stop(self) -> None:
        self.chance.choice([quieter, leave, disconnect])(user=self.kim, now=self.floor.now)
        self.stopped = True
        if not self.who_hears():
            self.listeners = set()

    def break_telnyx(self) -> None:
        fault = self.chance.choice(FAULTS)
        self.floor.fault(f"*/actions/{self.chance.choice(PATHS)}", times=self.chance.randint(1, 3), **fault)
        self.troubled_at = self.floor.now

    def let_the_way_in_come_late(self) -> None:
        """Leave, and ask to come in with a joining that Telnyx executes later, perhaps after the next leave."""
        leave(user=self.kim, now=self.floor.now)
        self.floor.fault("*/actions/join", when="late", delay_s=self.chance.uniform(1, 15))
        self.troubled_at = self.floor.now
        self.click(Role.MONITOR)
        for _ in range(40):
            if Command.objects.filter(session__ended_at=None, kind="join", attempts__gt=0).exists():
                break
            self.wait(STEP)
        leave(user=self.kim, now=self.floor.now)
        self.stopped = True
        self.wait(STOPPED_WITHIN + 8)

    def lose_webhooks(self) -> None:
        self.floor.webhooks_lost = True
        self.troubled_at = self.floor.now
        self.somebody_unknown_joins()
        self.wait(self.chance.uniform(1, 8))
        self.floor.webhooks_lost = False
        self.troubled_at = self.floor.now

    def agent_leaves(self) -> None:
        alive = [leg for leg in self.call.scene.agents if leg.alive]
        if len(alive) > 1:
            membership.hangup(self.floor.world, self.chance.choice(alive), source="callee")

    def agent_joins(self) -> None:
        name = self.chance.choice(AGENTS)
        scene = self.call.scene
        if scene.conference is not None and scene.conference.alive and len(scene.conference.participants) < 6:
            scene.connect(scene.ring(next(agent for agent in scene.team.agents if agent.name == name)))

    def somebody_unknown_joins(self) -> None:
        conference = self.call.scene.conference
        if conference is not None and conference.alive:
            leg = calls.incoming(
                self.floor.world,
                connection_id=directory.CALLS_CONNECTION_ID,
                from_="+4930123456199",
                to="+18005550101",
            )
            calls.answer(self.floor.world, leg)
            membership.join(self.floor.world, conference, leg)

    def the_line_drops(self) -> None:
        for ear in Ear.objects.filter(user=self.kim, ended_at=None).exclude(call_control_id=""):
            leg = self.floor.world.legs[ear.call_control_id]
            if leg.alive:
                membership.hangup(self.floor.world, leg, source="callee")

    def lose_the_right_for_a_moment(self) -> None:
        self.allow(granted=False)
        self.wait(2)
        self.allow(granted=True)

    # --- what is true ---------------------------------------------------------------------------------------------

    @property
    def patience(self) -> float:
        """How long a wrong ear may hear: longer while requests or webhooks get lost (promises 3 and 7)."""
        troubled = self.troubled_at is not None and (self.floor.now - self.troubled_at).total_seconds() < STOPPED_WITHIN
        return STOPPED_WITHIN if troubled else WRONG_EAR_WITHIN

    def enter(self) -> None:
        """Be inside, if this shift lets anybody in."""
        if not SupervisorSession.objects.filter(user=self.kim, stage="inside").exists():
            self.click(Role.MONITOR)
            self.wait(4)

    def agents_inside(self) -> set[str]:
        stays = Participant.objects.filter(conference=self.call.conference, present=True, leg__agent__isnull=False)
        return set(stays.values_list("leg__agent__name", flat=True))

    def click(self, role: Role, *targets: str) -> None:
        """Choose a role; from now on those named may hear, and for a moment still those of the role before."""
        before = self.listeners if self.who_hears() else set()
        if role in {Role.BARGE, Role.NONE} or before is None:
            self.listeners = None
        else:
            self.listeners = before | set(targets)
        self.stopped = role == Role.MONITOR
        try:
            self.call.choose(self.kim, role, *targets)
        except Refused:
            return

    def allow(self, *, granted: bool) -> None:
        TeamMembership.objects.filter(user=self.kim).update(may_monitor=granted, may_whisper=granted, may_barge=granted)

    def who_hears(self) -> set[str]:
        conference = self.call.scene.conference
        assert conference is not None
        matrix = hearing.matrix(conference, semantics=self.floor.world.semantics)
        mine = self.own_legs()
        return {conference.participants[one].leg.label for one, heard in matrix.items() if mine & set(heard)}

    def is_inside(self) -> bool:
        return bool(self.own_legs())

    def own_legs(self) -> set[str]:
        """The supervisor's legs that Telnyx has in the conference."""
        conference = self.call.scene.conference
        assert conference is not None
        stays = conference.participants.values()
        return {stay.leg.call_control_id for stay in stays if stay.leg.connection_id == directory.EAR_CONNECTION_ID}


@contextmanager
def model(empty_database: Callable[[], object], *, steps: int = STEPS) -> Iterator[Callable[[int, Random], None]]:
    """Yield the check of one shift of so many steps."""
    with empty_database(), override_settings(**SETTINGS):  # type: ignore[attr-defined]
        account, kim = people(), supervisor()
        heard: list[bool] = []

        def check(number: int, chance: Random) -> None:
            with time_machine.travel(START, tick=False) as travel:
                world = new_world()
                floor = Floor(world=world, api=new_api(world), account=account, travel=travel)
                client_for(account)._session.mount("http://", InProcess(floor))
                shift = Shift(floor=floor, kim=kim, seed=chance.getrandbits(32))
                try:
                    shift.run(steps)
                except AssertionError as error:
                    raise AssertionError(f"{error}; so far: {', '.join(shift.story)}") from error
                heard.append(bool(shift.watch.heard))

        yield check
        # The promises say nothing about shifts in which nobody was ever heard.
        assert len(heard) < ENOUGH or sum(heard) > len(heard) / 2, f"heard in {sum(heard)} of {len(heard)} shifts"
