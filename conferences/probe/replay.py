"""Plays a probe's capture against a sandbox of its own, and finds where Telnyx and the sandbox differ.

The sandbox's clock follows the capture's, so nothing is waited for. A phone is answered when the capture shows that it
has been.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from conferences.sandbox.center import directory
from conferences.sandbox.rest.router import Api, RateLimit
from conferences.sandbox.serving.loopback import loopback
from conferences.sandbox.telephony import calls, hearing
from conferences.sandbox.telephony.phones import Phones
from conferences.sandbox.telephony.world import World
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.transport import Exchange, Transport

from .capture import FORMAT, Line
from .legs import Party
from .redaction import TEXT, Redaction

KEY = "replay"
BEGAN = 1_787_320_800.0
NUMBERED = re.compile(r"(?P<kind>[a-z_ ]+) (?P<number>\d+)")
# The phones of the capture, as the sandbox is asked to dial them.
PHONES: Mapping[Party, str] = {
    "supervisor": "+15550100001",
    "agent": "+15550100002",
    "customer": "+15550100003",
}
# The fields whose values are compared; of all others it is compared whether they are there.
COMPARED = frozenset(
    {
        "record_type", "result", "status", "muted", "on_hold", "whisper_call_control_ids", "is_alive", "end_reason",
        "end_conference_on_exit", "soft_end_conference_on_exit", "call_control_id", "client_state",
    }
)  # fmt: skip
PRESENT = "present"


class NotACapture(Exception):
    """Why a file cannot be replayed, as a sentence."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that Telnyx and the sandbox do differently."""

    at: float
    step: str
    what: str
    telnyx: object
    sandbox: object

    def __str__(self) -> str:
        return f"{self.at:8.3f} s  {self.step}: {self.what}: Telnyx {_told(self.telnyx)}, sandbox {_told(self.sandbox)}"


def lines_of(text: str) -> list[Line]:
    """Read a capture. Raises NotACapture where it is none, or of another format."""
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        head = lines[0]
        if head["kind"] != "capture" or head["format"] != FORMAT:
            raise NotACapture(f"This version of Floorline replays captures of format {FORMAT}.")
        if not all(isinstance(float(line["at"]), float) and isinstance(line["kind"], str) for line in lines[1:]):
            raise NotACapture("A line has no kind.")
    except (ValueError, LookupError, TypeError) as error:
        raise NotACapture("This is no capture of `floorline probe`: it has one JSON object on each line.") from error
    return lines


def differences(lines: Iterable[Line]) -> list[Difference]:
    """Return where the sandbox answers otherwise than a capture's Telnyx, or lets other people hear each other."""
    world = World(seed=1, now=BEGAN)
    phones = Phones(dict.fromkeys(PHONES.values(), "no_answer"))
    api = Api(world=world, phones=phones, api_key=KEY, rate=RateLimit(limit=1_000_000))
    with loopback(api) as url:
        return list(_Replay(world, url).run(lines))


class _Replay:
    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._last: Exchange | None = None
        self._transport = Transport(api_base=url, api_key=KEY, record=self._note)
        self._values: dict[str, str] = {
            "the ear application": directory.EAR_CONNECTION_ID,
            "the other application": directory.CALLS_CONNECTION_ID,
            "the caller number": directory.FROM_NUMBER,
            "the probe's mark": base64.b64encode(b"{}").decode(),
            "the conference's name": "Floorline probe",
            TEXT: "text",
            **{f"the {party}'s phone": address for party, address in PHONES.items()},
        }

    def run(self, lines: Iterable[Line]) -> Iterator[Difference]:
        for line in lines:
            if "at" in line:
                self._world.advance(BEGAN + max(0.0, float(line["at"])))
            if line["kind"] == "request" and _is_decided(line["status"]):
                yield from self._request(line)
            elif line["kind"] == "heard" and line["heard"] is not None:
                yield from self._heard(line)

    def _note(self, exchange: Exchange) -> None:
        self._last = exchange

    # --- requests -----------------------------------------------------------------------------------------------------

    def _request(self, line: Line) -> Iterator[Difference]:
        body = self._real(line["body"])
        if isinstance(body, dict):
            self._answer_phone(str(body.get("call_control_id")), told=_shown(line))
        path = "/".join(str(self._real(part)) for part in str(line["path"]).split("/"))
        with suppress(Rejected, Unanswered):
            if line["method"] == "POST":
                self._transport.post(path, body if isinstance(body, dict) else {})
            else:
                self._transport.get(path, {str(key): str(self._real(value)) for key, value in line["query"].items()})
        if self._last is None:
            return
        self._learn(line["answer"], self._last.answer)
        telnyx = _shown(line)
        sandbox = _shown({"status": self._last.status, "answer": self._redacted(self._last.answer)})
        what = f"{line['method']} {line['path']}"
        for field in sorted(telnyx.keys() | sandbox.keys()):
            if telnyx.get(field) != sandbox.get(field):
                yield Difference(line["at"], line["step"], f"{what}: {field}", telnyx.get(field), sandbox.get(field))

    def _answer_phone(self, call_control_id: str, *, told: Mapping[str, object]) -> None:
        """Answer a phone that rings, where Telnyx no longer said that it has not been answered (90034)."""
        leg = self._world.legs.get(call_control_id)
        if leg is not None and leg.state == "ringing" and told.get("error code") != "90034":
            calls.answer(self._world, leg)

    def _real(self, value: object) -> object:
        """Return a redacted value with what the sandbox knows in the place of the words."""
        if isinstance(value, Mapping):
            return {key: self._real(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._real(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value in self._values:
            return self._values[value]
        # A command is only sent twice where the capture sends it twice.
        return str(uuid5(NAMESPACE_URL, value)) if NUMBERED.fullmatch(value) else value

    def _learn(self, telnyx: object, sandbox: object) -> None:
        """Note which of the sandbox's ids stands where the capture has a word for one."""
        if isinstance(telnyx, Mapping) and isinstance(sandbox, Mapping):
            for key, value in telnyx.items():
                self._learn(value, sandbox.get(key))
        elif isinstance(telnyx, str) and isinstance(sandbox, str):
            self._values.setdefault(telnyx, sandbox)

    def _redacted(self, answer: Mapping[str, Any]) -> object:
        redaction = Redaction()
        for words, value in self._values.items():
            redaction.name(value, words)
        return redaction.value(answer)

    # --- ears ---------------------------------------------------------------------------------------------------------

    def _heard(self, line: Line) -> Iterator[Difference]:
        conference = self._world.conferences.get(self._values.get("the conference", ""))
        if conference is None:
            return
        matrix = hearing.matrix(conference, semantics=self._world.semantics)
        listener, speaker = (self._values.get(f"the {line[side]}'s leg", "") for side in ("listener", "speaker"))
        hears = speaker in matrix.get(listener, [])
        if hears != line["heard"]:
            what = f"the {line['listener']} hears the {line['speaker']}"
            yield Difference(line["at"], line["step"], what, line["heard"], hears)


def _is_decided(status: int | None) -> bool:
    """Return whether an answer tells what was done; where none came or something was too much, nothing is known."""
    return status is not None and status < 500 and status != 429


def _shown(line: Line) -> dict[str, object]:
    """Return what is compared of an answer: its status, its code, which fields it has, some of their values."""
    answer = line["answer"] if isinstance(line["answer"], Mapping) else {}
    shown: dict[str, object] = {"status": line["status"]}
    errors = answer.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
        shown["error code"] = errors[0].get("code")
    else:
        shown |= _flat(answer)
    return shown


def _flat(value: object, path: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            found |= _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for item in value:
            found |= _flat(item, f"{path}[{item.get('call_control_id')}, {item.get('status')}]")
    else:
        found[path] = value if path.rpartition(".")[2] in COMPARED else PRESENT
    return found


def _told(value: object) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
