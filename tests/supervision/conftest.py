"""The whole way without waiting: our service layer, client, intake and worker steps against the sandbox's world.

Everything is the real code; only the socket between the client and the sandbox's API is left out, and the clock is
virtual, so that forty-five seconds pass in no time and always in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import pytest
import requests
import time_machine
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from requests.adapters import BaseAdapter

from conferences.clients import client_for
from conferences.intake import endpoint
from conferences.models import Account, Agent, Command, Conference, Leg, Presence, SupervisorSession, Team
from conferences.models.supervision import Role
from conferences.reconciliation.reconciler import Reconciler
from conferences.sandbox.center import directory
from conferences.sandbox.center.scene import Scene
from conferences.sandbox.rest.router import Answer, Api, RateLimit, Request
from conferences.sandbox.serving.faults import Fault, Faults
from conferences.sandbox.telephony import calls, hearing, membership
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import Delivery, body_of
from conferences.supervision import Press, adopt, choose_role, open_ears, renew_lines, step_ear

START = datetime(2026, 8, 21, 14, 0, tzinfo=UTC)
STEP = 0.25


class InProcess(BaseAdapter):
    """Hands a prepared request to the sandbox's API, faults included."""

    def __init__(self, floor: Floor) -> None:
        super().__init__()
        self.floor = floor

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        raw = request.body.encode() if isinstance(request.body, str) else request.body or b""
        path = parts.path.removeprefix("/v2")
        asked = Request(
            str(request.method), path, dict(parse_qsl(parts.query)), str(request.headers["Authorization"]), raw
        )
        try:
            answer = self.answer(asked, patience=kwargs.get("timeout"))
        except requests.RequestException:
            self.floor.api.record(asked, status=None)
            raise
        self.floor.api.record(asked, status=answer.status)
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status, str(request.url), request
        response.raw = BytesIO(self.floor.json(answer.body))
        response.headers.update(dict(answer.headers))
        return response

    def answer(self, asked: Request, *, patience: Any) -> Answer:
        """Execute a request, or let it go wrong; here nothing takes time, whatever the caller's patience."""
        fault = self.floor.faults.take(method=asked.method, path=asked.path)
        if fault is None:
            return self.floor.api.handle(asked)
        self.floor.struck_at = self.floor.now
        if fault.when == "late":
            self.floor.world.after(fault.delay_s, self.execute_late, asked)
            if fault.status is not None:
                return self.refusal(fault)
            raise requests.ReadTimeout("no answer, and executed late")
        if fault.replaces:
            if fault.drop or fault.status is None:
                raise requests.ConnectionError("dropped")
            return self.refusal(fault)
        answer = self.floor.api.handle(asked)
        if fault.drop:
            raise requests.ReadTimeout("executed, but the answer is lost")
        return answer if fault.status is None else self.refusal(fault)

    def execute_late(self, asked: Request) -> None:
        self.floor.api.handle(asked)

    @staticmethod
    def refusal(fault: Fault) -> Answer:
        assert fault.status is not None
        if fault.status == 200:
            return Answer(200, {"data": {"result": "ok"}})
        error = {"code": fault.code, "title": "a fault", "detail": fault.detail}
        return Answer(fault.status, {"errors": [error]}, fault.headers)

    def close(self) -> None:
        pass


@dataclass
class Floor:
    """The sandbox's world beside our database, moved through time together."""

    world: World
    api: Api
    account: Account
    travel: Any
    faults: Faults = field(default_factory=Faults)
    webhooks_lost: bool = False
    clock_behind: float = 0
    """Seconds that our clock is behind Telnyx'."""
    log_of_deliveries: list[Delivery] | None = None
    watch: Callable[[], None] | None = None
    struck_at: datetime | None = None
    """When a fault struck a request for the last time."""
    busy: set[object] = field(default_factory=set)
    page: UUID = field(default_factory=uuid4)
    presses: int = 0

    def press(self, *, ago: float = 0) -> Press:
        """A press on the one page that is open, so many seconds ago."""
        self.presses += 1
        return Press(at=self.now - timedelta(seconds=ago), page=self.page, number=self.presses)

    @property
    def phones(self) -> Phones:
        return self.api.phones

    def set_clock_behind(self, seconds: float) -> None:
        """Set our clock back so many seconds, as the intake has measured it."""
        self.clock_behind = seconds
        self.travel.move_to(self.now)
        Account.objects.update(clock_ahead=-seconds, heard_at=self.now)

    def begin_again(self) -> None:
        """Start over with an empty world at the same moment."""
        self.world = new_world()
        self.api = new_api(self.world)
        self.faults, self.webhooks_lost, self.watch = Faults(), False, None
        self.travel.move_to(self.now)
        vars(self).pop("reconciler", None)

    @property
    def now(self) -> datetime:
        """Our own clock."""
        return datetime.fromtimestamp(self.world.now - self.clock_behind, UTC)

    @staticmethod
    def json(body: object) -> bytes:
        return json.dumps(body).encode()

    def call(self, *, agents: tuple[str, ...] = ("Ana Ruiz",), customer: str = "+4930123456142") -> Call:
        """A customer's call with these agents, on the board."""
        team = directory.team_named("Billing")
        scene = Scene(world=self.world, name="Billing-4312", team=team)
        scene.greet(scene.arrive(customer))
        for name in agents:
            scene.connect(scene.ring(next(agent for agent in team.agents if agent.name == name)))
        assert scene.conference is not None
        self.wait(2)
        return Call(floor=self, scene=scene)

    def wait(self, seconds: float, *, until: Callable[[], bool] | None = None) -> None:
        """Let time pass, a quarter of a second at a time; stop early when `until` is true."""
        for _ in range(round(seconds / STEP)):
            if until is not None and until():
                return
            self.tick()
        assert until is None or until(), "it did not happen in time"

    def tick(self) -> None:
        """Let one step of time pass, and everything run that is due.

        A request that hangs ticks from within: then what waits for it is left out, as its thread would be busy.
        """
        self.world.advance(self.world.now + STEP)
        self.travel.move_to(self.now)
        self.deliver()
        self._unless_busy("reconciler", lambda: self.reconciler.step(reads_per_second=self.account.reads_per_second))
        if self.now.microsecond == 0:
            adopt(now=self.now)
        self._unless_busy("renewal", lambda: renew_lines(now=self.now))
        for ear in open_ears():
            self._unless_busy(ear, partial(step_ear, ear_id=ear, now=self.now))
        self.deliver()
        if self.watch is not None:
            self.watch()

    def _unless_busy(self, what: object, do: Callable[[], Any]) -> None:
        if what not in self.busy:
            self.busy.add(what)
            try:
                do()
            finally:
                self.busy.discard(what)

    def deliver(self) -> None:
        """Take the world's webhooks in, as the endpoint would after verifying them."""
        events = list(self.world.outbox)
        self.world.outbox.clear()
        if self.webhooks_lost and self.log_of_deliveries is not None:
            now = self.world.now
            self.log_of_deliveries += [Delivery(0, event, started_at=now, finished_at=now) for event in events]
            self.api.deliveries = self.log_of_deliveries
        if events and not self.webhooks_lost:
            endpoint.store(
                [endpoint.Received(self.account.pk, body_of(event, attempt=1), self.now) for event in events]
            )

    def world_legs_to(self, address: str) -> list[Any]:
        """The legs that were ever dialled to an address."""
        return [leg for leg in self.world.legs.values() if leg.to == address]

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(account=self.account, client=client_for(self.account), clock=lambda: self.now)

    def fault(self, path: str, **order: Any) -> None:
        """Order a fault for POSTs to a path such as */actions/update."""
        self.faults.arm({"method": "POST", "path": path, **order})

    def go_live(self) -> None:
        """Skip the time after a first start until everything has been compared once."""
        Account.objects.update(checked_at=self.now, unsure_since=None)

    def sent(self, ending: str) -> list[dict[str, Any]]:
        """The bodies of the commands that reached Telnyx at paths with this ending."""
        return [entry["body"] for entry in self.api.log if entry["method"] == "POST" and entry["path"].endswith(ending)]


@dataclass
class Call:
    floor: Floor
    scene: Scene

    @property
    def conference(self) -> Conference:
        assert self.scene.conference is not None
        return Conference.objects.get(telnyx_id=self.scene.conference.id)

    def legs(self) -> dict[str, Leg]:
        """Our legs by who they are: an agent's name, "customer", "supervisor"."""
        return {
            (leg.agent.name if leg.agent else str(leg.party)): leg
            for leg in Leg.objects.filter(participations__conference=self.conference).select_related("agent")
        }

    def present(self) -> list[Any]:
        participants = self.conference.participants.filter(present=True).exclude(leg__party=Leg.Party.SUPERVISOR)
        return list(participants.values_list("leg_id", flat=True))

    def choose(self, user: User, role: Role, *targets: str) -> SupervisorSession:
        """Click a role, having seen who is present; the page stays open."""
        return self.choose_seeing(user, role, *targets, audience=self.present())

    def choose_at(self, user: User, role: Role, *targets: str, press: Press) -> SupervisorSession:
        """Let a role that was pressed at some other moment reach us now."""
        return self.choose_seeing(user, role, *targets, audience=self.present(), press=press)

    def choose_seeing(
        self, user: User, role: Role, *targets: str, audience: list[Any], press: Press | None = None
    ) -> SupervisorSession:
        """Click a role on a page that showed these legs as present."""
        legs = self.legs()
        if not Session.objects.exists():
            sign_in(user)  # pages are shown only to those who are
        Presence.objects.update_or_create(user=user, defaults={"seen_at": self.floor.now})
        session = choose_role(
            user=user,
            conference=self.conference,
            role=role,
            targets=[legs[name].pk for name in targets],
            audience=audience,
            press=press or self.floor.press(),
            now=self.floor.now,
        )
        self.floor.deliver()
        return session

    def bring_in(self, user: User) -> SupervisorSession:
        """Choose Monitor and wait until Telnyx has confirmed it."""
        session = self.choose(user, Role.MONITOR)
        self.floor.wait(20, until=lambda: self.state(session).verified_at is not None)
        return self.state(session)

    def state(self, session: SupervisorSession) -> SupervisorSession:
        return SupervisorSession.objects.get(pk=session.pk)

    def newest(self, session: SupervisorSession) -> Command:
        return Command.objects.filter(session=session).latest("asked_at")

    def who_hears(self, session: SupervisorSession) -> set[str]:
        """The labels of those who hear the supervisor, out of the sandbox's matrix."""
        conference = self.scene.conference
        assert conference is not None
        mine = session.ear.call_control_id
        matrix = hearing.matrix(conference, semantics=self.floor.world.semantics)
        return {
            conference.participants[listener].leg.label for listener, speakers in matrix.items() if mine in speakers
        }


def customer_joins(floor: Floor, call: Call) -> None:
    leg = calls.incoming(
        floor.world, connection_id=directory.CALLS_CONNECTION_ID, from_="+4930123456199", to="+18005550101"
    )
    calls.answer(floor.world, leg)
    assert call.scene.conference is not None
    membership.join(floor.world, call.scene.conference, leg)


def sign_in(user: User) -> SessionStore:
    """Give a user a session, as signing in would."""
    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


@pytest.fixture
def kim(kim: User) -> User:
    """Kim, signed in."""
    sign_in(kim)
    return kim


@pytest.fixture
def lena(lena: User) -> User:
    """Lena, signed in."""
    sign_in(lena)
    return lena


def session_to(adapter: BaseAdapter) -> requests.Session:
    """Return a session for a client whose requests end at the adapter."""
    session = requests.Session()
    session.mount("http://", adapter)
    return session


@contextmanager
def new_floor(settings: Any, billing: Team) -> Iterator[Floor]:
    """Yield an empty sandbox beside an empty database, with the agents of Billing."""
    settings.TELNYX_API_BASE = "http://127.0.0.1/v2"
    settings.TELNYX_API_KEY = "sandbox-test-key"
    settings.TELNYX_CONNECTION_ID = directory.EAR_CONNECTION_ID
    settings.TELNYX_FROM_NUMBER = directory.FROM_NUMBER
    account = Account.objects.create(name="default")
    for agent in directory.team_named("Billing").agents:
        Agent.objects.create(name=agent.name, team=billing, sip_username=agent.sip_username)
    account.connections.create(connection_id=directory.CALLS_CONNECTION_ID, name="calls", role="calls", team=billing)
    with time_machine.travel(START, tick=False) as travel:
        world = new_world()
        floor = Floor(world=world, api=new_api(world), account=account, travel=travel)
        client_for(account, session=session_to(InProcess(floor)))
        yield floor


def new_world() -> World:
    return World(seed=7, now=START.timestamp(), webhook_url="http://127.0.0.1/webhooks")


def new_api(world: World) -> Api:
    return Api(world=world, phones=Phones(), api_key="sandbox-test-key", rate=RateLimit(limit=1000))
