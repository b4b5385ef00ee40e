"""Verifies the raw bytes of webhooks, then reads them.

Facts: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks (signature, Ed25519 over
`timestamp|body`) and the API's published schemas. Nearly every field is optional, and unknown ones do appear.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import math
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 256 * 1024
MAX_ID_LENGTH = 128
SIGNATURE_BYTES = 64
# Telnyx names no limit; call flows pack a call's history into it, of several kilobytes.
CLIENT_STATE_LIMIT = 16 * 1024
# Formats that Telnyx sends from applications that are set up for something else than version 2 of its API.
VERSION_1 = "version 1"
TEXML = "TeXML"


class SignatureRefused(Exception):
    """The bytes are not Telnyx's, or not fresh; `reason` is one of a closed list, for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook as read; `type` is empty where the body could not be read."""

    id: str
    type: str
    occurred_at: datetime
    payload: Mapping[str, object]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One of the keys whose signatures are believed; two of the same bytes are equal."""

    raw: bytes
    key: Ed25519PublicKey = field(compare=False, repr=False)

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is this key's over exactly these bytes."""
        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def public_key(text: str) -> PublicKey:
    """Read a public key as the portal shows it: 32 bytes in Base64. Raises ValueError."""
    raw = b64decode(text, validate=True)
    return PublicKey(raw, Ed25519PublicKey.from_public_bytes(raw))


def is_public_key(text: str) -> bool:
    """Return whether webhooks can be verified with a text as a public key."""
    try:
        public_key(text)
    except ValueError:
        return False
    return True


def refuse_headers(*, signature: str | None, timestamp: str | None, now: datetime) -> tuple[bytes, bytes]:
    """Return the signature and the timestamp as bytes; raise SignatureRefused where no body could make them right."""
    if not signature or not timestamp:
        raise SignatureRefused("missing")
    # isascii too: isdigit() alone takes other scripts' digits, which int() then reads.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureRefused("timestamp")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureRefused("stale")
    try:
        signed = b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureRefused("encoding") from error
    if len(signed) != SIGNATURE_BYTES:
        raise SignatureRefused("encoding")
    return signed, timestamp.encode()


def verify(
    *, body: bytes, signature: str | None, timestamp: str | None, keys: Iterable[PublicKey], now: datetime
) -> PublicKey:
    """Return the key that signed these bytes, or raise SignatureRefused.

    Two keys may be valid at once, while Telnyx rotates them.
    """
    signed, moment = refuse_headers(signature=signature, timestamp=timestamp, now=now)
    message = moment + b"|" + body
    for key in keys:
        if key.has_signed(message, signed):
            return key
    raise SignatureRefused("mismatch")


def parse(*, body: bytes, received_at: datetime, event_id: str = "") -> Event:
    """Read a verified body as an Event; never raises, whatever the body contains.

    `event_id` is the event's where it is known: a body without one is known by its hash, and what is stored of it may
    have been shortened since.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        problem = TEXML if b"CallSid=" in body else type(error).__name__
        return _unreadable(event_id or _digest(body), received_at, problem)
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("event_type"), str):
        is_older = isinstance(document, dict) and isinstance(document.get("event_type"), str)
        return _unreadable(event_id or _digest(body), received_at, VERSION_1 if is_older else "not an event")
    payload = data.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    return Event(
        id=event_id or _event_id(data.get("id")) or _digest(body),
        type=clean_text(data["event_type"], limit=100),
        # data.occurred_at, or inside the payload for some conference events, or when it came.
        occurred_at=(
            read_time(data.get("occurred_at"), latest=received_at)
            or read_time(payload.get("occurred_at"), latest=received_at)
            or received_at
        ),
        payload=payload,
    )


def _unreadable(event_id: str, received_at: datetime, problem: str) -> Event:
    return Event(id=event_id, type="", occurred_at=received_at, payload={}, problem=problem)


def _event_id(value: object) -> str:
    """Return an event's id if it can be stored as it is: shortened or cleaned, two events could share one."""
    return value if isinstance(value, str) and value == clean_text(value, limit=MAX_ID_LENGTH) else ""


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def clean_text(value: object, *, limit: int) -> str:
    """Return a string that any database stores: no NUL, no lone surrogates, not too long; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()[:limit]


def clean_json(value: object, *, depth: int = 6, limit: int = 4000) -> object:
    """Return JSON that any database stores: no NUL, surrogates, NaN or bottomless nesting."""
    if isinstance(value, str):
        return clean_text(value, limit=limit)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int) or value is None:
        return value if not isinstance(value, int) or abs(value) < 2**63 else None
    if depth == 0:
        return None
    if isinstance(value, list):
        return [clean_json(item, depth=depth - 1, limit=limit) for item in value[:100]]
    if isinstance(value, dict):
        return {
            clean_text(key, limit=200): clean_json(item, depth=depth - 1, limit=limit)
            for key, item in list(value.items())[:100]
        }
    return None


def read_time(value: object, *, latest: datetime | None = None) -> datetime | None:
    """Read an ISO 8601 time as UTC; None where it is none.

    A time further than the signature's tolerance in the future is not believed: as the newest evidence of a register
    it could never be corrected again.
    """
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if latest is not None and moment > latest + timedelta(seconds=TOLERANCE_SECONDS):
        return None
    return moment
