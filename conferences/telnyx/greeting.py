"""Asks Telnyx one harmless question, to learn whether a key is good and what time it is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import requests

from .refusals import codes_in

SECONDS = (3.05, 8.0)


@dataclass(frozen=True, slots=True)
class Greeting:
    """The status of one listing, and Telnyx' time."""

    status: int
    code: str
    carrier_code: str
    at: datetime | None
    """The answer's Date header, in whole seconds."""


class NoAnswer(Exception):
    """Telnyx could not be reached; the text is the kind of failure, without an address."""


def greet(*, api_base: str, api_key: str) -> Greeting:
    """List at most one conference. Raises NoAnswer."""
    with requests.Session() as session:
        # No proxies or .netrc from the environment: the API key goes to api_base and nowhere else.
        session.trust_env = False
        try:
            answer = session.get(
                f"{api_base}/conferences",
                params={"page[size]": 1},
                headers={"Authorization": f"Bearer {api_key}", "User-Agent": "floorline"},
                timeout=SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise NoAnswer(type(error).__name__) from error
        code, carrier_code = _codes(answer)
    return Greeting(answer.status_code, code, carrier_code, _time(answer.headers.get("Date", "")))


def _codes(answer: requests.Response) -> tuple[str, str]:
    try:
        document = answer.json()
    except ValueError:
        return "", ""
    return codes_in(document) if isinstance(document, dict) else ("", "")


def _time(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
