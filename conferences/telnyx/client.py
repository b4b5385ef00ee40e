"""The Telnyx Voice API as far as Floorline speaks it: a closed set of typed calls.

What must never be sent cannot be written down here: a role without its name, a whisper without listeners, a command
for a leg that is not an ear, `none` as a way to stop. Commands are never repeated by a library: whoever sends one
learns whether Telnyx answered, refused, or left the outcome open.

API reference: https://developers.telnyx.com/api-reference/conference-commands/update-conference-participant
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NewType
from urllib.parse import quote
from uuid import UUID

import requests
from requests.adapters import HTTPAdapter

from .inbound import clean_text, read_time

CONNECT_SECONDS = 3.05
READ_SECONDS = 8.0
COMMAND_READ_SECONDS = 4.0
PAGE_SIZE = 250
MAX_PAGES = 200  # fifty thousand conferences at once; a number of pages beyond that is a mistake
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_REST_SECONDS = 60

# A supervisor's own leg; only conferences.supervision makes one, from the ear it has pinned.
MyLeg = NewType("MyLeg", str)


class Rejected(Exception):
    """Telnyx answered, and the answer is no. `code` is Telnyx's error code, "" where it gave none."""

    def __init__(self, *, status: int, code: str, title: str) -> None:
        super().__init__(f"HTTP {status} {code} {title}".strip())
        self.status = status
        self.code = code
        self.title = title


class Unanswered(Exception):
    """Telnyx did not answer, or broke off: the command may have run, may still run, or never will."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """Hears everyone; nobody hears the supervisor."""

    name = "monitor"


@dataclass(frozen=True, slots=True)
class Barge:
    """Hears everyone and is heard by everyone."""

    name = "barge"


@dataclass(frozen=True, slots=True)
class Stay:
    """Telnyx's `none`: an ordinary participant, as audible as barge."""

    name = "none"


@dataclass(frozen=True, slots=True)
class Whisper:
    """Heard by the named legs only. Without listeners Telnyx would turn it into monitoring, so one is required."""

    first: str
    more: tuple[str, ...] = ()
    name = "whisper"

    @property
    def listeners(self) -> list[str]:
        return [self.first, *self.more]


SupervisorRole = Monitor | Whisper | Barge | Stay


@dataclass(frozen=True, slots=True)
class ConferenceRead:
    """A conference as Telnyx lists it."""

    id: str
    name: str
    status: str
    created_at: datetime | None
    ended: bool
    end_reason: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class ConferencePage:
    """One page of a listing."""

    conferences: list[ConferenceRead]
    last: bool


@dataclass(frozen=True, slots=True)
class ParticipantRead:
    """A participant as Telnyx lists it. There is no role in it; muted and the whisper list are all it tells."""

    call_control_id: str
    call_leg_id: str
    status: str
    muted: bool
    on_hold: bool
    whisper_call_control_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page of Telnyx' log of deliveries: the events, as the webhooks would have brought them."""

    events: list[Mapping[str, Any]]
    last: bool


@dataclass(frozen=True, slots=True)
class CallRead:
    """A call as Telnyx knows it; readable for ten minutes after its end."""

    call_control_id: str
    is_alive: bool
    client_state: str = ""


class Client:
    """One account's connection to Telnyx. Threads may share it."""

    def __init__(self, *, api_base: str, api_key: str, region: str = "") -> None:
        self._base = api_base
        self._region = {"region": region} if region else {}
        self._reads_rest_until = 0.0
        self._session = requests.Session()
        # No proxies, .netrc or CA bundles from the environment: the API key goes to api_base and nowhere else.
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Bearer {api_key}", "User-Agent": "floorline"})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=16, max_retries=0))

    # --- the supervisor's own leg -------------------------------------------------------------------------------------

    def dial(
        self, *, command_id: UUID, connection_id: str, to: str, from_number: str, webhook_url: str, client_state: str
    ) -> MyLeg:
        """Ring a supervisor's line on the ear application; the answer is the new leg."""
        answer = self._command(
            "/calls",
            {
                "connection_id": connection_id,
                "to": to,
                "from": from_number,
                "timeout_secs": 30,
                "time_limit_secs": 14400,
                # Parked between conferences it is sent nothing, and networks drop a line that stays without media.
                "send_silence_when_idle": True,
                "client_state": client_state,
                "custom_headers": [{"name": "X-Floorline-Ear", "value": "1"}],
                "webhook_url": webhook_url,
                "command_id": str(command_id),
            },
        )
        leg = clean_text(_mapping(answer.get("data")).get("call_control_id"), limit=200)
        if not leg:
            raise Unanswered("Telnyx accepted the dial but named no leg")
        return MyLeg(leg)

    def gather(self, *, command_id: UUID, my_leg: MyLeg, prompt: str) -> None:
        """Ask the person at the phone to press 1, so that a mailbox never gets into a conference."""
        self._command(
            f"/calls/{_segment(my_leg)}/actions/gather_using_speak",
            {
                "payload": prompt,
                "voice": "female",
                "language": "en-US",
                "valid_digits": "1",
                "minimum_digits": 1,
                "maximum_digits": 1,
                "maximum_tries": 3,
                "timeout_millis": 6000,
                "command_id": str(command_id),
            },
        )

    def join(self, *, command_id: UUID, conference_id: str, my_leg: MyLeg, role: SupervisorRole) -> None:
        """Bring the supervisor's leg in: its role said, without a beep, and never as the one whose exit ends it."""
        self._command(
            f"/conferences/{_conference(conference_id)}/actions/join",
            {
                "call_control_id": my_leg,
                **_role_fields(role),
                "beep_enabled": "never",
                "end_conference_on_exit": False,
                "soft_end_conference_on_exit": False,
                "command_id": str(command_id),
                **self._region,
            },
        )

    # `patience` is how many seconds to wait for the answer before the caller asks again.

    def set_role(
        self,
        *,
        command_id: UUID,
        conference_id: str,
        my_leg: MyLeg,
        role: SupervisorRole,
        patience: float = COMMAND_READ_SECONDS,
    ) -> None:
        """Change what the supervisor's leg hears and who hears it."""
        self._command(
            f"/conferences/{_conference(conference_id)}/actions/update",
            {"call_control_id": my_leg, **_role_fields(role), "command_id": str(command_id), **self._region},
            patience=patience,
        )

    def leave(
        self, *, command_id: UUID, conference_id: str, my_leg: MyLeg, patience: float = COMMAND_READ_SECONDS
    ) -> None:
        """Take the supervisor's leg out; it stays connected, parked."""
        self._command(
            f"/conferences/{_conference(conference_id)}/actions/leave",
            {"call_control_id": my_leg, "beep_enabled": "never", "command_id": str(command_id), **self._region},
            patience=patience,
        )

    def hangup(self, *, command_id: UUID, my_leg: MyLeg, patience: float = COMMAND_READ_SECONDS) -> None:
        """Hang up the supervisor's own leg."""
        self._command(f"/calls/{_segment(my_leg)}/actions/hangup", {"command_id": str(command_id)}, patience=patience)

    # --- reads --------------------------------------------------------------------------------------------------------

    def conference_pages(self, status: Literal["in_progress", "completed"]) -> Iterator[ConferencePage]:
        """Yield pages of conferences, the newest first; each page is one request, sent when it is asked for."""
        for items, last in self._pages("/conferences", {"filter[status]": status, **self._region}):
            yield ConferencePage([_conference_read(item) for item in items], last)

    def conference(self, conference_id: str) -> ConferenceRead:
        """Read one conference. Raises Rejected (404) where Telnyx does not know it, or not in this region."""
        answer = self._read(f"/conferences/{_conference(conference_id)}", self._region)
        read = _conference_read(_mapping(answer.get("data")))
        if read.id != _conference(conference_id):
            raise Unanswered("the answer is not about this conference")
        return read

    def participants(
        self, conference_id: str, *, with_left: bool = False, patience: float = READ_SECONDS
    ) -> list[ParticipantRead]:
        """Read who is in a conference, and where asked for, who of those who left Telnyx still names."""
        path = f"/conferences/{_conference(conference_id)}/participants"
        pages = self._pages(path, self._region, patience=patience)
        named = [_participant_read(item) for items, _ in pages for item in items]
        return [read for read in named if read.call_control_id and (with_left or read.status != "left")]

    def call(self, call_control_id: str, *, patience: float = READ_SECONDS) -> CallRead:
        """Read whether a call is alive. Raises Unanswered where the answer does not say."""
        data = _mapping(self._read(f"/calls/{_segment(call_control_id)}", {}, patience=patience).get("data"))
        alive = data.get("is_alive")
        if not isinstance(alive, bool):
            raise Unanswered("the answer does not say whether the call is alive")
        state = clean_text(data.get("client_state"), limit=4000)
        return CallRead(call_control_id=call_control_id, is_alive=alive, client_state=state)

    def failed_deliveries(self, *, since: datetime) -> Iterator[DeliveryPage]:
        """Yield pages of webhooks, begun since then, that Telnyx has given up delivering.

        They may be of any product and application of the account. Each page is one request, sent when it is asked for.
        https://developers.telnyx.com/api-reference/webhooks/list-webhook-deliveries
        """
        query = {"filter[status][eq]": "failed", "filter[started_at][gte]": since.isoformat()}
        for items, last in self._pages("/webhook_deliveries", query):
            yield DeliveryPage([_mapping(item.get("webhook")) for item in items], last)

    @property
    def may_read(self) -> bool:
        """Say whether half of Telnyx' rate limit is left: the other half is the call flow's, and our commands'."""
        return time.monotonic() >= self._reads_rest_until

    # --- transport ----------------------------------------------------------------------------------------------------

    def _command(
        self, path: str, body: Mapping[str, object], *, patience: float = COMMAND_READ_SECONDS
    ) -> Mapping[str, Any]:
        return self._send("POST", path, json_body=body, read_seconds=patience)

    def _read(self, path: str, query: Mapping[str, str | int], *, patience: float = READ_SECONDS) -> Mapping[str, Any]:
        return self._send("GET", path, query=query, read_seconds=patience)

    def _note_rate_limit(self, headers: Mapping[str, str]) -> None:
        limit, left = _number(headers.get("x-ratelimit-limit")), _number(headers.get("x-ratelimit-remaining"))
        if limit and left is not None and left <= limit / 2:
            seconds = min(_number(headers.get("x-ratelimit-reset")) or 1, MAX_REST_SECONDS)
            self._reads_rest_until = time.monotonic() + seconds

    def _pages(
        self, path: str, query: Mapping[str, str], *, patience: float = READ_SECONDS
    ) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
        """Yield each page and whether it is the last.

        Raises Unanswered where an answer is no list: it must not pass for an empty one.
        """
        for number in range(1, MAX_PAGES + 1):
            asked: dict[str, str | int] = {**query, "page[number]": number, "page[size]": PAGE_SIZE}
            answer = self._read(path, asked, patience=patience)
            data = answer.get("data")
            if not isinstance(data, list):
                raise Unanswered("the answer holds no list")
            pages = _mapping(answer.get("meta")).get("total_pages")
            last = not data or not isinstance(pages, int) or number >= pages
            yield [_mapping(item) for item in data], last
            if last:
                return

    def _send(
        self,
        method: str,
        path: str,
        *,
        read_seconds: float,
        json_body: Mapping[str, object] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Mapping[str, Any]:
        connect_seconds = min(CONNECT_SECONDS, 2 * read_seconds)
        deadline = time.monotonic() + connect_seconds + 2 * read_seconds
        try:
            with self._session.request(
                method,
                self._base + path,
                json=json_body,
                params=query,
                timeout=(connect_seconds, read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                self._note_rate_limit(response.headers)
                body = _body(response, deadline=deadline)
        except requests.RequestException as error:
            raise Unanswered(type(error).__name__) from error
        if status >= 500:
            raise Unanswered(f"HTTP {status}")
        document = _document(body)
        if status >= 300:
            raise _rejection(status, document)
        return document


def _role_fields(role: SupervisorRole) -> dict[str, object]:
    fields: dict[str, object] = {"supervisor_role": role.name}
    if isinstance(role, Whisper):
        fields["whisper_call_control_ids"] = role.listeners
    return fields


def _body(response: requests.Response, *, deadline: float) -> bytes:
    """Read an answer; the read time-out alone would let one that drips go on for ever."""
    body = bytearray()
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise Unanswered("the answer is too long, or too slow")
    return bytes(body)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _rejection(status: int, document: Mapping[str, Any]) -> Rejected:
    errors = document.get("errors")
    first = _mapping(errors[0]) if isinstance(errors, list) and errors else {}
    return Rejected(
        status=status, code=clean_text(first.get("code"), limit=16), title=clean_text(first.get("title"), limit=100)
    )


def _segment(value: str) -> str:
    return quote(value, safe=":")


def _conference(value: str) -> str:
    """Return the id for a path. Names are refused: Telnyx reuses them, so a command could hit the wrong conference."""
    return str(UUID(value))


def _conference_read(item: Mapping[str, Any]) -> ConferenceRead:
    status = clean_text(item.get("status"), limit=20)
    return ConferenceRead(
        id=clean_text(item.get("id"), limit=128),
        name=clean_text(item.get("name"), limit=200),
        status=status,
        created_at=read_time(item.get("created_at")),
        ended=status == "completed",
        end_reason=clean_text(item.get("end_reason"), limit=32),
        connection_id=clean_text(item.get("connection_id"), limit=64),
    )


def _participant_read(item: Mapping[str, Any]) -> ParticipantRead:
    whispering = item.get("whisper_call_control_ids")
    return ParticipantRead(
        call_control_id=clean_text(item.get("call_control_id"), limit=200),
        call_leg_id=clean_text(item.get("call_leg_id"), limit=64),
        status=clean_text(item.get("status"), limit=16),
        muted=item.get("muted") is True,
        on_hold=item.get("on_hold") is True,
        whisper_call_control_ids=tuple(
            clean_text(target, limit=200) for target in (whispering if isinstance(whispering, list) else [])
        ),
    )
