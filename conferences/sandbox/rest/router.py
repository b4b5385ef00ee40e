"""Routes REST requests at /v2: authentication, rate limit, endpoint, and answers to ignored duplicates."""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conferences.sandbox.center.holdings import Holdings
from conferences.sandbox.formats.errors import ApiError, not_found
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.rest import call_endpoints, conference_endpoints, setup_endpoints
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks import delivery

COMMAND_REMEMBERED_S = 60.0
RATE_WINDOW_S = 10.0
LOG_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Without the /v2 prefix."""
    query: dict[str, str]
    authorization: str
    raw_body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Json
    headers: tuple[tuple[str, str], ...] = ()


class CommandMemory:
    """A command_id counts once per scope for sixty seconds; later it executes again."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], Json] = {}
        self._order: deque[tuple[float, tuple[str, str]]] = deque()

    def recall(self, scope: str, command_id: str, *, now: float) -> Json | None:
        while self._order and self._order[0][0] <= now:
            del self._answers[self._order.popleft()[1]]
        return self._answers.get((scope, command_id))

    def remember(self, scope: str, command_id: str, answer: Json, *, now: float) -> None:
        self._answers[scope, command_id] = answer
        self._order.append((now + COMMAND_REMEMBERED_S, (scope, command_id)))


@dataclass
class RateLimit:
    """A fixed window; Telnyx publishes the headers, but no number."""

    limit: int
    window_ends: float = 0.0
    used: int = 0

    def count(self, *, now: float) -> tuple[bool, tuple[tuple[str, str], ...]]:
        """Count one request; return whether it is within the limit, and the headers that say so."""
        if now >= self.window_ends:
            self.window_ends, self.used = now + RATE_WINDOW_S, 0
        self.used += 1
        remaining = max(0, self.limit - self.used)
        headers = (
            ("x-ratelimit-limit", str(self.limit)),
            ("x-ratelimit-remaining", str(remaining)),
            ("x-ratelimit-reset", str(max(1, round(self.window_ends - now)))),
        )
        return self.used <= self.limit, headers


@dataclass
class Api:
    world: World
    phones: Phones
    api_key: str
    rate: RateLimit
    commands: CommandMemory = field(default_factory=CommandMemory)
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LOG_KEPT))
    received: int = 0
    deliveries: Iterable[delivery.Delivery] = ()
    holdings: Holdings = field(init=False)

    def __post_init__(self) -> None:
        self.holdings = Holdings(webhook_url=self.world.webhook_url, now=self.world.now)

    def handle(self, request: Request) -> Answer:
        """Execute one request at the world's present moment."""
        allowed, headers = self.rate.count(now=self.world.now)
        try:
            if not allowed:
                raise ApiError(429, "10011", "You have exceeded the maximum number of allowed requests.")
            self._authenticate(request)
            return Answer(200, self._execute(request), headers)
        except ApiError as error:
            return Answer(error.status, error.body(), headers)

    def record(self, request: Request, *, status: int | None) -> None:
        """Keep what was asked and how it was answered (None: not at all)."""
        self.received += 1
        try:
            body = json.loads(request.raw_body) if request.raw_body else None
        except (ValueError, RecursionError):
            body = None
        self.log.append(
            {
                "n": self.received,
                "at": self.world.now,
                "method": request.method,
                "path": request.path,
                "body": body,
                "status": status,
            }
        )

    def _authenticate(self, request: Request) -> None:
        scheme, _, key = request.authorization.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self.api_key.encode()):
            raise ApiError(401, "10009", "Could not understand the API key. It may be missing or invalid.")

    def _execute(self, request: Request) -> Json:
        if request.method == "GET":
            return self._read(request)
        if request.method not in {"POST", "PATCH"}:
            raise not_found()
        body = _parsed(request.raw_body)
        if request.method == "PATCH":
            return self._change(request, body)
        command_id = body.get("command_id")
        if not isinstance(command_id, str):
            return self._command(request, body)
        scope = request.path.partition("/actions/")[0]
        known = self.commands.recall(scope, command_id, now=self.world.now)
        if known is not None:
            return known
        answer = self._command(request, body)
        self.commands.remember(scope, command_id, answer, now=self.world.now)
        return answer

    def _read(self, request: Request) -> Json:
        parts = request.path.strip("/").split("/")
        if parts[0] == "conferences" and len(parts) > 1:
            conference_endpoints.refuse_elsewhere(self.world, request.query)
        match parts:
            case ["conferences"]:
                return conference_endpoints.list_conferences(self.world, request.query)
            case ["conferences", reference]:
                return conference_endpoints.retrieve(self.world, reference)
            case ["conferences", reference, "participants"]:
                return conference_endpoints.list_participants(self.world, reference, request.query)
            case ["calls", call_control_id]:
                return call_endpoints.retrieve(self.world, call_control_id)
            case ["connections", connection_id, "active_calls"]:
                return call_endpoints.active_calls(
                    self.world, connection_id, request.query, applications=self.holdings.applications
                )
            case ["webhook_deliveries"]:
                return delivery.listing(list(self.deliveries), request.query)
            case ["sip_registration_status"]:
                return setup_endpoints.registration(self.holdings, self.phones, request.query, now=self.world.now)
            case [name] if (rows := self._listed(name)) is not None:
                return setup_endpoints.listing(rows, request.query)
        raise not_found()

    def _listed(self, name: str) -> Sequence[Json] | None:
        """Return what a listing of the account's set-up lists; None where there is no such listing."""
        return {
            "call_control_applications": list(self.holdings.applications.values()),
            "credential_connections": self.holdings.connections,
            "telephony_credentials": self.holdings.credentials,
            "phone_numbers": self.holdings.numbers,
            "outbound_voice_profiles": self.holdings.profiles,
        }.get(name)

    def _change(self, request: Request, body: Json) -> Json:
        match request.path.strip("/").split("/"):
            case ["call_control_applications", application_id]:
                return setup_endpoints.update_application(self.holdings, application_id, body)
        raise not_found()

    def _command(self, request: Request, body: Json) -> Json:
        match request.path.strip("/").split("/"):
            case ["calls"]:
                return call_endpoints.dial(self.world, self.phones, body, applications=self.holdings.applications)
            case ["call_control_applications"]:
                return setup_endpoints.create_application(self.holdings, body)
            case ["conferences"]:
                return conference_endpoints.create(self.world, body)
            case ["calls", call_control_id, "actions", action]:
                return self._call_action(call_control_id, action, body)
            case ["conferences", reference, "actions", action]:
                return self._conference_action(reference, action, body)
        raise not_found()

    def _call_action(self, call_control_id: str, action: str, body: Json) -> Json:
        match action:
            case "hangup":
                return call_endpoints.hangup(self.world, call_control_id, body)
            case "answer":
                return call_endpoints.answer(self.world, call_control_id, body)
            case "speak":
                return call_endpoints.speak(self.world, call_control_id, body)
            case "gather" | "gather_using_speak":
                spoken = action == "gather_using_speak"
                return call_endpoints.gather(self.world, self.phones, call_control_id, body, spoken=spoken)
        raise not_found()

    def _conference_action(self, reference: str, action: str, body: Json) -> Json:
        conference_endpoints.refuse_elsewhere(self.world, body)
        match action:
            case "update":
                return conference_endpoints.update(self.world, reference, body)
            case "join":
                return conference_endpoints.join(self.world, reference, body)
            case "leave":
                return conference_endpoints.leave(self.world, reference, body)
            case "hold" | "unhold":
                return conference_endpoints.hold(self.world, reference, body, on_hold=action == "hold")
            case "mute" | "unmute":
                return conference_endpoints.mute(self.world, reference, body, muted=action == "mute")
            case "speak":
                return conference_endpoints.speak(self.world, reference, body)
            case "end":
                return conference_endpoints.end(self.world, reference)
        raise not_found()


def _parsed(raw: bytes) -> Json:
    try:
        body = json.loads(raw) if raw else {}
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "10015", "The request body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "10015", "The request body must be a JSON object.")
    return body
