"""Sends requests to Telnyx' API over HTTP, once each, and reads the answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .errors import Rejected, Unanswered
from .inbound import clean_text
from .refusals import codes_in

CONNECT_SECONDS = 3.05
READ_SECONDS = 8.0
COMMAND_READ_SECONDS = 4.0
PAGE_SIZE = 250
MAX_PAGES = 200  # fifty thousand conferences at once; a number of pages beyond that is a mistake
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_REST_SECONDS = 60

Session = requests.Session


def new_session() -> Session:
    """Return a session that repeats nothing and takes nothing from the environment."""
    session = Session()
    # No proxies, .netrc or CA bundles from the environment: the API key goes to api_base and nowhere else.
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=16, max_retries=0))
    return session


class Transport:
    """One account's connection to the API. Threads may share it."""

    def __init__(self, *, api_base: str, api_key: str, session: Session | None = None) -> None:
        self._base = api_base
        self._reads_rest_until = 0.0
        self._session = session or new_session()
        self._session.headers.update({"Authorization": f"Bearer {api_key}", "User-Agent": "floorline"})

    @property
    def may_read(self) -> bool:
        """Return whether half of Telnyx' rate limit is left: the other half is the call flow's, and our commands'."""
        return time.monotonic() >= self._reads_rest_until

    def post(
        self, path: str, body: Mapping[str, object], *, patience: float = COMMAND_READ_SECONDS
    ) -> Mapping[str, Any]:
        """Send a command; return the answer's document."""
        return self._send("POST", path, json_body=body, read_seconds=patience)

    def patch(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """Change one thing; return the answer's document."""
        return self._send("PATCH", path, json_body=body, read_seconds=READ_SECONDS)

    def get(self, path: str, query: Mapping[str, str | int], *, patience: float = READ_SECONDS) -> Mapping[str, Any]:
        """Read one thing; return the answer's document."""
        return self._send("GET", path, query=query, read_seconds=patience)

    def pages(
        self, path: str, query: Mapping[str, str], *, patience: float = READ_SECONDS
    ) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
        """Yield each page and whether it is the last.

        Raises Unanswered where an answer is no list: it must not pass for an empty one.
        """
        for number in range(1, MAX_PAGES + 1):
            asked: dict[str, str | int] = {**query, "page[number]": number, "page[size]": PAGE_SIZE}
            answer = self.get(path, asked, patience=patience)
            data = answer.get("data")
            if not isinstance(data, list):
                raise Unanswered("the answer holds no list")
            pages = mapping(answer.get("meta")).get("total_pages")
            last = not data or not isinstance(pages, int) or number >= pages
            yield [mapping(item) for item in data], last
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

    def _note_rate_limit(self, headers: Mapping[str, str]) -> None:
        limit, left = _number(headers.get("x-ratelimit-limit")), _number(headers.get("x-ratelimit-remaining"))
        if limit and left is not None and left <= limit / 2:
            seconds = min(_number(headers.get("x-ratelimit-reset")) or 1, MAX_REST_SECONDS)
            self._reads_rest_until = time.monotonic() + seconds


def _body(response: requests.Response, *, deadline: float) -> bytes:
    """Read an answer; with the read time-out alone, one that sends a byte now and then would never end."""
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
        return mapping(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def _rejection(status: int, document: Mapping[str, Any]) -> Rejected:
    errors = document.get("errors")
    first = mapping(errors[0]) if isinstance(errors, list) and errors else {}
    code, carrier_code = codes_in(document)
    title = clean_text(first.get("title"), limit=100)
    return Rejected(status=status, code=code, title=title, carrier_code=carrier_code)
