"""Brings supervisors' lines into the calls as the center's own call flow does, and looks whether each is recorded.

Lena may listen and has two phones, Omar has lost the right or has not got it yet, and Kim's mobile comes in beside the
line that Floorline dialled for her. Whoever is inside must be recorded from the first sight to the end, with owner and
reason, whatever becomes of the right; and everybody who sees the call must see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from django.contrib.auth.models import User

from conferences import names
from conferences.fast_sql import has_rows, load_rows, load_values
from conferences.models import (
    AuditEntry,
    Conference,
    Ear,
    Leg,
    Line,
    Participant,
    SupervisorSession,
    Team,
    TeamMembership,
    UnsteeredLine,
)
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import calls as phone
from conferences.sandbox.telephony import membership
from conferences.sandbox.telephony.state import Role, SandboxLeg
from dashboard.desk.desk import desk
from dashboard.floor.board import board
from dashboard.floor.building import Supervising
from dashboard.floor.window import Window
from dashboard.rendering import fragments
from dashboard.rendering.fragments import Page
from tests.supervision.conftest import Call, Floor

PHONES = (directory.LENA_SIP, directory.LENA_MOBILE, directory.OMAR_SIP, directory.KIM_MOBILE)
ROLES: tuple[Role, ...] = ("monitor", "monitor", "whisper", "barge", "none")
STEERED = "steered"
MOST_INSIDE = 9


def owners(kim: User) -> dict[str, User]:
    """Make the owners of these phones, and a viewer who leads the team and has none."""
    made = {"Kim": kim}
    team = Team.objects.get()
    for name in ("Lena", "Omar", "Vera"):
        made[name] = User.objects.create_user(name.lower(), first_name=name)
        TeamMembership.objects.create(user=made[name], team=team, is_lead=name == "Vera")
    for one in PHONES:
        kind = Line.Kind.SIP if one.address.startswith("sip:") else Line.Kind.PHONE
        Line.objects.create(user=made[one.owner], label=one.label, kind=kind, address=one.address)
    return made


@dataclass(frozen=True)
class Recorded:
    """The record of a line in a call, with its owner and why it is not steered."""

    leg: str
    call: str
    user_id: int
    reason: str


@dataclass
class BroughtLines:
    """The lines that the call flow has brought in, and what is recorded of them."""

    floor: Floor
    owners: dict[str, User]
    calls: dict[str, Call]
    chance: Random
    legs: dict[str, SandboxLeg] = field(default_factory=dict)
    """The leg on each phone, by its address."""
    unheard: set[str] = field(default_factory=set)
    """The lines whose last coming in no webhook told."""
    counted_at: datetime | None = None

    def __post_init__(self) -> None:
        self.may = {"Kim": True}
        for name, granted in (("Lena", True), ("Omar", False)):
            self.allow(name, granted=granted)

    def allow(self, name: str, *, granted: bool) -> None:
        """Give somebody the right to listen, or take it."""
        self.may[name] = granted
        TeamMembership.objects.filter(user=self.owners[name]).update(may_monitor=granted)

    # --- what the call flow does --------------------------------------------------------------------------------------

    def bring(self, address: str, call: str) -> None:
        """Let a phone ring and answer, and join it to a call in any role."""
        leg = self.legs.get(address)
        if leg is None or not leg.alive:
            [owner] = [one.owner for one in PHONES if one.address == address]
            leg = self.legs[address] = phone.dial(
                self.floor.world,
                connection_id=directory.CALLS_CONNECTION_ID,
                from_=directory.FROM_NUMBER,
                to=address,
                kind="supervisor",
                label=f"{owner}'s {address}",
            )
            phone.answer(self.floor.world, leg)
        self.join(leg, call)

    def join(self, leg: SandboxLeg, call: str) -> None:
        """Join a leg to a call that has room for it."""
        conference = self.calls[call].scene.conference
        assert conference is not None
        if conference.alive and len(conference.participants) < MOST_INSIDE:
            membership.join(self.floor.world, conference, leg)
            self.note_join(leg)
            self.change_role(leg)

    def note_join(self, leg: SandboxLeg) -> None:
        """Note whether a webhook tells of a leg that has joined."""
        (self.unheard.add if self.floor.webhooks_lost else self.unheard.discard)(leg.call_control_id)

    def change_role(self, leg: SandboxLeg) -> None:
        """Give a line another role, as a program beside Floorline would."""
        assert leg.participant is not None
        others = [one for one in leg.participant.conference.participants.values() if one.leg.kind == "agent"]
        role: Role = self.chance.choice(ROLES) if others else "monitor"
        whisper_to = [self.chance.choice(others).leg.call_control_id] if role == "whisper" else []
        membership.set_role(self.floor.world, leg.participant, role=role, whisper_to=whisper_to)

    def leave(self, leg: SandboxLeg) -> None:
        """Take a line out of its call, and perhaps hang it up."""
        if leg.participant is not None:
            membership.leave(self.floor.world, leg.participant)
        if self.chance.random() < 0.5:
            membership.hangup(self.floor.world, leg, source="callee")

    def hang_up(self, address: str) -> None:
        leg = self.legs.get(address)
        if leg is not None and leg.alive:
            membership.hangup(self.floor.world, leg, source="callee")

    def inside(self) -> list[SandboxLeg]:
        """Return the lines that Telnyx has in a call."""
        return [leg for leg in self.legs.values() if leg.participant is not None]

    def is_seen(self, leg: SandboxLeg) -> bool:
        """Return whether Floorline must know that a line is inside: a webhook told it, or a reading has shown it."""
        shown = {"leg_id": load_values(Leg, "id", call_control_id=leg.call_control_id), "present": True}
        return leg.call_control_id not in self.unheard or has_rows(Participant, **shown)

    # --- what is recorded of it ---------------------------------------------------------------------------------------

    def recorded(self) -> list[Recorded]:
        """Return what is recorded now of these lines."""
        found = []
        mine = {leg.call_control_id for leg in self.legs.values()}
        for ear in load_rows(Ear, ended_at=None):
            if ear.call_control_id in mine:
                sessions = load_rows(SupervisorSession, ear_id=ear.pk, ended_at=None)
                found += [Recorded(ear.call_control_id, _call_of(one), one.user_id, STEERED) for one in sessions]
        for row in load_rows(UnsteeredLine, ended_at=None):
            [leg] = load_values(Leg, "call_control_id", id=row.leg_id)
            found.append(Recorded(leg, _call_of(row), row.user_id, row.reason))
        return found

    def owner_of(self, leg: SandboxLeg) -> str:
        return leg.label.partition("'")[0]

    def wrongly_recorded(self, recorded: Sequence[Recorded]) -> set[str]:
        """Return the owners of whose lines inside something else is recorded than is so."""
        wrong = set()
        for name in self.may:
            legs = {leg.call_control_id for leg in self.inside() if self.owner_of(leg) == name}
            told = Counter((one.user_id, one.reason) for one in recorded if one.leg in legs)
            if told and told != self._right(name, sum(told.values())):
                wrong.add(name)
        return wrong

    def _right(self, name: str, lines: int) -> Counter[tuple[int, str]]:
        """Return what should be recorded of so many lines of one owner: a person steers one line at most."""
        user = self.owners[name].pk
        if not self.may[name]:
            return Counter({(user, "no right"): lines})
        steered = 0 if name == "Kim" else 1  # Kim steers the one that Floorline dialled
        return +Counter({(user, STEERED): steered, (user, "other line"): lines - steered})

    # --- what is shown of it ------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Hold what a team's lead sees of every call, on its row, its desk and in the figures, against the record."""
        viewer, now = self.owners["Vera"], self.floor.now
        records: list[Supervising] = [
            *load_rows(SupervisorSession, ended_at=None),
            *load_rows(UnsteeredLine, ended_at=None),
        ]
        if not any(isinstance(row, UnsteeredLine) for row in records):
            return
        live = set(load_values(Conference, "id", ended_at=None))
        seen = board(viewer, window=Window(), now=now)
        cards = {card.id: card for card in seen.rows}
        supervised = {row.conference_id for row in records} & live
        # The figures are counted at most once a second.
        if self.counted_at is None or now - self.counted_at >= timedelta(seconds=1):
            self.counted_at = now
            counted = seen.header.counters.supervised
            assert counted == len(supervised), f"{counted} calls count as supervised, and {len(supervised)} are"
        for conference in supervised:
            here = [row for row in records if row.conference_id == conference]
            wanted = Counter((row.user_id, isinstance(row, SupervisorSession)) for row in here)
            on_row = Counter((one.user_id, one.steered) for one in cards[conference].supervisors)
            assert on_row == wanted, f"the row shows {on_row} of {wanted}"
            page = desk(viewer, conference_id=conference, now=now)
            assert page is not None
            on_desk = Counter((one.user_id, one.steered) for one in page.others)
            assert on_desk == wanted, f"the desk shows {on_desk} of {wanted}"
            html = fragments.desk(page, page=Page(viewer=viewer, window=Window(), open_id=conference), now=now)
            for row in here:
                name = names.person(self._person(row.user_id))
                assert name in html, f"the desk does not say {name}"
                if isinstance(row, UnsteeredLine) and has_rows(
                    Participant, conference_id=conference, leg_id=row.leg_id, present=True
                ):
                    assert name in {leg.name for leg in page.legs}, f"no leg on the desk is {name}'s"

    def _person(self, pk: int) -> User:
        return next(user for user in self.owners.values() if user.pk == pk)

    def check_the_audit(self) -> None:
        """At the end nobody is recorded as inside, and the audit has a beginning and an end of every record."""
        begun = AuditEntry.objects.filter(action="unsteered line").count()
        ended = AuditEntry.objects.filter(action="unsteered line ended").count()
        rows = UnsteeredLine.objects.count()
        assert begun == ended == rows, f"{rows} lines recorded, {begun} beginnings and {ended} ends in the audit"
        for row in UnsteeredLine.objects.all():
            told = AuditEntry.objects.filter(actor=row.user_id, conference_id=row.conference_id)
            assert {"unsteered line", "unsteered line ended"} <= set(told.values_list("action", flat=True))


def _call_of(row: Supervising) -> str:
    """Return Telnyx' id of the conference that a record is about."""
    [telnyx_id] = load_values(Conference, "telnyx_id", id=row.conference_id)
    return str(telnyx_id)
