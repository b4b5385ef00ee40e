"""A stage with a virtual clock, and a real sandbox process with a receiver for its webhooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from benchmarks.servers import free_port
from conferences.sandbox.center.scene import Scene
from conferences.sandbox.rest.router import Api, RateLimit, Request
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.state import SandboxConference, SandboxLeg, WebhookSent
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks import signing

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
START = 1_787_320_800.0
API_KEY = "sandbox-test-key"
SEED = "0b" * 32
PUBLIC_KEY = signing.public_key(SEED)


@dataclass
class Stage:
    """The sandbox without HTTP and without waiting."""

    world: World
    phones: Phones
    api: Api
    events: list[WebhookSent] = field(default_factory=list)

    def ask(self, method: str, path: str, body: object = None, *, key: str = API_KEY) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(path)
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(method, parts.path, dict(parse_qsl(parts.query)), f"Bearer {key}", raw)
        answer = self.api.handle(request)
        self.collect()
        return answer.status, answer.body

    def code(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Ask for something refused, and return the status and the Telnyx code."""
        status, answer = self.ask(method, path, body)
        return status, answer["errors"][0]["code"]

    def wait(self, seconds: float) -> None:
        self.world.advance(self.world.now + seconds)
        self.collect()

    def collect(self) -> None:
        self.events.extend(self.world.outbox)
        self.world.outbox.clear()

    def types(self) -> list[str]:
        self.collect()
        return [event.type for event in self.events]

    def supervisor(self, to: str = "sip:kim@sip.telnyx.com", **more: object) -> str:
        """Dial a supervisor's phone on the ear application; return its call_control_id once it has rung for 2 s."""
        status, answer = self.ask("POST", "/calls", dial(to=to, **more))
        assert status == 200, answer
        self.wait(2)
        return str(answer["data"]["call_control_id"])


def dial(**more: object) -> dict[str, object]:
    return {"connection_id": "2781903345512846583", "from": "+18005550199", "to": "sip:kim@sip.telnyx.com"} | more


@pytest.fixture
def stage() -> Stage:
    world, phones = World(seed=7, now=START, webhook_url="http://127.0.0.1/webhooks"), Phones()
    return Stage(world, phones, Api(world=world, phones=phones, api_key=API_KEY, rate=RateLimit(limit=1000)))


@dataclass(frozen=True)
class Billing:
    """A running conference: a customer, Ana and Max."""

    conference: SandboxConference
    customer: SandboxLeg
    ana: SandboxLeg
    max: SandboxLeg

    @property
    def path(self) -> str:
        return f"/conferences/{self.conference.id}"


@pytest.fixture
def billing(stage: Stage) -> Billing:
    from conferences.sandbox.center.directory import team_named

    team = team_named("Billing")
    scene = Scene(world=stage.world, name="Billing-4312", team=team)
    customer = scene.arrive("+4930123456142")
    scene.greet(customer)
    for agent in team.agents[:2]:
        scene.connect(scene.ring(agent))
    assert scene.conference is not None
    stage.collect()
    return Billing(scene.conference, customer, *scene.agents)


@dataclass
class Receiver:
    """Takes webhooks; answers 200, or what `answers` holds first."""

    url: str
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    since: float = 0.0

    def begin(self, *, since: float) -> None:
        """Forget what came, and take no webhook of what happened before: those of an earlier test may come late."""
        self.since = since
        self.received.clear()
        self.answers.clear()

    def takes(self, body: bytes) -> bool:
        # Telnyx' times have no more than milliseconds.
        return datetime.fromisoformat(json.loads(body)["data"]["occurred_at"]).timestamp() > self.since - 0.01

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in list(self.received)]

    def told_of(self, made: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what has been told of a scripted call, each event once: phones of an earlier test may still ring."""
        legs = {leg["call_control_id"] for leg in made["legs"]}
        told = {
            event["data"]["id"]: event
            for event in self.events()
            if event["data"]["payload"].get("conference_id") == made["conference"]["id"]
            or event["data"]["payload"].get("call_control_id") in legs
        }
        return list(told.values())


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = 200
            if taken.takes(body):
                taken.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = taken.answers.popleft() if taken.answers else 200
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken = Receiver(f"http://127.0.0.1:{server.server_address[1]}/webhooks/telnyx/")
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield taken
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Receive what the sandbox of all tests tells."""
    with receiving() as one:
        yield one


@pytest.fixture
def own_receiver() -> Iterator[Receiver]:
    """Receive what one test tells; the sandbox of the others does not know it."""
    with receiving() as one:
        yield one


@dataclass
class Running:
    """A sandbox process, spoken to over HTTP."""

    url: str
    process: subprocess.Popen[bytes]
    session: requests.Session

    def control(self, method: str, path: str, body: object = None, *, status: int = 200) -> dict[str, Any]:
        response = self.session.request(method, f"{self.url}/sandbox{path}", json=body, timeout=20)
        assert response.status_code == status, response.text
        return dict(response.json())

    def rest(self, method: str, path: str, body: object = None, *, timeout: float = 20) -> requests.Response:
        headers = {"authorization": f"Bearer {API_KEY}"}
        return self.session.request(method, f"{self.url}/v2{path}", json=body, headers=headers, timeout=timeout)

    def script(self, name: str, **more: object) -> dict[str, Any]:
        return self.control("POST", "/calls", {"name": name, "agents": ["Ana Ruiz", "Max Falk"]} | more)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "TELNYX_API_KEY"}
    return kept | {"SANDBOX_API_KEY": API_KEY, "SANDBOX_SIGNING_SEED": SEED} | more


def eventually(find: Callable[[], Any], *, within: float = 20.0) -> Any:
    """Return the first truthy value of `find`, or its last one when time is up."""
    deadline = time.monotonic() + within
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@contextmanager
def running(*options: str) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", "conferences.sandbox", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment())
    with requests.Session() as session:
        session.trust_env = False
        sandbox = Running(f"http://127.0.0.1:{port}", process, session)

        def answers() -> bool:
            assert process.poll() is None, "the sandbox ended at once"
            try:
                return session.get(f"{sandbox.url}/sandbox/state", timeout=1).ok
            except (requests.ConnectionError, requests.Timeout):
                return False

        try:
            assert eventually(answers, within=60)
            yield sandbox
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def quiet_sandbox(receiver: Receiver) -> Iterator[Running]:
    """One process for all tests, without a story of its own."""
    with running("--calls", "0", "--webhook-url", receiver.url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(quiet_sandbox: Running, receiver: Receiver) -> Iterator[Running]:
    """Give each test default semantics, no faults, and an empty receiver."""
    receiver.begin(since=time.time())
    yield quiet_sandbox
    quiet_sandbox.control("DELETE", "/faults")
    quiet_sandbox.control("POST", "/semantics", {"whisper": "allow-list", "monitor_reads_muted": True})
