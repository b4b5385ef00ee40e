"""Random stories of a floor: calls come and go, people join, speak, are put on hold and listened to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from django.contrib.auth.models import User

from conferences.models import (
    Account,
    Agent,
    Conference,
    Connection,
    Ear,
    Leg,
    Participant,
    SupervisorSession,
    Team,
    TeamRule,
)
from conferences.models.supervision import Role

from .conftest import announced

NAMES = ("Billing", "billing", "Überweisung", "Support", "", "Zoll", "Ana")


@dataclass
class Story:
    """A floor that changes at random; every step takes a version, as every writer does."""

    chance: Random
    account: Account
    teams: list[Team]
    now: datetime
    people: list[User] = field(default_factory=list)
    live: list[Conference] = field(default_factory=list)
    told: int = 0

    def __post_init__(self) -> None:
        self.agents = [
            Agent.objects.create(name=f"{name} {team.name}", team=team, reference=f"{name}-{team.pk}")
            for team in self.teams
            for name in ("Ana", "Max")
        ]
        Agent.objects.filter(name__startswith="Max").update(created_at=self.now - timedelta(days=400))
        self.connections = [
            Connection.objects.create(account=self.account, connection_id=f"line-{team.pk}", name=team.name, team=team)
            for team in self.teams
        ]

    def step(self) -> None:
        """Let one thing happen, a moment later."""
        self.now += timedelta(seconds=self.chance.choice([0, 0.2, 3, 30, 200]))
        steps = [self.begin] if not self.live else [
            self.begin, self.begin, self._end, self._rename, self._speak, self._speak, self._join, self._leave,
            self._hold, self._listen, self._stop_listening,
        ]  # fmt: skip
        self.chance.choice(steps)()

    def begin(self) -> None:
        team = self.chance.choice([*self.teams, None])
        conference = Conference.objects.create(
            account=self.account,
            telnyx_id=f"conference-{self._count()}",
            name=self._name(),
            team=team,
            connection_id=f"line-{team.pk}" if team else "",
            rule=TeamRule.objects.order_by("place").last(),
            started_at=self.now - timedelta(seconds=self.chance.choice([0, 0, 500, 590, 1790, 4000])),
        )
        self.live.append(conference)
        self._enter(conference, None)
        for _ in range(self.chance.choice([0, 1, 1, 2, 5])):
            self._enter(conference, self.chance.choice(self.agents))
        self._announce(conference)

    def change_thresholds(self) -> None:
        """Let an admin give a team other thresholds, or Floorline's own, and show live calls anew."""
        team = self.chance.choice(self.teams)
        Team.objects.filter(pk=team.pk).update(
            long_call_minutes=self.chance.choice([None, 1, 9]),
            very_long_call_minutes=self.chance.choice([None, 10, 60]),
            same_speaker_seconds=self.chance.choice([None, 5, 300]),
            hold_seconds=self.chance.choice([None, 2, 600]),
            many_transfers=self.chance.choice([None, 1, 5]),
        )
        Conference.objects.filter(ended_at=None).update(version=announced())

    def _end(self) -> None:
        conference = self.live.pop(self.chance.randrange(len(self.live)))
        conference.participants.update(present=False)
        conference.supervisor_sessions.update(ended_at=self.now)
        self._announce(conference, ended_at=self.now)

    def _rename(self) -> None:
        self._announce(self._one(), name=self._name())

    def _speak(self) -> None:
        conference = self._one()
        legs = list(conference.participants.values_list("leg__call_control_id", flat=True))
        talk = {leg: float(self.chance.randrange(60)) for leg in legs}
        self._announce(conference, speaker_call_control_id=self.chance.choice(legs), speaker_since=self.now, talk=talk)

    def _join(self) -> None:
        conference = self._one()
        self._enter(conference, self.chance.choice([*self.agents, None]))
        self._announce(conference)

    def _leave(self) -> None:
        conference = self._one()
        participants = list(conference.participants.order_by("pk").values_list("pk", flat=True))
        conference.participants.filter(pk=self.chance.choice(participants)).update(present=False)
        self._announce(conference)

    def _hold(self) -> None:
        conference = self._one()
        since = self.chance.choice([None, self.now, self.now - timedelta(seconds=55)])
        conference.participants.update(on_hold=since is not None, held_since=since, read_at=self.now)
        self._announce(conference)

    def _listen(self) -> None:
        free = [user for user in self.people if not user.ears.filter(ended_at=None).exists()]
        if not free:
            return
        conference, user = self._one(), self.chance.choice(free)
        ear = Ear.objects.create(account=self.account, user=user, kind="sip", created_at=self.now)
        SupervisorSession.objects.create(
            user=user,
            ear=ear,
            conference=conference,
            role=self.chance.choice([Role.MONITOR, Role.BARGE]),
            stage=SupervisorSession.Stage.INSIDE,
            wanted_at=self.now,
            started_at=self.now,
        )
        self._announce(conference)

    def _stop_listening(self) -> None:
        session = SupervisorSession.objects.filter(ended_at=None).order_by("started_at").first()
        if session:
            Ear.objects.filter(pk=session.ear_id).update(ended_at=self.now)
            SupervisorSession.objects.filter(pk=session.pk).update(ended_at=self.now)
            self._announce(session.conference)

    def _enter(self, conference: Conference, agent: Agent | None) -> None:
        number = f"+49155501{self.chance.randrange(10**5):05}"
        leg = Leg.objects.create(
            account=self.account,
            call_control_id=f"v3:{self._count()}",
            party=Leg.Party.AGENT if agent else Leg.Party.CUSTOMER,
            agent=agent,
            direction="incoming",
            from_address="" if agent else number,
            queue="" if agent else self.chance.choice(["", "billing", "support"]),
        )
        Participant.objects.create(
            account=self.account, conference=conference, leg=leg, joined_at=self.now, present=True
        )

    def _announce(self, conference: Conference, **fields: object) -> None:
        Conference.objects.filter(pk=conference.pk).update(version=announced(), **fields)

    def _one(self) -> Conference:
        return self.chance.choice(self.live)

    def _name(self) -> str:
        return f"{self.chance.choice(NAMES)}{self.chance.choice(['', '-1', '-2', ' 7'])}"

    def _count(self) -> int:
        self.told += 1
        return self.told
