"""The routes that pass none of Django's middlewares, asked of the whole application: everybody × every method."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences.models import AuditEntry, BoardVersion, Stop

from .people import NOT_SIGNED_IN, SEES, SIGNED_IN, Who, Whose
from .world import FIELD_KEY, World, connect_to_telnyx, new_world, secrets_in, state_of_the_database, told_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
TOKEN = "t" * 32
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


@dataclass(frozen=True, slots=True)
class Row:
    """The answers of a raw route to its own methods; every other one is 405."""

    methods: tuple[str, ...]
    signed_in: int = 200
    signed_out: int = 200
    about_call: bool = False
    """Whether its query opens a call: then 404 to whoever does not see it."""
    is_django: bool = False
    """Whether Django answers in the end: then whoever is signed out is sent away before the method is looked at."""


STOP = Row(("POST",), signed_in=200, signed_out=401, is_django=True)
PUSHED = Row(("GET",), signed_out=401)
UNSIGNED = Row(("POST",), signed_in=401, signed_out=401)
WEBHOOKS = [
    *("/webhooks/telnyx", "/webhooks/telnyx/"),
    *("/webhooks/telnyx/default", "/webhooks/telnyx/default/", "/webhooks/telnyx/of-no-account/"),
]
TABLE = {
    **dict.fromkeys(WEBHOOKS, UNSIGNED),
    "/stream/": PUSHED,
    "/snapshot/": PUSHED,
    "/healthz": Row(("GET", "HEAD")),
    "/leave/": STOP,
    "/quieter/": STOP,
    "/ear/disconnect/": STOP,
}
ASKED = [*TABLE.items(), *((path, replace(TABLE[path], about_call=True)) for path in ("/stream/", "/snapshot/"))]


@pytest.fixture
def world(transactional_db: None, settings: Settings, tmp_path: Path) -> World:
    settings.FIELD_KEYS = [FIELD_KEY]
    settings.TELNYX_API_BASE = "http://127.0.0.1/v2"
    settings.STATIC_ROOT = tmp_path
    world = new_world(timezone.now())
    connect_to_telnyx()
    return world


def test_every_raw_route_has_a_row() -> None:
    routes = importlib.import_module("dashboard.asgi").ROUTES
    assert set(routes) == set(TABLE) - set(WEBHOOKS), "Each raw route needs a row in this file's table."


@pytest.mark.parametrize(
    ("path", "row"), ASKED, ids=[f"{path}{' with a call open' if row.about_call else ''}" for path, row in ASKED]
)
def test_a_raw_route_answers_whom_it_may_and_tells_nobody_else(path: str, row: Row, world: World) -> None:
    noted = (
        (AuditEntry, BoardVersion, Stop) if row.is_django else ()
    )  # a stop is kept, whether or not it stops anything
    before = state_of_the_database(but=noted)
    for whose in Whose if row.about_call else [Whose.OTHER]:
        for who in Who:
            for method in METHODS:
                query = f"conference={world.calls[whose].conference.pk}" if row.about_call else "all=1"
                status, text = ask(path, method, session=world.sessions[who], query=query)
                asked, wanted = f"{method} {path} by {who} about {whose}", expected(row, who, whose, method)
                assert status == wanted, f"{asked}: {status}, not {wanted}\n{text[:1000]}"
                assert list(leaks(text, who)) == [], asked
    assert state_of_the_database(but=noted) == before


@pytest.mark.parametrize("path", [path for path, row in TABLE.items() if row.is_django])
def test_no_stop_is_taken_from_a_form_of_another_site(path: str, world: World) -> None:
    for who in SIGNED_IN:
        assert ask(path, "POST", session=world.sessions[who], token="another")[0] == 403


def expected(row: Row, who: Who, whose: Whose, method: str) -> int:
    if row.is_django and who in NOT_SIGNED_IN and method in {"GET", "HEAD", "POST"}:
        return row.signed_out
    if method not in row.methods:
        return 405
    if who in NOT_SIGNED_IN:
        return row.signed_out
    return 404 if row.about_call and who not in SEES[whose] else row.signed_in


def leaks(text: str, who: Who) -> Iterator[str]:
    for whose in Whose:
        yield from secrets_in(text, whose) if who in SEES[whose] else told_of(text, whose)


def ask(path: str, method: str, *, session: str, query: str = "", token: str = TOKEN) -> tuple[int, str]:
    """Return the status and everything that is told up to the end, or up to a stream's first heartbeat."""
    return asyncio.run(_ask(path, method, session=session, query=query, token=token))


async def _ask(path: str, method: str, *, session: str, query: str, token: str) -> tuple[int, str]:
    cookies = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={TOKEN}"
    headers = {"host": "localhost", "cookie": cookies, "x-csrftoken": token, "hx-request": "true"}
    headers["content-type"] = "application/x-www-form-urlencoded"
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "scheme": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    told: list[MutableMapping[str, Any]] = []
    asked: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]
    enough = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not asked:
            await enough.wait()
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)
        if not message.get("more_body") or b"event: heartbeat" in message.get("body", b""):
            enough.set() if "status" not in message else None

    await importlib.import_module("dashboard.asgi").application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in told[1:]).decode()
    return told[0]["status"], body + str(told[0]["headers"])
