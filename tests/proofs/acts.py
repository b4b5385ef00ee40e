"""One supervisor's random shift on two calls: what is pressed, and what happens to the calls, to Telnyx and to us."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.contrib.auth.models import User

from conferences.audit_chain.removal import opened_for_removal
from conferences.models import (
    Account,
    AuditEntry,
    AuditSeal,
    AuditSegment,
    Command,
    Conference,
    Ear,
    Leg,
    Participant,
    Presence,
    Stop,
    SupervisorSession,
    TeamMembership,
    WebhookEvent,
)
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import calls, membership
from conferences.supervision import Press, Refused, Way, follow, open_session, seal, send_by_note, stop
from tests.supervision.conftest import STEP, Call, Floor

from .brought import PHONES, BroughtLines
from .clockwork import Clockwork
from .hands import WAYS, Hands
from .oracle import Pressed

STOPPED_WITHIN = 12.0
FAULTS: list[dict[str, Any]] = [
    {"drop": True},
    {"drop": True, "when": "after"},
    {"status": 429, "code": "10011"},
    {"status": 500},
    {"status": 422, "code": "10004"},
    {"status": 200},
]
PATHS = ("update", "join", "leave", "hangup")
AGENTS = {"first": ("Ana Ruiz", "Max Falk"), "second": ("Priya Nair", "Grace Okafor")}
ROWS = (
    AuditSeal,
    AuditSegment,
    AuditEntry,
    Command,
    Stop,
    SupervisorSession,
    Ear,
    Presence,
    Participant,
    Leg,
    Conference,
    WebhookEvent,
)
LOUD = ("whisper", "barge", "none")
# The number of points that a request passes: of a change of role, and of a hop from one call to the other.
POINTS_OF_A_CHANGE, POINTS_OF_A_HOP = 10, 26
# Seconds by which our clock is behind Telnyx'.
CLOCKS_BEHIND = (0, 0, 0, 60, -60)
STALL_SECONDS = (0.3, 3.0)
LATE_SECONDS = ((0.2, 1.0), (1.0, 5.0), (5.0, 30.0))


def forget_rows() -> None:
    """Delete what the shift before has left, its audit too."""
    with opened_for_removal():
        for model in ROWS:
            model.objects.all().delete()


class Shift:
    """One supervisor's random shift on two calls."""

    def __init__(self, *, floor: Floor, owners: dict[str, User], clockwork: Clockwork, seed: int) -> None:
        self.floor, self.kim, self.clockwork = floor, owners["Kim"], clockwork
        self.chance = Random(seed)
        self.story: list[str] = []
        self.troubled_at: datetime | None = None
        self.frozen = False
        # When a request stood still that has not reached its end yet, and what had been pressed until then.
        self.stood_still: tuple[datetime, int] | None = None
        forget_rows()
        floor.begin_again()
        floor.world.semantics.whisper = self.chance.choice(["allow-list", "deny-list"])
        floor.world.semantics.monitor_reads_muted = self.chance.random() < 0.5
        floor.world.semantics.left_stay_listed = self.chance.random() < 0.5
        floor.set_clock_behind(self.chance.choice(CLOCKS_BEHIND))
        self.allow(granted=True)
        self.calls: dict[str, Call] = {name: floor.call(agents=agents) for name, agents in AGENTS.items()}
        self.hands = Hands(floor=floor, user=self.kim, calls=self.calls, chance=self.chance)
        self.brought = BroughtLines(floor=floor, owners=owners, calls=self.calls, chance=self.chance)
        floor.go_live()

    def run(self, steps: int, *, look: Callable[[], None]) -> None:
        """Do random things, then end the shift; raise AssertionError as soon as a promise is broken for too long."""
        acts: dict[Callable[[], None], int] = {
            self.pass_time: 4,
            self.whisper: 5,
            self.choose: 3,
            self.stop: 3,
            self.press_something_late: 3,
            self.press_on_two_pages_at_once: 3,
            self.press_without_scripts: 1,
            self.stop_in_the_middle_of_a_hop: 3,
            self.stand_still_while_changing: 3,
            self.stop_without_the_database: 2,
            self.break_telnyx: 3,
            self.let_the_way_in_come_late: 1,
            self.lose_webhooks: 1,
            self.let_the_feed_stop: 1,
            self.freeze_telnyx: 1,
            self.follow_somebody: 1,
            self.agent_leaves: 1,
            self.agent_joins: 1,
            self.somebody_unknown_joins: 2,
            self.somebody_blinks: 2,
            self.the_line_drops: 1,
            self.lose_the_right_for_a_moment: 1,
            self.the_call_flow_brings_a_line: 4,
            self.a_brought_line_goes: 2,
            self.a_brought_line_changes: 1,
            self.a_right_of_an_owner_changes: 2,
            self.a_second_line_of_ones_own: 1,
        }
        for act in self.chance.choices(list(acts), weights=list(acts.values()), k=steps):
            self.story.append(act.__name__)
            act()
            look()
        self.end()

    def end(self) -> None:
        """However the shift went: when Telnyx works again, a whisper stays private, and a stop is a stop."""
        self.floor.faults.armed.clear()
        self.wait(STOPPED_WITHIN + 1)
        while self.hands.on_their_way:
            self.wait(1)
        self.troubled_at = self.floor.struck_at = None
        self.whisper()
        self.wait(4)
        self.somebody_unknown_joins()
        self.wait(4)
        self.hands.press("leave")
        self.wait(STOPPED_WITHIN + 1)
        assert not any(self.hands.own_legs(call) for call in self.calls), "inside after the last leave"
        for brought in self.brought.inside():
            membership.hangup(self.floor.world, brought, source="callee")
        self.wait(STOPPED_WITHIN + 1)
        self.brought.check_the_audit()
        for entry in self.floor.api.log:
            leg = (entry["body"] or {}).get("call_control_id")
            assert leg is None or self.floor.world.legs[leg].connection_id == directory.EAR_CONNECTION_ID

    def wait(self, seconds: float) -> None:
        """Let time pass with the page open."""
        Presence.objects.update_or_create(user=self.kim, defaults={"seen_at": self.floor.now})
        self.floor.wait(seconds)

    @property
    def troubled(self) -> bool:
        """Return whether requests or webhooks got lost a moment ago, so that things take longer."""
        moments = filter(None, (self.troubled_at, self.floor.struck_at))
        ago = ((self.floor.now - since).total_seconds() for since in moments)
        return self.floor.webhooks_lost or any(seconds < STOPPED_WITHIN for seconds in ago)

    def trouble(self) -> None:
        self.troubled_at = self.floor.now

    # --- what is pressed ----------------------------------------------------------------------------------------------

    def pass_time(self) -> None:
        self.wait(self.chance.uniform(0.25, 6))

    def whisper(self) -> None:
        call = self.enter()
        self.hands.press("whisper", call, *self.some_agents(call))
        self.wait(1)

    def choose(self) -> None:
        self.hands.press(self.chance.choice(["barge", "none", "monitor"]), self.enter())
        self.wait(0.5)

    def stop(self) -> None:
        self.hands.stop(self.chance.choice(WAYS))

    def press_something_late(self) -> None:
        """Press one or two things of which the first, or both, reach us late."""
        self.press_anything(late=self.chance.uniform(*self.chance.choice(LATE_SECONDS)))
        if self.chance.random() < 0.7:
            self.wait(self.chance.choice([0, 0.25, 1, 3]))
            self.press_anything(late=self.chance.choice([0.0, 0.5, 2.0]))
        self.wait(1)

    def press_on_two_pages_at_once(self) -> None:
        """Press on two pages within a moment; either may reach us first."""
        one, other = self.chance.sample(self.hands.pages, k=2)
        self.press_anything(late=self.chance.choice([0.0, 0.5, 1.0, 3.0]), page=one)
        self.wait(self.chance.choice([0, 0.25, 1, 1.75, 2.5]))
        self.press_anything(late=self.chance.choice([0.0, 0.5, 1.0, 3.0]), page=other)
        self.wait(1)

    def press_without_scripts(self) -> None:
        call = self.enter()
        self.hands.press("whisper", call, *self.some_agents(call), timed=False)
        self.wait(self.chance.choice([0.25, 3]))
        self.hands.press(self.chance.choice(["quieter", "leave"]), timed=False)

    def press_anything(self, **how: Any) -> None:
        """Press a louder role, Monitor or a stop, here or in the other call."""
        call = self.hands.call_inside() if self.chance.random() < 0.7 else self.chance.choice(list(self.calls))
        what = self.chance.choice(["whisper", "whisper", "barge", "monitor", "quieter", "quieter", "leave"])
        if what in {"quieter", "leave"}:
            self.hands.press(what, **how)
        elif call:
            targets = self.some_agents(call) if what == "whisper" else []
            self.hands.press(what, call, *targets, **how)

    def follow_somebody(self) -> None:
        """Follow an agent of the other call, which ends with the next leave."""
        pressed = Pressed(what="follow", at=self.floor.now)
        self.hands.presses.take(pressed, now=self.floor.now, inside=False)
        leg = self.calls["second"].legs().get("Priya Nair")
        try:
            follow(user=self.kim, agent=leg.agent if leg else None, press=Press(at=pressed.at), now=self.floor.now)
        except Refused as refused:
            pressed.refused = refused.sentence
        pressed.answered = self.floor.now
        self.wait(2)

    # --- stops and stalls at any point --------------------------------------------------------------------------------

    def stop_in_the_middle_of_a_hop(self) -> None:
        """Go from one call to the other, and ask for silence at any moment of the way."""
        there = self.other_than(self.enter())
        way = self.chance.choice(WAYS)
        self.stand_still(
            lambda: self.hands.press("whisper", there, *self.some_agents(there)),
            at=self.chance.randrange(POINTS_OF_A_HOP),
            meanwhile=lambda: self.hands.stop(way),
        )
        self.wait(self.chance.choice([0.5, 4]))

    def stand_still_while_changing(self) -> None:
        """Let a request stand still at any point, while the worker goes on and something else is pressed."""
        call = self.enter()
        role = self.chance.choice(["whisper", "barge", "barge", "quieter", "monitor", "leave"])
        targets = self.some_agents(call) if role == "whisper" else []
        to = call if role in {"whisper", "barge", "monitor"} else ""
        self.stand_still(
            lambda: self.hands.press(role, to, *targets),
            at=self.chance.randrange(POINTS_OF_A_CHANGE),
            meanwhile=lambda: (
                self.hands.stop(self.chance.choice(WAYS)) if self.chance.random() < 0.7 else self.press_anything()
            ),
        )
        self.wait(self.chance.choice([0.5, 4]))

    def stop_without_the_database(self) -> None:
        """Let the page's sealed note ask for silence, at any moment of a hop or of a change."""
        here = self.enter()
        session = open_session(self.kim)
        note = seal(session) if session is not None else ""
        there = self.chance.choice([here, self.other_than(here)])
        page = self.hands.pages[0]
        self.stand_still(
            lambda: self.hands.press("whisper", there, *self.some_agents(there), page=page),
            at=self.chance.randrange(POINTS_OF_A_CHANGE if there == here else POINTS_OF_A_HOP),
            meanwhile=lambda: self.press_with_the_note(note, hop=there != here),
        )
        self.wait(4)

    def press_with_the_note(self, note: str, *, hop: bool) -> None:
        """Ask for silence where the database fails, or is so slow that the note goes beside the ordinary way."""
        way = self.chance.choice(list(Way))
        page = self.hands.pages[0]
        if not note:
            self.hands.stop(str(way))  # a page without a call has no note
            return
        self.hands.numbers[page] = self.hands.numbers.get(page, 0) + 1
        pressed = Pressed(what=str(way), at=self.floor.now, page=page, number=self.hands.numbers[page])
        press = Press(at=pressed.at, page=page, number=pressed.number, hop=hop)
        self.hands.presses.take(pressed, now=self.floor.now, inside=True)
        self.trouble()
        self.clockwork.without_database = True
        if stop(note, way=way, press=press):
            self.story.append("the note said that nobody hears")
            assert not any(self.hands.who_hears(call) for call in self.calls), "told that nobody hears, and heard"
            assert not any(self.hands.own_legs(call) for call in self.calls), "told to be out, and inside"
        else:
            send_by_note(note, way=way, press=press)
        self.clockwork.without_database = False
        pressed.answered = self.floor.now
        # The database is back, and within a second the stop is stored.
        pressed.is_stored = False

        def store() -> None:
            self.clockwork.do_what_was_put_off()
            pressed.is_stored = True

        back = self.floor.now + timedelta(seconds=self.chance.uniform(0, 1))
        self.hands.on_their_way.append((back, store))

    def stand_still(self, request: Callable[[], object], *, at: int, meanwhile: Callable[[], object]) -> None:
        """Make a request that stands still at a point, while something is pressed somewhere in that time."""
        seconds = self.chance.uniform(*STALL_SECONDS)
        before = self.chance.uniform(0, seconds)
        pressed = []

        def stall(point: str) -> None:
            self.story.append(f"({point}, {seconds:.1f} s)")
            self.trouble()
            began = self.floor.now, len(self.hands.presses.received)
            pressed.append(point)
            with self.hands.standing_still():
                self.pass_ticks(before)
                meanwhile()
                self.pass_ticks(seconds - before)
            self.stood_still = began

        with self.clockwork.request(stands_still_at=at, stand_still=stall):
            request()
        self.stood_still = None
        if not pressed:
            meanwhile()

    def pass_ticks(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.floor.tick()

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def break_telnyx(self) -> None:
        fault = self.chance.choice(FAULTS)
        self.floor.fault(f"*/actions/{self.chance.choice(PATHS)}", times=self.chance.randint(1, 3), **fault)
        self.trouble()

    def let_the_way_in_come_late(self) -> None:
        """Leave, and ask to come in with a joining that Telnyx executes later, perhaps after the next leave."""
        self.hands.press("leave")
        self.floor.fault("*/actions/join", when="late", delay_s=self.chance.uniform(1, 15))
        self.trouble()
        self.hands.press("monitor", "first")
        for _ in range(40):
            if Command.objects.filter(session__ended_at=None, kind="join", attempts__gt=0).exists():
                break
            self.wait(STEP)
        self.hands.press("leave")
        self.wait(STOPPED_WITHIN + 8)

    def lose_webhooks(self) -> None:
        self.floor.webhooks_lost = True
        self.trouble()
        self.somebody_unknown_joins()
        self.wait(self.chance.uniform(1, 8))
        self.floor.webhooks_lost = False
        self.trouble()

    def let_the_feed_stop(self) -> None:
        """Let no webhook come for a while; a louder press on a floor that is known to be not live reads afresh."""
        call = self.enter()
        self.floor.webhooks_lost = True
        self.trouble()
        self.wait(self.chance.uniform(1, 12))
        self.somebody_unknown_joins()
        self.wait(self.chance.uniform(0, 12))
        self.trouble()
        self.press_louder_on_a_floor_that_may_not_be_live(call)
        self.wait(1)
        self.floor.webhooks_lost = False
        self.trouble()

    def freeze_telnyx(self) -> None:
        """Let neither webhooks nor answers come for a while: nothing that is asked happens."""
        call = self.enter()
        self.freeze(frozen=True)
        self.wait(self.chance.uniform(2, 20))
        if self.chance.random() < 0.5:
            self.press_louder_on_a_floor_that_may_not_be_live(call)
        else:
            self.hands.press(self.chance.choice(["quieter", "leave"]))
        self.wait(self.chance.uniform(0, 6))
        self.freeze(frozen=False)
        self.wait(2)

    def freeze(self, *, frozen: bool) -> None:
        armed = self.floor.faults.armed
        if frozen:
            self.floor.faults.arm({"drop": True, "times": 10**6})
        else:
            armed[:] = [fault for fault in armed if not (fault.drop and fault.path == "*")]
        self.frozen = self.floor.webhooks_lost = frozen
        self.trouble()

    def press_louder_on_a_floor_that_may_not_be_live(self, call: str) -> None:
        live = Account.objects.get(pk=self.floor.account.pk).is_live(now=self.floor.now)
        asked = self.floor.api.received
        self.hands.press("barge", call)
        entries = [entry for entry in self.floor.api.log if entry["n"] > asked]
        louder = [entry for entry in entries if (entry["body"] or {}).get("supervisor_role") in LOUD]
        read = any(entry["method"] == "GET" and "/participants" in entry["path"] for entry in entries)
        assert live or not louder or read, "louder on a floor that is not live, without a reading"

    def agent_leaves(self) -> None:
        alive = [leg for leg in self.calls["first"].scene.agents if leg.alive]
        if len(alive) > 1:
            membership.hangup(self.floor.world, self.chance.choice(alive), source="callee")

    def agent_joins(self) -> None:
        name = self.chance.choice(AGENTS["first"])
        scene = self.calls["first"].scene
        if scene.conference is not None and scene.conference.alive and len(scene.conference.participants) < 6:
            scene.connect(scene.ring(next(agent for agent in scene.team.agents if agent.name == name)))

    def somebody_unknown_joins(self) -> None:
        conference = self.calls[self.hands.call_inside() or "first"].scene.conference
        if conference is not None and conference.alive and len(conference.participants) < 9:
            leg = calls.incoming(
                self.floor.world,
                connection_id=directory.CALLS_CONNECTION_ID,
                from_="+4930123456199",
                to="+18005550101",
            )
            calls.answer(self.floor.world, leg)
            membership.join(self.floor.world, conference, leg)

    def somebody_blinks(self) -> None:
        """Let a leg leave and come back within two seconds, perhaps just after a whisper, perhaps unheard."""
        call = self.enter()
        if self.chance.random() < 0.7:
            self.hands.press("whisper", call, *self.some_agents(call))
            self.pass_ticks(self.chance.uniform(0, 2))
        scene = self.calls[call].scene
        conference, own = scene.conference, self.hands.own_legs(call)
        assert conference is not None
        inside = [one for key, one in conference.participants.items() if key not in own]
        if not conference.alive or len(inside) < 2:
            return
        participant = self.chance.choice(inside)
        unheard = self.chance.random() < 0.3
        if unheard:
            self.floor.webhooks_lost = True
            self.trouble()
        membership.leave(self.floor.world, participant)
        self.pass_ticks(self.chance.uniform(0, 2))
        if participant.leg.alive:
            membership.join(self.floor.world, conference, participant.leg)
            self.brought.note_join(participant.leg)
        if unheard:
            self.floor.tick()
            self.floor.webhooks_lost = False
            self.trouble()
        self.wait(self.chance.uniform(0.5, 4))

    def the_line_drops(self) -> None:
        for ear in Ear.objects.filter(user=self.kim, ended_at=None).exclude(call_control_id=""):
            leg = self.floor.world.legs[ear.call_control_id]
            if leg.alive:
                membership.hangup(self.floor.world, leg, source="callee")

    def lose_the_right_for_a_moment(self) -> None:
        self.allow(granted=False)
        self.wait(2)
        self.allow(granted=True)

    # --- lines that the center's own call flow brings -----------------------------------------------------------------

    def the_call_flow_brings_a_line(self) -> None:
        """Let a phone of Lena's or Omar's come into a call, or from one call into the other."""
        address = self.chance.choice([one.address for one in PHONES if one.owner != "Kim"])
        leg = self.brought.legs.get(address)
        if leg is not None and leg.participant is not None:
            self.brought.leave(leg)
        self.brought.bring(address, self.chance.choice(list(self.calls)))
        self.wait(self.chance.uniform(0.25, 5))

    def a_brought_line_goes(self) -> None:
        """Take one out, perhaps unheard, and perhaps let it come back within two seconds."""
        inside = self.brought.inside()
        if not inside:
            return
        leg = self.chance.choice(inside)
        unheard = self.chance.random() < 0.3
        if unheard:
            self.floor.webhooks_lost = True
            self.trouble()
        self.brought.leave(leg)
        self.pass_ticks(self.chance.uniform(0, 2))
        if leg.alive and self.chance.random() < 0.5:
            self.brought.join(leg, self.chance.choice(list(self.calls)))
        if unheard:
            self.floor.tick()
            self.floor.webhooks_lost = False
            self.trouble()
        self.wait(self.chance.uniform(0.25, 5))

    def a_brought_line_changes(self) -> None:
        inside = self.brought.inside()
        if inside:
            self.brought.change_role(self.chance.choice(inside))
        self.wait(self.chance.uniform(0.25, 5))

    def a_right_of_an_owner_changes(self) -> None:
        name = self.chance.choice(["Lena", "Omar"])
        self.brought.allow(name, granted=not self.brought.may[name])
        self.wait(self.chance.uniform(0.25, 5))

    def a_second_line_of_ones_own(self) -> None:
        """Let one's own mobile come in for a while beside the line in use; it goes before that one does."""
        call = self.enter()
        address = directory.KIM_MOBILE.address
        if not self._own_line_is_up():
            return
        self.brought.bring(address, self.chance.choice([call, self.other_than(call)]))
        for _ in range(self.chance.randint(4, 24)):
            self.floor.tick()
            if not self._own_line_is_up():
                break
        self.brought.hang_up(address)
        self.wait(self.chance.uniform(0.25, 3))

    def _own_line_is_up(self) -> bool:
        return any(ear.dialled_by_us for ear in Ear.objects.live().filter(user=self.kim, state=Ear.State.CONNECTED))

    # --- how one gets there -------------------------------------------------------------------------------------------

    def enter(self) -> str:
        """Be inside a call, if this shift lets anybody in; return its name."""
        session = SupervisorSession.objects.filter(user=self.kim, stage="inside").select_related("conference").first()
        if session is not None:
            return next((name for name, call in self.calls.items() if call.conference == session.conference), "first")
        call = self.chance.choice(list(self.calls))
        self.hands.press("monitor", call)
        self.wait(4)
        return call

    def other_than(self, call: str) -> str:
        return next(name for name in self.calls if name != call)

    def some_agents(self, call: str) -> list[str]:
        participants = Participant.objects.filter(
            conference=self.calls[call].conference, present=True, leg__agent__isnull=False
        )
        inside = sorted(set(participants.values_list("leg__agent__name", flat=True)))
        return self.chance.sample(inside, k=self.chance.randint(1, len(inside))) if inside else []

    def allow(self, *, granted: bool) -> None:
        TeamMembership.objects.filter(user=self.kim).update(may_monitor=granted, may_whisper=granted, may_barge=granted)
