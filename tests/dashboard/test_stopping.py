"""Leave and Esc when Django cannot: the sealed note alone takes the supervisor out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from conferences.models import SupervisorSession
from dashboard import stopping

from .conftest import NewCall

NOTE = "a-sealed-note"


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The notes that were acted upon; what a note does is tested beside the stop itself."""
    notes: list[str] = []

    def stop(note: str) -> bool:
        notes.append(note)
        return note == NOTE

    monkeypatch.setattr(stopping, "stop", stop)
    return notes


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise OperationalError("the database is down")


async def failing(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, 500, b"something broke")


async def willing(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await answer(send, 200, b"done: " + message["body"])


async def hanging(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(30)


async def answer(send: Any, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


def leave(django: Any, *, note: str = NOTE, htmx: bool = True) -> tuple[int, str]:
    """Press Leave; return the status and what came back."""
    form = urlencode({"stop": note} if note else {}).encode()
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": form[:5], "more_body": True},
        {"type": "http.request", "body": form[5:]},
    ]
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(dict(message))

    headers = [(b"host", b"testserver")] + ([(b"hx-request", b"true")] if htmx else [])
    scope = {"type": "http", "method": "POST", "path": "/leave/", "query_string": b"", "headers": headers}
    asyncio.run(stopping.leave_at_any_rate(django)(scope, receive, send))  # type: ignore[arg-type]
    return told[0]["status"], b"".join(part.get("body", b"") for part in told[1:]).decode()


def test_an_ordinary_leave_is_django_s_and_reads_the_whole_form(stopped: list[str]) -> None:
    assert leave(willing) == (200, f"done: stop={NOTE}")
    assert stopped == []


@pytest.mark.parametrize("django", [broken, failing])
def test_a_broken_database_keeps_nobody_inside(stopped: list[str], django: Any) -> None:
    status, told = leave(django)
    assert stopped == [NOTE]
    assert status == 200
    assert 'hx-target="#stopped"' in told
    assert "You were taken out." in told
    assert "database is not answering" in told


def test_a_silent_database_keeps_nobody_inside(stopped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "PATIENCE_SECONDS", 0.05)
    assert "You were taken out." in leave(hanging)[1]


def test_what_telnyx_did_not_confirm_is_not_called_done(stopped: list[str]) -> None:
    told = leave(broken, note="a-note-that-fails")[1]
    assert "Telnyx did not confirm: hang up your phone." in told
    assert "You were taken out." not in told


def test_without_a_script_the_answer_is_a_page_of_its_own(stopped: list[str]) -> None:
    status, told = leave(broken, htmx=False)
    assert status == 503
    assert told.startswith("<!doctype html>")
    assert "You were taken out." in told


def test_without_a_note_the_failure_is_shown_as_it_is(stopped: list[str]) -> None:
    assert leave(failing, note="") == (500, "something broke")
    assert stopped == []


def test_whoever_is_inside_carries_a_note_that_shows_no_control_id(
    kim: User, new_call: NewCall, kim_listens: Callable[..., SupervisorSession], page_of: Callable[[User], Client]
) -> None:
    call = new_call()
    assert 'name="stop"' not in page_of(kim).get(call.url).content.decode()
    kim_listens(call)
    page = page_of(kim).get(call.url).content.decode()
    assert re.search(r'<input type="hidden" form="act" name="stop" value="[^"]{100,}">', page)
    assert "v3:kim" not in page
