"""Three calls whose words are found wherever they leak, everybody who may ask for them, and how they ask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.test import Client
from django.utils import timezone

from conferences.clients import client_for
from conferences.models import (
    Account,
    Agent,
    AuditEntry,
    CachedValue,
    Command,
    Conference,
    Connection,
    Ear,
    Leg,
    Line,
    Note,
    Participant,
    Presence,
    Protection,
    SavedView,
    Screen,
    SupervisorSession,
    Team,
    TeamRule,
    UnsteeredLine,
    WebhookEvent,
)  # fmt: skip
from conferences.sandbox.center import directory
from conferences.sandbox.rest.router import Api, RateLimit
from conferences.sandbox.telephony.phones import Phones
from tests.supervision.conftest import Floor, InProcess, session_to
from tests.supervision.conftest import new_world as new_telnyx

from .people import Who, Whose, invited, session_of

FIELD_KEY = Fernet.generate_key().decode()
API_KEY = "KEY0199matrixPlanted"
WORDS = {Whose.OWN: "Quitten", Whose.OTHER: "Flieder", Whose.NONE: "Distel"}
"""In every name of a call, its team, its people, its notes; in nothing else."""
NUMBERS = {Whose.OWN: "+4915550177101", Whose.OTHER: "+4915550188202", Whose.NONE: "+4915550199303"}
CONTROL_ID = "v3:matrix0planted0"


@dataclass(slots=True)
class Call:
    """One call of the matrix, with a row of whatever can be about a call."""

    conference: Conference
    customer: Leg
    agent: Leg
    view: SavedView
    line: Line
    rows: dict[str, Any] = field(default_factory=dict)
    """By the model's name: what the admin shows of it."""


@dataclass(slots=True)
class World:
    """Everything that can be asked for, and everybody who asks."""

    calls: dict[Whose, Call]
    users: dict[Who, User | None]
    sessions: dict[Who, str]

    def client(self, who: Who, *, checks_forms: bool = False) -> Client:
        """Return a browser of somebody's, as new."""
        client = Client(enforce_csrf_checks=checks_forms, raise_request_exception=True)
        if self.sessions[who]:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[who]
        return client


def new_world(now: datetime) -> World:
    """Fill an empty database, beside a Telnyx that rings every phone."""
    account = Account.objects.create(
        name="default", api_key=API_KEY, checked_at=now, ear_connection_id=directory.EAR_CONNECTION_ID,
        from_number=directory.FROM_NUMBER, max_ears=50,
    )  # fmt: skip
    teams = {whose: Team.objects.create(name=f"{WORDS[whose]} team") for whose in (Whose.OWN, Whose.OTHER)}
    users = {who: invited(who, teams[Whose.OWN]) for who in Who}
    sessions = {who: session_of(user) for who, user in users.items()}
    User.objects.filter(pk=users[Who.INACTIVE].pk).update(is_active=False)  # type: ignore[union-attr]
    calls = {whose: _call(whose, account, teams.get(whose), now) for whose in Whose}
    return World(calls=calls, users=users, sessions=sessions)


def connect_to_telnyx() -> None:
    """Answer the account's requests from a sandbox in this process; and let the board have been compared just now."""
    Account.objects.update(checked_at=timezone.now(), unsure_since=None)
    account, telnyx = Account.objects.get(), new_telnyx()
    api = Api(world=telnyx, phones=Phones(), api_key=API_KEY, rate=RateLimit(limit=100_000))
    client_for(account, session=session_to(InProcess(Floor(world=telnyx, api=api, account=account, travel=None))))


def _call(whose: Whose, account: Account, team: Team | None, now: datetime) -> Call:
    word, number = WORDS[whose], NUMBERS[whose]
    begun = now - timedelta(minutes=5)
    number_of_it = list(Whose).index(whose)
    conference = Conference.objects.create(
        account=account, telnyx_id=str(UUID(int=99 + number_of_it)), name=f"{word} call", team=team, started_at=begun,
        read_at=now, connection_id=f"77{number_of_it}",
        rule=TeamRule.objects.get(for_leads=True),
    )  # fmt: skip
    agent = Agent.objects.create(name=f"Ada {word}", team=team, sip_username=f"gencred{word}") if team else None
    customer = _leg(conference, "customer", party="customer", from_address=number, caller_name=f"{word} {number}")
    answering = (
        _leg(conference, "agent", party="agent", agent=agent, evidence="SIP credential", direction="outgoing")
        if agent
        else _leg(conference, "unknown", party="unknown", from_address=number)
    )
    colleague = User.objects.create_user(f"colleague-{word}", first_name=word, last_name=word)
    if team:
        colleague.team_memberships.create(team=team)
    Note.objects.create(conference=conference, author=colleague, at=now, text=f"{word} note")
    view = SavedView.objects.create(user=colleague, name=f"{word} view", query="q=a", shared=team is not None)
    line = Line.objects.create(user=colleague, label=f"{word} phone", kind="sip", address=f"sip:{word}@a.example")
    call = Call(conference, customer, answering, view, line)
    call.rows = _rows(call, account=account, agent=agent, team=team, user=colleague, word=word, now=now)
    return call


def _leg(conference: Conference, who: str, **columns: Any) -> Leg:
    leg = Leg.objects.create(
        account=conference.account, call_control_id=f"{CONTROL_ID}{conference.telnyx_id}{who}",
        **{"direction": "incoming", **columns, "started_at": conference.started_at},
    )  # fmt: skip
    Participant.objects.create(
        account=conference.account, conference=conference, leg=leg, joined_at=conference.started_at, present=True
    )
    return leg


def _rows(
    call: Call, *, account: Account, agent: Agent | None, team: Team | None, user: User, word: str, now: datetime
) -> dict[str, Any]:
    """Return one row of each model that the admin shows, about this call."""
    conference, number = call.conference, call.customer.from_address
    control_id = f"{CONTROL_ID}{word}ear"
    ear = Ear.objects.create(
        account=account, user=user, kind="sip", call_control_id=control_id, state=Ear.State.CONNECTED, created_at=now
    )
    session = SupervisorSession.objects.create(
        user=user, ear=ear, conference=conference, stage=SupervisorSession.Stage.INSIDE, role="monitor",
        wanted_role="monitor", wanted_at=now, started_at=now, inside_at=now, end_reason=f"{word} {number}",
    )  # fmt: skip
    command = Command.objects.create(
        account=account, actor=user, ear=ear, session=session, conference=conference, kind="join", role="monitor",
        generation=1, asked_at=now, outcome=f"{word} {number}",
    )  # fmt: skip
    AuditEntry.objects.create(
        at=now, actor=user, action="ended", account=account, conference_id=conference.pk,
        conference_name=conference.name, session_id=session.pk, detail=f"{word} ended",
    )  # fmt: skip
    event = WebhookEvent.objects.create(
        account=account, event_id=f"{word}-event", event_type="call.initiated", occurred_at=now, received_at=now,
        conference_telnyx_id=conference.telnyx_id, call_control_id=call.customer.call_control_id, state="projected",
        body=f'{{"data": {{"payload": {{"from": "{number}", "call_control_id": "{control_id}"}}}}}}'.encode(),
    )  # fmt: skip
    connection = Connection.objects.create(
        account=account, connection_id=conference.connection_id, name=f"{word} line", team=team, role="calls"
    )
    rows: dict[str, Any] = {
        "account": account, "connection": connection, "conference": conference,
        "participant": conference.participants.get(leg=call.customer), "leg": call.customer, "webhookevent": event,
        "auditentry": AuditEntry.objects.get(session_id=session.pk), "team": team, "agent": agent, "command": command,
        "supervisorsession": session, "ear": ear, "user": user, "group": Group.objects.create(name=f"{word} group"),
        "unsteeredline": UnsteeredLine.objects.create(
            user=user, conference=conference, leg=call.agent, reason="no right", role="monitor", started_at=now
        ),
    }  # fmt: skip
    rows["teamrule"] = TeamRule.objects.create(looks_at="name", pattern=f"{word} rule", team=team, place=2000)
    rows["supervisor"] = user
    rows["protection"] = Protection.objects.create(kind="queue", pattern=f"{word} queue")
    for model, row in rows.items():
        if row is not None:
            content = ContentType.objects.get_for_model(type(row))
            LogEntry.objects.create(
                user=user,
                content_type=content,
                object_id=str(row.pk),
                object_repr=f"{word} {model}",
                action_flag=CHANGE,
            )
    return rows


@contextmanager
def undone() -> Iterator[None]:
    """Undo what happens inside, so that the next person asks the same world."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


UNNOTED = (Presence, Screen, CachedValue)
"""That a page is open is noted when it is asked for: the comparison with Telnyx begins with it. So are attempts to
sign in, in this table on PostgreSQL and in memory on SQLite.
"""


def state_of_the_database(*, but: tuple[type[models.Model], ...] = ()) -> str:
    """Return a digest of every row; two that are equal mean that nothing was stored, changed or deleted."""
    digest = hashlib.sha256()
    for model in apps.get_models():
        if model not in (*UNNOTED, *but):
            rows: models.QuerySet[Any, Any] = models.QuerySet(model)
            # A press puts off the end of its session.
            columns = ["session_key", "session_data"] if model is Session else []
            digest.update(repr([model.__name__, *rows.order_by("pk").values_list(*columns)]).encode())
    return digest.hexdigest()


def told_of(text: str, whose: Whose) -> list[str]:
    """Return what an answer tells about a call."""
    found = [WORDS[whose]] if WORDS[whose].casefold() in text.casefold() else []
    return found + secrets_in(text, whose)


def secrets_in(text: str, whose: Whose) -> list[str]:
    """Return what no answer may hold, whoever asks: a whole number, a leg's address at Telnyx, a key."""
    number = NUMBERS[whose]
    return [word for word in (number[4:], CONTROL_ID, API_KEY) if word in text]
