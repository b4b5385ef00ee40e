"""Removes typed digits from webhooks, because callers type card numbers on their phones.

The bytes stay JSON, and everything else in them stays as it came. Whose digits are kept is decided by
`recognition.own_ears`; this module only knows where digits stand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from conferences.telnyx.inbound import Event

# Types whose events tell what somebody typed: call.dtmf.received, call.gather.ended, call.ai_gather.*, call.payment.*.
TYPED = re.compile(r"digit|dtmf|gather|keypad|payment|\.pay\b", re.IGNORECASE)
# The fields of such an event that are kept; whatever else Telnyx puts in may repeat what was typed.
KEPT = frozenset(
    {
        "data", "meta", "payload", "id", "event_type", "record_type", "occurred_at", "attempt", "delivered_to",
        "source", "call_control_id", "call_leg_id", "call_session_id", "conference_id", "connection_id", "client_state",
        "creator_call_session_id", "from", "to", "direction", "state", "status", "caller_id_name", "from_sip_uri",
        "to_sip_uri", "calling_party_type", "custom_headers", "start_time", "end_time",
    }
)  # fmt: skip
PAYLOAD_DEPTH = 3  # {"data": {"payload": {…: so deep the names are looked up in KEPT; what is kept is kept whole
# In any other event, every value under a name like these is blanked.
NAMED = re.compile(r"digit|dtmf", re.IGNORECASE)
# Looked for in the bytes first, so that ordinary events pay nothing more. A letter of a name may be escaped, and JSON
# may come in UTF-16.
WORDS = (b"digit", b"dtmf", b"\\u00", b"\x00")
WORDS_OF_TYPED = (*WORDS, b"gather", b"keypad", b"payment", b".pay")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
NO_FIGURES = bytes.maketrans(b"123456789", b"000000000")


@dataclass(slots=True)
class Open:
    """A list or an object that has begun, and the last name in it."""

    is_object: bool
    name: str = ""
    awaits_name: bool = False


def without_digits(body: bytes, event: Event) -> bytes:
    """Return a webhook's body without what was typed; the very same object where it holds nothing of that kind."""
    lowered = body.lower()
    if event.problem:
        # The structure of this body is unknown, so each of its digits is replaced by a zero.
        return body.translate(NO_FIGURES) if any(word in lowered for word in WORDS_OF_TYPED) else body
    typed = _is_typed(event.type)
    if not typed and not any(word in lowered for word in WORDS):
        return body
    encoding = json.detect_encoding(body)
    text = body.decode(encoding, "surrogatepass")
    spans = list(_spans(text, typed=typed))
    if not spans:
        return body
    kept, start = [], 0
    for begin, end in spans:
        kept += [text[start:begin], '""' if text[begin] == '"' else "null"]
        start = end
    return "".join([*kept, text[start:]]).encode(encoding, "surrogatepass")


@lru_cache(maxsize=256)
def _is_typed(event_type: str) -> bool:
    return TYPED.search(event_type) is not None


def _spans(text: str, *, typed: bool) -> Iterator[tuple[int, int]]:
    """Yield where in a JSON text the values stand that are to be blanked; a whole list or object is one value."""
    path: list[Open] = []
    begin = depth = 0  # the place and depth of a list or object that is being blanked
    for token in TOKEN.finditer(text):
        sign, inner = token[0], path[-1] if path else None
        if depth:
            depth += (sign in "{[") - (sign in "}]")
            if not depth:
                yield begin, token.end()
        elif sign in "}]":
            path.pop()
        elif sign in ",:":
            if inner is not None and inner.is_object:
                inner.awaits_name = sign == ","
        elif inner is not None and inner.awaits_name:
            inner.name = json.loads(sign)
        elif _is_blanked(path, sign, typed=typed):
            if sign in "{[":
                begin, depth = token.start(), 1
            else:
                yield token.span()
        elif sign in "{[":
            path.append(Open(is_object=sign == "{", awaits_name=sign == "{"))


def _is_blanked(path: list[Open], value: str, *, typed: bool) -> bool:
    if not path or not path[-1].is_object:
        return False  # an element of a list that is kept
    name = path[-1].name
    if not typed:
        return NAMED.search(name) is not None
    if len(path) < PAYLOAD_DEPTH and name == "payload":
        return value != "{"
    return len(path) <= PAYLOAD_DEPTH and name not in KEPT
