"""A floor made of rows: what the projection would have stored, without the webhooks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from conferences.changes import board_change
from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    Conference,
    Ear,
    Leg,
    Participant,
    SupervisorSession,
    Team,
    TeamRule,
)
from conferences.models.supervision import Role


def announced() -> int:
    """Take the next board version, as whatever changes something does."""
    with board_change(now=timezone.now()) as change:
        return change.version


@dataclass
class Call:
    """A conference of one customer and some agents."""

    conference: Conference
    customer: Leg
    agents: list[Leg]

    @property
    def url(self) -> str:
        return f"/conferences/{self.conference.id}/"

    def announce(self) -> None:
        """Announce that something about this call has changed."""
        Conference.objects.filter(id=self.conference.id).update(version=announced())


NewCall = Callable[..., Call]
Listens = Callable[..., UUID]
Step = tuple[int, str, dict[str, Any]]
"""The seconds after the beginning, an action, and the other columns."""


@pytest.fixture
def new_call(account: Account, billing: Team, ana: Agent, now: datetime) -> NewCall:
    """Return a function that puts a live call of the team Billing on the board."""
    numbers = itertools.count(1)

    def make(
        name: str = "",
        *,
        agents: tuple[Agent, ...] = (ana,),
        team: Team | None = billing,
        number: str = "+4915550100142",
        age: timedelta = timedelta(minutes=12, seconds=41),
        ended: bool = False,
    ) -> Call:
        n = next(numbers)
        conference = Conference.objects.create(
            account=account,
            telnyx_id=str(UUID(int=n)),
            name=name or f"Billing-{n}",
            team=team,
            started_at=now - age,
            ended_at=now if ended else None,
            rule=TeamRule.objects.order_by("place").last(),
            version=announced(),
            read_at=now - timedelta(seconds=3),
        )
        customer = stays(conference, n, "customer", party=Leg.Party.CUSTOMER, from_address=number, direction="incoming")
        legs = [
            stays(
                conference,
                n,
                f"agent-{agent.pk}{'-again' * agents[:place].count(agent)}",
                party=Leg.Party.AGENT,
                agent=agent,
                evidence="SIP credential",
            )
            for place, agent in enumerate(agents)
        ]
        return Call(conference, customer, legs)

    def stays(conference: Conference, n: int, who: str, **leg: object) -> Leg:
        row = Leg.objects.create(account=account, call_control_id=f"v3:{n}-{who}", **leg)
        Participant.objects.create(
            account=account,
            conference=conference,
            leg=row,
            joined_at=conference.started_at,
            present=conference.ended_at is None,
            read_at=now,
        )
        return row

    return make


@pytest.fixture
def kim_listens(account: Account, kim: User, now: datetime) -> Callable[..., SupervisorSession]:
    """Return a function that puts Kim's ear into a call, in a role."""

    def listen(call: Call, *, role: str = Role.MONITOR, targets: tuple[Leg, ...] = ()) -> SupervisorSession:
        ear = Ear.objects.create(
            account=account,
            user=kim,
            line=kim.lines.get(),
            kind="sip",
            call_control_id="v3:kim",
            state=Ear.State.CONNECTED,
            created_at=now,
            connected_at=now,
        )
        leg = Leg.objects.create(account=account, call_control_id="v3:kim", party=Leg.Party.SUPERVISOR)
        Participant.objects.create(account=account, conference=call.conference, leg=leg, joined_at=now, present=True)
        return SupervisorSession.objects.create(
            user=kim,
            ear=ear,
            conference=call.conference,
            stage=SupervisorSession.Stage.INSIDE,
            role=role,
            targets=[str(target.id) for target in targets],
            wanted_role=role,
            wanted_targets=[str(target.id) for target in targets],
            wanted_at=now,
            audience_seen=[str(heard.id) for heard in (call.customer, *call.agents)],
            started_at=now,
            inside_at=now,
            verified_at=now,
        )

    return listen


@pytest.fixture
def page_of() -> Callable[[User], Client]:
    """Return a function that signs somebody in."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


def note(user: User | None, action: str, at: datetime, call: Call | None = None, **more: object) -> AuditEntry:
    about = {"conference_id": call.conference.pk, "conference_name": str(call.conference)} if call else {}
    return AuditEntry.objects.create(actor=user, action=action, at=at, **about, **more)


@pytest.fixture
def listened(now: datetime) -> Listens:
    """Return a function that writes what the audit keeps of one listening: a minute of monitor, 2:14 of whisper."""

    def write(
        user: User,
        call: Call,
        *,
        ends: bool = True,
        verified: bool = True,
        begin: datetime = now,
        session: UUID | None = None,
    ) -> UUID:
        session = session or uuid4()
        whisper = {"role": "whisper", "targets": [str(call.agents[0].pk)], "command_id": uuid4(), "cause": "pressed"}
        join = {"role": "monitor", "command_id": uuid4(), "cause": "pressed"}
        proof: list[Step] = [(63, "update verified", whisper)] if verified else []
        leave = {"command_id": uuid4(), "cause": "pressed"}
        way_out: list[Step] = [(196, "leave asked", leave), (196, "ended", {"detail": "You left."})] if ends else []
        steps: list[Step] = [
            (0, "entering", {"role": "monitor"}),
            (1, "join asked", join),
            (2, "join accepted", join),
            (3, "join verified", join),
            (60, "update asked", whisper),
            (62, "update accepted", whisper),
            *proof,
            *way_out,
        ]
        for second, action, more in steps:
            note(user, action, begin + timedelta(seconds=second), call, session_id=session, **more)
        return session

    return write
