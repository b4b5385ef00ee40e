"""Presses of one person on several pages and a phone: each reaches Floorline at once or late, in order or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from django.contrib.auth.models import User

from conferences.models import Ear, Presence, Stop, SupervisorSession
from conferences.models.supervision import Role
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import calls as phone
from conferences.sandbox.telephony import hearing
from conferences.supervision import Press, Refused, choose_role, disconnect, leave, quieter
from tests.supervision.conftest import Call, Floor

from .oracle import CHOICES, Pressed, Presses

STOPS = {"quieter": quieter, "leave": leave, "disconnect": disconnect}
KEYS = {"quieter": "0", "leave": "9"}
# Every way in which a person asks for silence.
WAYS = ("quieter", "leave", "disconnect", "monitor", "*0", "*9", "hold")
LATEST_SECONDS = 30.0
# Nobody presses `*9` and `*0` in the same moment.
TWO_KEYS_TAKE = timedelta(seconds=0.5)


@dataclass
class Hands:
    """The presses of one person, and which of them are still on their way."""

    floor: Floor
    user: User
    calls: dict[str, Call]
    chance: Random
    presses: Presses = field(default_factory=Presses)
    on_their_way: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    numbers: dict[UUID, int] = field(default_factory=dict)
    keyed_at: datetime | None = None

    def __post_init__(self) -> None:
        self.pages = [UUID(int=self.chance.getrandbits(128)) for _ in range(2)]

    def press(
        self, what: str, call: str = "", *targets: str, page: UUID | None = None, late: float = 0.0, timed: bool = True
    ) -> Pressed:
        """Press something; it reaches Floorline so many seconds later."""
        page = (page or self.chance.choice(self.pages)) if timed else None
        if page is not None:
            self.numbers[page] = self.numbers.get(page, 0) + 1
        pressed = Pressed(
            what=what,
            at=self.floor.now,
            page=page,
            number=self.numbers.get(page) if page else None,
            call=call,
            targets=frozenset(targets),
        )
        seen = self.calls[call].present() if call else []
        if late:
            due = self.floor.now + timedelta(seconds=late)
            self.on_their_way.append((due, lambda: self._arrive(pressed, seen)))
        else:
            self._arrive(pressed, seen)
        return pressed

    def deliver(self) -> None:
        """Let what is due reach Floorline."""
        due = [do for at, do in self.on_their_way if at <= self.floor.now]
        self.on_their_way = [(at, do) for at, do in self.on_their_way if at > self.floor.now]
        for do in due:
            do()

    def stop(self, way: str, *, late: float = 0.0, page: UUID | None = None) -> Pressed | None:
        """Ask for silence in one of the ways; None where that way is not open now."""
        if way == "monitor":
            call = self.call_inside()
            return self.press("monitor", call, late=late, page=page) if call else None
        if way in STOPS:
            return self.press(way, late=late, page=page)
        return self.press_on_the_phone(way)

    def press_on_the_phone(self, way: str) -> Pressed | None:
        """Press *0, *9 or hold, where the line is connected and the webhooks come."""
        ear = Ear.objects.filter(user=self.user, ended_at=None, state=Ear.State.CONNECTED).first()
        leg = self.floor.world.legs.get(ear.call_control_id) if ear else None
        if ear is None or leg is None or not leg.alive or self.floor.webhooks_lost:
            return None
        what = "leave" if way == "*9" else "quieter"
        pressed = Pressed(what=what, at=self.floor.now, page=ear.pk, number=0)
        if way == "hold":
            phone.set_sip_hold(self.floor.world, leg, held=True)
            self.floor.world.after(
                self.chance.uniform(1, 3), lambda: phone.set_sip_hold(self.floor.world, leg, held=False)
            )
        else:
            if self.keyed_at is not None and self.floor.now - self.keyed_at < TWO_KEYS_TAKE:
                return None
            self.keyed_at = self.floor.now
            for digit in way:
                phone.press(self.floor.world, leg, digit=digit)
        # These webhooks come, whatever is lost in the next moment.
        self.floor.deliver()
        # The worker hears of it a moment later.
        self.presses.take(pressed, now=self.floor.now + timedelta(seconds=1), inside=True)
        pressed.answered = self.floor.now
        return pressed

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """While a request stands still: a stop of its own that it has not stored yet is known to nobody else."""
        own = [press for press in self.presses.received if press.answered is None and press.is_stop]
        for press in own:
            stored = Stop.objects.filter(user=self.user, page=press.page, number=press.number)
            press.is_stored = stored.exists()
        yield
        for press in own:
            press.is_stored = True

    # --- what is true -------------------------------------------------------------------------------------------------

    def call_inside(self) -> str:
        """Return the call in which Telnyx has the line, or into which it is on its way; "" for none."""
        for press in reversed(self.presses.received):
            if press.what in CHOICES and press.answered is None:
                return press.call
        return next((name for name in self.calls if self.own_legs(name)), "")

    def _is_shown_in(self, call: str) -> bool:
        """Return whether the page shows the line in a call or on its way there, where Telnyx does not have it yet.

        Then Monitor in this call is a stop too, as also where Telnyx has only claimed to have joined the line.
        """
        shown = SupervisorSession.objects.filter(user=self.user, stage__in=["connecting", "joining", "inside"])
        return bool(call) and shown.filter(conference=self.calls[call].conference).exists()

    def own_legs(self, call: str) -> set[str]:
        """Return the supervisor's legs that Telnyx has in a call."""
        conference = self.calls[call].scene.conference
        assert conference is not None
        participants = conference.participants.values()
        return {
            participant.leg.call_control_id
            for participant in participants
            if participant.leg.connection_id == directory.EAR_CONNECTION_ID
        }

    def who_hears(self, call: str) -> set[str]:
        """Return the labels of those who hear the supervisor in a call, out of the sandbox's matrix."""
        conference = self.calls[call].scene.conference
        assert conference is not None
        mine = self.own_legs(call)
        if not mine:
            return set()
        matrix = hearing.matrix(conference, semantics=self.floor.world.semantics)
        return {conference.participants[one].leg.label for one, heard in matrix.items() if mine & set(heard)}

    # --- how it reaches the product -----------------------------------------------------------------------------------

    def _arrive(self, pressed: Pressed, seen: list[UUID]) -> None:
        if pressed.page is None:
            pressed.at = self.floor.now
        inside = pressed.call == self.call_inside() != "" or self._is_shown_in(pressed.call)
        self.presses.take(pressed, now=self.floor.now, inside=inside)
        try:
            self._ask(pressed, seen)
        except Refused as refused:
            pressed.refused = refused.sentence
        pressed.answered = self.floor.now
        before = "\n".join(f"  {press}" for press in self.presses.received[-8:])
        assert not self.presses.unjust(pressed), f"refused without a reason: {pressed}; pressed were\n{before}\n"

    def _ask(self, pressed: Pressed, seen: list[UUID]) -> None:
        press = Press(at=pressed.at, page=pressed.page, number=pressed.number)
        now = self.floor.now
        if pressed.what in STOPS:
            STOPS[pressed.what](user=self.user, press=press, now=now)
            return
        call = self.calls[pressed.call]
        legs = call.legs()
        if not pressed.targets <= legs.keys():
            raise Refused("Not on the page any more.")
        Presence.objects.update_or_create(user=self.user, defaults={"seen_at": now})
        choose_role(
            user=self.user,
            conference=call.conference,
            role=Role(pressed.what),
            targets=[legs[name].pk for name in pressed.targets],
            audience=seen,
            press=press,
            now=now,
        )
        self.floor.deliver()
