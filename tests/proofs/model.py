"""Everything at once: presses × joins × leaves × holds × drops × faults × stalls, and nobody hears who should not.

Random shifts run against the real service layer and the sandbox's world, under every semantics the sandbox knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import time_machine
from django.test import override_settings

from conferences.clients import client_for
from conferences.fast_sql import load_rows, load_values
from conferences.models import Conference, Leg, SupervisorSession
from dashboard.desk.claim import Claim
from dashboard.desk.ear import my_ear
from dashboard.floor.live import floor as floor_of_this_process
from tests.claims import claims_shown
from tests.supervision.conftest import STEP, InProcess, session_to, sign_in

from .acts import STOPPED_WITHIN, Shift
from .boards import people
from .brought import owners
from .clockwork import wound_up
from .histories import START
from .oracle import EVERYBODY
from .stops import PLAIN_STATIC, SETTINGS, new_floor, supervisor

STEPS = 50
# Shifts that are enough to say how many of them must have been heard at all.
ENOUGH = 10

# The time in which a stop works, and a whisper ends that a customer has joined; with lost requests or webhooks it is
# STOPPED_WITHIN. A tick is a quarter of a second.
UNTROUBLED_WITHIN = 3.0
SAID_WITHIN = 1.0
# The worker looks once a second for lines that belong to no ear.
RECORDED_WITHIN = 2.0
NEVER = -math.inf


class Watch:
    """Looks at every tick at who really hears the supervisor, and how long a promise has been unkept."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift
        self.since: dict[str, datetime] = {}
        self.heard = 0
        self.logged = 0
        self.read_at: dict[str, datetime] = {}

    def look(self) -> None:
        """Let what was pressed arrive, and look."""
        shift, hands = self.shift, self.shift.hands
        self._read_the_log()
        hands.deliver()
        session = next(iter(load_rows(SupervisorSession, user_id=shift.kim.pk, ended_at=None)), None)
        for name in shift.calls:
            heard, allowed = hands.who_hears(name), hands.presses.may_hear(name)
            self.heard += bool(heard)
            patience = STOPPED_WITHIN if shift.troubled else UNTROUBLED_WITHIN
            self._hold(f"audible in the {name} call, and no press allows it", heard and not allowed, within=patience)
            wrong = heard - allowed if EVERYBODY not in allowed else set()
            self._hold(f"a whisper in the {name} call reaches somebody else", wrong and allowed, within=patience)
            inside = bool(hands.own_legs(name))
            left = inside and not hands.presses.may_be_inside(name)
            self._hold(f"in the {name} call after leaving it", left, within=patience)
            unseen = session is None and inside
            self._hold(f"in the {name} call without a supervision", unseen, within=STOPPED_WITHIN)
            claim = my_ear(shift.kim, now=shift.floor.now).claim if heard else None
            unsaid = claim is not None and claim.heard == "nobody"
            self._hold(f"audible in the {name} call, and the screen says silent", unsaid, within=SAID_WITHIN)
            beyond = heard - self._named(claim) if claim is not None and claim.heard == "chosen" else set()
            self._hold(f"heard in the {name} call by more than the screen says", beyond, within=patience)
        self._believe_only_readings(session)
        self._look_at_brought_lines(patience=STOPPED_WITHIN if shift.troubled else UNTROUBLED_WITHIN)

    def _look_at_brought_lines(self, *, patience: float) -> None:
        """Every line that the call flow has brought in is recorded as long as it is inside, and as what it is."""
        brought = self.shift.brought
        if not brought.legs:
            return
        recorded = brought.recorded()
        for leg in brought.legs.values():
            call = leg.participant.conference.id if leg.participant is not None else ""
            told = [one for one in recorded if one.leg == leg.call_control_id]
            here = [one for one in told if one.call == call]
            missed = call and not told and brought.is_seen(leg)
            self._hold(f"{leg.label} is inside and not recorded", missed, within=RECORDED_WITHIN)
            elsewhere = call and told and not here and brought.is_seen(leg)
            self._hold(f"{leg.label} is recorded for another call alone", elsewhere, within=patience)
            self._hold(f"{leg.label} is recorded and not inside", len(told) > len(here), within=patience)
            self._hold(f"{leg.label} is recorded twice", len(here) > 1, within=NEVER)
        wrong = brought.wrongly_recorded(recorded)
        for name in brought.may:
            self._hold(f"a line of {name} is recorded as what it is not", name in wrong, within=patience)

    def compare(self) -> None:
        """After each step: every place on the page makes the same claim, whichever of the calls is on the desk."""
        shift = self.shift
        call = shift.calls[shift.chance.choice(list(shift.calls))]
        told = claims_shown(shift.kim, call.conference, shift.floor.now)
        assert len({claim[1:] for claim in told}) == 1, f"the places differ: {told}"
        shift.brought.compare()

    def _named(self, claim: Claim) -> set[str]:
        """Return whom the screen names as hearing the supervisor."""
        legs = Leg.objects.filter(pk__in=claim.targets).values_list("call_control_id", flat=True)
        return {self.shift.floor.world.legs[leg].label for leg in legs}

    def before_louder(self, conference: str, role: str, listeners: list[str]) -> None:
        """Hold a louder request, just before it is sent, against what was pressed."""
        shift = self.shift
        names = {call.conference.telnyx_id: name for name, call in shift.calls.items()}
        targets = frozenset(shift.floor.world.legs[leg].label for leg in listeners)
        now, received = shift.stood_still or (shift.floor.now, None)
        allowed = shift.hands.presses.may_send(names[conference], role, targets, now=now, received=received)
        self._hold(f"{role} {sorted(targets)} is sent, and no press asks for it", not allowed, within=NEVER)

    def _read_the_log(self) -> None:
        """Note when the participants of a call were read."""
        for entry in self.shift.floor.api.log:
            parts = entry["path"].split("/")
            if (
                entry["n"] > self.logged
                and entry["method"] == "GET"
                and "participants" in parts
                and entry["status"] == 200
            ):
                self.read_at[parts[2]] = datetime.fromtimestamp(entry["at"] - self.shift.floor.clock_behind, UTC)
        self.logged = self.shift.floor.api.received

    def _believe_only_readings(self, session: SupervisorSession | None) -> None:
        """A role is verified only as of a reading that Telnyx has answered."""
        if session is None or session.verified_at is None:
            return
        [telnyx_id] = load_values(Conference, "telnyx_id", id=session.conference_id)
        read_at = self.read_at.get(telnyx_id)
        believed = read_at is None or session.verified_at > read_at + timedelta(seconds=STEP)
        self._hold("verified later than any reading", believed, within=NEVER)

    def _hold(self, promise: str, broken: object, *, within: float) -> None:
        now = self.shift.floor.now
        if not broken or (self.shift.frozen and within >= UNTROUBLED_WITHIN):
            self.since.pop(promise, None)
            return
        began = self.since.setdefault(promise, now)
        presses = "\n".join(f"  {press}" for press in self.shift.hands.presses.received[-8:])
        assert (now - began).total_seconds() <= within + STEP, f"{promise}; pressed were\n{presses}\n"


@contextmanager
def model(empty_database: Callable[[], Any], *, steps: int = STEPS) -> Iterator[Callable[[int, Random], None]]:
    """Yield the check of one shift of so many steps."""
    with empty_database(), override_settings(**SETTINGS, STORAGES=PLAIN_STATIC):
        account, kim = people(), supervisor()
        sign_in(kim)
        everybody = owners(kim)
        heard: list[bool] = []

        def check(number: int, chance: Random) -> None:
            with time_machine.travel(START, tick=False) as travel:
                floor = new_floor(account, travel)
                client_for(account, session=session_to(InProcess(floor)))
                with wound_up(floor) as clockwork:
                    shift = Shift(floor=floor, owners=everybody, clockwork=clockwork, seed=chance.getrandbits(32))
                    floor_of_this_process.forget()  # its rows were deleted without a version
                    watch = Watch(shift)
                    floor.watch, clockwork.before_louder = watch.look, watch.before_louder
                    try:
                        shift.run(steps, look=watch.compare)
                    except AssertionError as error:
                        raise AssertionError(f"{error}; so far: {', '.join(shift.story)}") from error
                    heard.append(bool(watch.heard))

        yield check
        # The promises say nothing about shifts in which nobody was ever heard.
        assert len(heard) < ENOUGH or sum(heard) > len(heard) / 2, f"heard in {sum(heard)} of {len(heard)} shifts"
