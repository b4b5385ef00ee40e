"""Sorts what Telnyx refuses by whose matter it is: the API key's, the account's, the dial's, the call's.

By code and carrier code, hardly by status: a 403 may be a key without a right, an inactive account, or a phone
application without an outbound voice profile.

https://developers.telnyx.com/development/api-fundamentals/api-errors
https://developers.telnyx.com/docs/voice/sip-trunking/troubleshooting/response-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from .inbound import clean_text

CARRIER_CODE = re.compile(r"\bD[0-9]{1,3}\b")


class Refusal(StrEnum):
    """Why Telnyx refused something."""

    KEY = "key"
    NOT_ALLOWED = "not allowed"
    ACCOUNT = "account"
    FEATURE = "feature"
    RATE = "rate"
    NO_PROFILE = "no outbound voice profile"
    PROFILE = "outbound voice profile"
    COUNTRY = "country"
    CALLER_NUMBER = "caller number"
    NUMBER = "number"
    CONNECTION = "connection"
    ACCOUNT_LINES = "account's lines"
    PROFILE_LINES = "profile's lines"
    CONNECTION_LINES = "connection's lines"
    CONFERENCE_ENDED = "conference ended"
    CONFERENCE_UNKNOWN = "conference unknown"
    CONFERENCE_FULL = "conference full"
    CALL_UNKNOWN = "call unknown"
    CALL_ENDED = "call ended"
    NOT_ANSWERED = "not answered"
    ALREADY_INSIDE = "already inside"
    OTHER = "other"


_BY_CARRIER_CODE: Mapping[str, Refusal] = {
    "D1": Refusal.ACCOUNT_LINES,
    "D2": Refusal.PROFILE_LINES,
    "D3": Refusal.CONNECTION_LINES,
    "D22": Refusal.CONNECTION_LINES,
    "D11": Refusal.NUMBER,
    "D13": Refusal.COUNTRY,
    "D18": Refusal.CONNECTION,
    "D19": Refusal.ACCOUNT,
    "D24": Refusal.PROFILE,
    "D35": Refusal.CALLER_NUMBER,
    "D36": Refusal.CALLER_NUMBER,
    "D38": Refusal.NO_PROFILE,
}
_BY_CODE: Mapping[str, Refusal] = {
    **dict.fromkeys(("10009", "20002", "20006", "20008"), Refusal.KEY),
    **dict.fromkeys(("20012", "20013", "20014", "20015", "20016", "20017"), Refusal.ACCOUNT),
    **dict.fromkeys(("10038", "10039"), Refusal.FEATURE),
    "90015": Refusal.CALL_UNKNOWN,
    "90018": Refusal.CALL_ENDED,
    "90019": Refusal.CONFERENCE_ENDED,
    "90032": Refusal.CONFERENCE_FULL,
    "90034": Refusal.NOT_ANSWERED,
    "90041": Refusal.ACCOUNT_LINES,
    "90042": Refusal.PROFILE_LINES,
    "90043": Refusal.CONNECTION_LINES,
    "90044": Refusal.ALREADY_INSIDE,
    "90058": Refusal.CONFERENCE_UNKNOWN,
}
# Elsewhere these codes mean something else: 10015 any malformed request.
_BY_CODE_OF_A_DIAL: Mapping[str, Refusal] = {"10015": Refusal.CONNECTION, "10016": Refusal.NUMBER}


def cause_of(
    *, status: int, code: str, carrier_code: str = "", dialled: bool = False, conference: bool = True
) -> Refusal:
    """Return why Telnyx refused; `dialled` where it was a dial, `conference` where the request named a conference."""
    if carrier_code in _BY_CARRIER_CODE:
        return _BY_CARRIER_CODE[carrier_code]
    if dialled and code in _BY_CODE_OF_A_DIAL:
        return _BY_CODE_OF_A_DIAL[code]
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status == 401:
        return Refusal.KEY
    if status == 403:
        return Refusal.NOT_ALLOWED
    if status == 429:  # not by 10011, which also refuses encryption towards a telephone number
        return Refusal.RATE
    if status == 404 and not dialled:
        return Refusal.CONFERENCE_UNKNOWN if conference else Refusal.CALL_UNKNOWN
    return Refusal.OTHER


def codes_in(document: Mapping[str, object]) -> tuple[str, str]:
    """Return Telnyx's error code and the voice network's (D38) of a refusal's body; "" for what it does not name."""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    beside = document.get("telnyx_error")
    told = beside.get("error_code") if isinstance(beside, dict) else None
    return clean_text(first.get("code"), limit=16), _carrier_code(told) or _carrier_code(first.get("detail"))


def _carrier_code(text: object) -> str:
    found = CARRIER_CODE.search(clean_text(text, limit=1000))
    return found[0] if found else ""
