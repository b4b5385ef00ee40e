"""What a leg's events say about whose it is, read from hostile JSON into plain values."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Telnyx names no limit; a call flow's note about a leg is far smaller than this.
CLIENT_STATE_LIMIT = 16 * 1024
HEADER_LIMIT = 50
VALUE_LIMIT = 200
# Telnyx's SIP proxies: https://sip.telnyx.com lists sip.telnyx.com and its regional twins.
TELNYX_DOMAINS = ("telnyx.com", "telnyx.eu", "telnyx.ca", "telnyx.com.au")
SIP_ADDRESS = re.compile(r"(?:sips?:)?(?P<user>[^@:;?\s]+)(?::[^@\s]*)?@(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)", re.I)
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class SipAddress:
    """The part before the @, and the host in lower case without port or parameters."""

    user: str
    host: str

    @property
    def at_telnyx(self) -> bool:
        """Say whether the host is Telnyx's own, where a user part is a credential."""
        return self.host.endswith(tuple(f".{domain}" for domain in TELNYX_DOMAINS)) or self.host in TELNYX_DOMAINS

    @property
    def is_number(self) -> bool:
        """Say whether the user part is a telephone number in a SIP address."""
        return E164.fullmatch(self.user) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegMarks:
    """What recognition looks at; absent or unusable values are empty."""

    call_control_id: str
    direction: str = ""
    connection_id: str = ""
    calling_party_type: str = ""
    from_sip: SipAddress | None = None
    caller_sip: SipAddress | None = None
    to_sip: SipAddress | None = None
    dialled_number: str = ""
    client_state: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def incoming(self) -> bool:
        """Say whether this leg called in."""
        return self.direction == "incoming"

    @property
    def outgoing(self) -> bool:
        """Say whether this leg was dialled."""
        return self.direction == "outgoing"


def marks_of(call_control_id: str, facts: Mapping[str, Sequence[object]]) -> LegMarks:
    """Read a leg's registers, {"key": ["stamp", value]}; whatever has the wrong type counts as absent."""

    def value(key: str) -> object:
        register = facts.get(key)
        return register[1] if isinstance(register, list | tuple) and len(register) == 2 else None

    dialled = plain(value("to"))
    to_sip = sip_address(dialled) or sip_address(value("to_sip_uri"))
    return LegMarks(
        call_control_id=plain(call_control_id),
        direction=plain(value("direction")),
        connection_id=plain(value("connection_id"), limit=64),
        calling_party_type=plain(value("calling_party_type")),
        from_sip=sip_address(value("from_sip_uri")),
        caller_sip=sip_address(value("from")),
        to_sip=to_sip,
        dialled_number=to_sip.user if to_sip and to_sip.at_telnyx and to_sip.is_number else dialled,
        client_state=plain(value("client_state"), limit=CLIENT_STATE_LIMIT),
        headers=_headers(value("headers")),
    )


def plain(value: object, *, limit: int = VALUE_LIMIT) -> str:
    """Return a text or a whole number as text that a database takes; everything else is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 64:
            return ""
        value = str(value)
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        return ""  # isprintable: no NUL, no lone surrogate, no control or bidi character
    return value.strip()


def sip_address(value: object) -> SipAddress | None:
    """Read `sip:user@host:5060;transport=tls`, with or without its scheme; None where it is no SIP address."""
    found = SIP_ADDRESS.match(plain(value))
    return SipAddress(found["user"], found["host"].lower()) if found else None


def value_in_client_state(client_state: str, path: str) -> str:
    """Return what stands at a dotted path in Base64 JSON; empty where there is no text or whole number."""
    try:
        found = json.loads(binascii.a2b_base64(client_state.encode(), strict_mode=True))
    except (ValueError, RecursionError):
        return ""
    for key in path.split("."):
        if not isinstance(found, dict):
            return ""
        found = found.get(key)
    return plain(found)


def header_value(headers: tuple[tuple[str, str], ...], name: str) -> str:
    """Return a header's value; empty where it is absent, or given twice with different values."""
    values = {value for given, value in headers if given.lower() == name.lower()}
    return values.pop() if len(values) == 1 else ""


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(
        (plain(header.get("name")), plain(header.get("value")))
        for header in value[:HEADER_LIMIT]
        if isinstance(header, dict)
    )
