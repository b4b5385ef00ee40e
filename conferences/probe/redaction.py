"""Replaces whatever tells who somebody is in requests, answers and webhooks, the same value always by the same words.

What stays is listed here: names of fields, words of Telnyx' own vocabulary, times, truth values, small numbers, error
codes. An id or an address becomes "session 2", and every other text is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from urllib.parse import unquote

from conferences.projection.observations import CONFERENCE_NEWS, LEG_NEWS
from conferences.telnyx.refusals import CARRIER_CODE

TEXT, NUMBER, FIELD = "(text)", "(number)", "(field)"
DEEPEST = 12
LARGEST_NUMBER = 9_999

VOCABULARY = frozenset(
    {
        *CONFERENCE_NEWS, *LEG_NEWS, "call.speak.started", "call.speak.ended",
        "call", "conference", "participant", "event", "webhook_delivery", "ok",
        "init", "in_progress", "completed", "joining", "joined", "left", "delivered", "failed",
        "monitor", "whisper", "barge", "none", "never", "always", "on_enter", "on_exit",
        "all_left", "ended_via_api", "host_left", "time_exceeded",
        "incoming", "outgoing", "parked", "bridging", "answered", "hangup", "pstn", "sip", "caller", "callee",
        "unknown",
        "call_rejected", "normal_clearing", "originator_cancel", "timeout", "time_limit", "user_busy", "not_found",
        "no_answer", "unspecified", "US", "Europe", "Australia", "Middle East",
        "AWS.Polly.Joanna", "en-US", "X-Floorline-Probe",
    }
)  # fmt: skip
PATHS = frozenset(
    {
        "", "calls", "conferences", "connections", "participants", "actions", "active_calls", "webhook_deliveries",
        "hangup", "join", "leave", "update", "speak",
    }
)  # fmt: skip
# The kinds of what stands in a field, or in a path after such a word.
KINDS: Mapping[str, str] = {
    "call_control_id": "leg",
    "call_control_ids": "leg",
    "whisper_call_control_ids": "leg",
    "calls": "leg",
    "call_leg_id": "leg id",
    "call_session_id": "session",
    "creator_call_session_id": "session",
    "connection_id": "application",
    "connections": "application",
    "conference_id": "conference",
    "conferences": "conference",
    "command_id": "command",
    "client_state": "client_state",
    "from": "phone",
    "to": "phone",
    "id": "id",
}
# The kinds of an `id`, by the record_type beside it or by the field around it.
RECORDS = ("conference", "participant", "event")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}(\[[a-z]{1,20}\]){0,2}")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_TIME_FIELD = re.compile(r"(.*_(at|time)|time)")
# Codes by the field that they stand in.
_CODES: Mapping[str, re.Pattern[str]] = {
    "code": re.compile(r"[0-9]{5}"),
    "sip_hangup_cause": re.compile(r"[1-6][0-9]{2}"),
    "region": re.compile(r"[a-z]{2}[0-9]"),
}


class Redaction:
    """One set of replacements, for everything that is told of one probe."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._counted: Counter[str] = Counter()

    def name(self, value: str, words: str) -> None:
        """Replace a value by these words wherever it stands alone."""
        if value:
            self._words[value] = words

    def path(self, path: str) -> str:
        """Return a request's path with the ids in it replaced."""
        before, parts = "", list[str]()
        for segment in path.split("/"):
            part = unquote(segment)
            before = part if part in PATHS else self._numbered(part, KINDS.get(before, "id"))
            parts.append(before)
        return "/".join(parts)

    def value(self, value: object, *, field: str = "", kind: str = "id", depth: int = 0) -> object:
        """Return a JSON value without what is not listed; `kind` is that of an `id` which stands in it."""
        if depth > DEEPEST:
            return TEXT
        if isinstance(value, Mapping):
            record = value.get("record_type")
            around = next((known for known in RECORDS if known in (record, field)), "id")
            return {
                _field(key): self.value(inner, field=str(key), kind=around, depth=depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.value(inner, field=field, kind=kind, depth=depth + 1) for inner in value]
        if isinstance(value, str):
            return self._text(value, field=field, kind=kind)
        if value is None or isinstance(value, bool):
            return value
        return value if isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER else NUMBER

    def _text(self, text: str, *, field: str, kind: str) -> str:
        if text in self._words:
            return self._words[text]
        if not text or text in VOCABULARY or _is_a_time_or_code(text, field):
            return text
        if field in KINDS:
            return self._numbered(text, kind if field == "id" else KINDS[field])
        carrier_code = CARRIER_CODE.search(text) if field == "detail" else None
        return f"(text with {carrier_code[0]})" if carrier_code else TEXT

    def _numbered(self, text: str, kind: str) -> str:
        if text not in self._words:
            self._counted[kind] += 1
            self._words[text] = f"{kind} {self._counted[kind]}"
        return self._words[text]


def _field(name: object) -> str:
    """Return the name of a field; what does not look like one of Telnyx' may be anything."""
    text = str(name)
    return text if _NAME.fullmatch(text) and not re.search(r"\d{3}", text) else FIELD


def _is_a_time_or_code(text: str, field: str) -> bool:
    code = _CODES.get(field)
    if code is not None and code.fullmatch(text):
        return True
    return _TIME_FIELD.fullmatch(field) is not None and _TIME.fullmatch(text) is not None
