"""Reads the marks of a leg from untrusted JSON into plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conferences.telnyx.addresses import Address, read_address
from conferences.telnyx.inbound import CLIENT_STATE_LIMIT, clean_text

HEADER_LIMIT = 50
VALUE_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LegMarks:
    """The values of a leg that recognition reads; absent or unusable ones are empty."""

    call_control_id: str
    session: str = ""
    """Telnyx' call_session_id: legs that begin as one call share it from their first event on."""
    direction: str = ""
    connection_id: str = ""
    calling_party_type: str = ""
    from_sip: Address | None = None
    caller_sip: Address | None = None
    to_sip: Address | None = None
    dialled_number: str = ""
    """As +15550100001 where its country code was dialled, else its digits."""
    client_state: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def begun_by_a_phone(self) -> bool:
        """Return whether a SIP phone began this leg by calling somebody: no application dialled it."""
        return self.calling_party_type == "sip" and self.outgoing

    @property
    def names_a_caller(self) -> bool:
        """Return whether this leg called in over SIP and says from which address."""
        return self.incoming and self.calling_party_type != "pstn" and self.from_sip is not None

    @property
    def incoming(self) -> bool:
        """Return whether this leg called in."""
        return self.direction == "incoming"

    @property
    def outgoing(self) -> bool:
        """Return whether this leg was dialled."""
        return self.direction == "outgoing"


def marks_of(call_control_id: str, facts: Mapping[str, Sequence[object]]) -> LegMarks:
    """Read a leg's registers, {"key": ["stamp", value]}; whatever has the wrong type counts as absent."""

    def value(key: str) -> object:
        register = facts.get(key)
        return register[1] if isinstance(register, list | tuple) and len(register) == 2 else None

    dialled = read_address(value("to"))
    to_sip = _at_a_host(dialled) or sip_address(value("to_sip_uri"))
    return LegMarks(
        call_control_id=plain(call_control_id),
        session=plain(value("call_session_id"), limit=64),
        direction=plain(value("direction")),
        connection_id=plain(value("connection_id"), limit=64),
        calling_party_type=plain(value("calling_party_type")),
        from_sip=sip_address(value("from_sip_uri")),
        caller_sip=sip_address(value("from")),
        to_sip=to_sip,
        dialled_number=_telephone_number(dialled) or _telephone_number(to_sip),
        client_state=clean_text(value("client_state"), limit=CLIENT_STATE_LIMIT),
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


def sip_address(value: object) -> Address | None:
    """Read a SIP address, with or without its scheme, name and parameters; None where it names no host."""
    return _at_a_host(read_address(value))


def _telephone_number(address: Address | None) -> str:
    """Return the number that an address dials; where a phone is registered elsewhere, it is only a name there."""
    return address.number if address and (address.at_telnyx or not address.host) else ""


def _at_a_host(address: Address) -> Address | None:
    return address if address.host else None


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
