"""Reads the addresses of a leg as Telnyx and phones write them: numbers, short numbers, SIP addresses, withheld ones.

Every place that compares, shows or searches an address reads it here. RFC 3261 (name-addr, SIP URI), RFC 3966 (tel),
RFC 3323 (anonymous).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

# Telnyx's SIP proxies: https://sip.telnyx.com lists sip.telnyx.com and its regional twins.
TELNYX_DOMAINS = ("telnyx.com", "telnyx.eu", "telnyx.ca", "telnyx.com.au")
ADDRESS_LIMIT = 200
SHORTEST_NUMBER, LONGEST_NUMBER, LONGEST_EXTENSION = 7, 15, 4
WITHHELD = frozenset({"anonymous", "restricted", "private", "withheld", "blocked"})
WITHHELD_HOST = "anonymous.invalid"
NOT_TOLD = frozenset({"unknown", "unavailable"})

# "Jane <Roe>" <sip:jane@example.com>;tag=1: a quoted display name may itself hold brackets.
_NAME_ADDR = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"<>]*)\s*<(?P<address>[^<>]+)>')
_SCHEME = re.compile(r"(?:sips?|tel):", re.I)
_SIP = re.compile(r"(?P<user>[^@:;?\s]+)[^@\s]*@(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)", re.I)
_SEPARATORS = re.compile(r"[\s()./\u2010-\u2015\u2212-]")
_DIGITS = re.compile(r"\+?[0-9]+")
_USER = re.compile(r"[\w.!~*'&=+$,/-]+")


class Kind(StrEnum):
    """The sort of an address."""

    NUMBER = "number"
    EXTENSION = "extension"
    SHORT = "short number"
    SIP = "SIP"
    WITHHELD = "withheld"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Address:
    """One address; what it does not have is empty."""

    kind: Kind
    user: str = ""
    host: str = ""
    """In lower case, without port or parameters."""
    digits: str = ""
    """The digits of a number, an extension or a short number; without the sign of an international one."""
    international: bool = False
    """Whether a number was written with its country code: after + or 00."""

    @property
    def at_telnyx(self) -> bool:
        """Return whether the host is Telnyx's own, where a user part is a credential."""
        return self.host.endswith(tuple(f".{domain}" for domain in TELNYX_DOMAINS)) or self.host in TELNYX_DOMAINS

    @property
    def number(self) -> str:
        """Return a telephone number, as +15551230000 where its country code is known; "" for every other address."""
        if self.kind is not Kind.NUMBER:
            return ""
        return f"+{self.digits}" if self.international else self.digits


def read_address(text: object) -> Address:
    """Read an address in any notation; anything that is not an address has the kind UNKNOWN."""
    if not isinstance(text, str) or len(text) > ADDRESS_LIMIT or not text.isprintable():
        return Address(Kind.UNKNOWN)
    text = unicodedata.normalize("NFKC", text).strip()  # full-width digits and letters
    if enclosed := _NAME_ADDR.match(text):
        text = enclosed["address"].strip()
    scheme = _SCHEME.match(text)
    text = text[scheme.end() :] if scheme else text
    if sip := _SIP.match(text):
        return _of_user(_decoded(sip["user"]), host=sip["host"].lower())
    # Parameters, and the digits that are dialled after the answer.
    address = _of_user(re.split(r"[;,?]", text, maxsplit=1)[0].strip(), host="")
    # A name alone is an address, but no more so for the brackets around it.
    return Address(Kind.UNKNOWN) if enclosed and address.kind is Kind.SIP else address


def _of_user(user: str, *, host: str) -> Address:
    if host == WITHHELD_HOST or user.lower() in WITHHELD:
        return Address(Kind.WITHHELD, user, host)
    if user.lower() in NOT_TOLD:
        return Address(Kind.UNKNOWN)
    bare = user.replace("(0)", "") if user.startswith("+") else user  # +49 (0)30 …
    digits = _SEPARATORS.sub("", bare)
    if _DIGITS.fullmatch(digits):
        return _of_digits(digits, user=user, host=host)
    if host or (_USER.fullmatch(user) and not user.startswith("+")):
        return Address(Kind.SIP, user, host)
    return Address(Kind.UNKNOWN)


def _of_digits(written: str, *, user: str, host: str) -> Address:
    digits = written.removeprefix("+")
    international = written.startswith("+")
    if not international and digits.startswith("00") and len(digits) > SHORTEST_NUMBER + 2:
        digits, international = digits[2:], True
    if len(digits) <= LONGEST_EXTENSION:
        kind = Kind.EXTENSION
    elif len(digits) < SHORTEST_NUMBER:
        kind = Kind.SHORT
    elif len(digits) <= LONGEST_NUMBER:
        kind = Kind.NUMBER
    else:
        return Address(Kind.SIP if host else Kind.UNKNOWN, user, host)
    return Address(kind, user, host, digits, international)


def _decoded(user: str) -> str:
    """Return a user part with %2B and its kind decoded, where that leaves a user part."""
    decoded = unquote(user)
    return decoded if decoded.isprintable() and not set("@<> ") & set(decoded) else user
