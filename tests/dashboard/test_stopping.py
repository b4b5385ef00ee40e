"""Leave and Esc when Django cannot: the sealed note alone takes the supervisor out."""

from __future__ import annotations

import asyncio
import importlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from conferences.models import SupervisorSession
from conferences.supervision import Way, emergency
from dashboard import emergency_stop
from tests.tooling.processes import eventually

from .conftest import NewCall

NOTE = "a-sealed-note"


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The notes that were acted upon; what a note does is tested beside the stop itself."""
    notes: list[str] = []

    def stop(note: str, **_given: object) -> bool:
        notes.append(note)
        return note == NOTE

    monkeypatch.setattr(emergency_stop, "stop", stop)
    return notes


@pytest.fixture(autouse=True)
def hastened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Way]]:
    """Return what the note sent beside a slow ordinary way."""
    sent: list[tuple[str, Way]] = []
    monkeypatch.setattr(emergency_stop, "send_by_note", lambda note, *, way, press: sent.append((note, way)))
    return sent


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise OperationalError("the database is down")


async def failing(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, 500, b"something broke")


async def willing(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await answer(send, 200, b"done: " + message["body"])


async def hanging(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(30)


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """As where Telnyx, or a lock of the database, takes its time."""
    await asyncio.sleep(emergency.HASTENED_AFTER + 0.2)
    await willing(scope, receive, send)


async def answer(send: Any, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


def leave(django: Any, *, note: str = NOTE, htmx: bool = True, way: Way = Way.LEAVE) -> tuple[int, str]:
    """Press Leave; return the status and what came back."""
    return press(emergency_stop.with_emergency_stop(django, way=way), "/leave/", note=note, htmx=htmx)


def press(route: Any, path: str, *, note: str = NOTE, htmx: bool = True) -> tuple[int, str]:
    """Post a form to a route; return the status and what came back."""
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
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(route(scope, receive, send))
    return told[0]["status"], b"".join(part.get("body", b"") for part in told[1:]).decode()


def test_an_ordinary_leave_is_django_s_and_reads_the_whole_form(
    stopped: list[str], hastened: list[tuple[str, Way]]
) -> None:
    assert leave(willing) == (200, f"done: stop={NOTE}")
    assert (stopped, hastened) == ([], [])


@pytest.mark.parametrize("way", list(Way))
def test_a_slow_answer_has_the_note_send_what_was_pressed_and_stays_the_answer(
    stopped: list[str], hastened: list[tuple[str, Way]], way: Way
) -> None:
    assert emergency.HASTENED_AFTER < 1
    assert leave(slow, way=way) == (200, f"done: stop={NOTE}")
    assert eventually(lambda: hastened == [(NOTE, way)], within=10)  # by a thread of its own
    assert stopped == []


def test_a_stop_does_not_wait_for_threads_blocked_by_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_at: list[float] = []
    let_go = threading.Event()

    def stop(note: str, **_given: object) -> bool:
        stopped_at.append(time.monotonic())
        return True

    async def crowded(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(100):  # more than the loop has threads for everybody
            asyncio.get_running_loop().run_in_executor(None, let_go.wait, 3)
        raise OperationalError("the database hangs")

    monkeypatch.setattr(emergency_stop, "stop", stop)
    threading.Timer(2, let_go.set).start()
    pressed_at = time.monotonic()
    assert "You are out of the call." in leave(crowded)[1]
    assert stopped_at[0] - pressed_at < 1


@pytest.mark.parametrize("name", ["quieter", "leave", "disconnect"])
def test_every_way_out_works_without_the_database(
    stopped: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, name: str
) -> None:
    settings.STATIC_ROOT = tmp_path  # none are collected here, and the application warns of that as it is loaded
    asgi = importlib.import_module("dashboard.asgi")
    monkeypatch.setattr(asgi, "django_application", broken)
    assert "You are out of the call." in press(asgi.application, reverse(name))[1]
    assert stopped == [NOTE]


@pytest.mark.parametrize("django", [broken, failing])
def test_a_stop_works_while_the_database_fails(stopped: list[str], django: Any) -> None:
    status, told = leave(django)
    assert stopped == [NOTE]
    assert status == 200
    assert 'hx-target="#stopped"' in told
    assert "You are out of the call." in told
    assert "database is not answering" in told


def test_a_stop_works_while_the_database_does_not_answer(stopped: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emergency, "GIVEN_UP_AFTER", emergency.HASTENED_AFTER + 0.1)
    assert "You are out of the call." in leave(hanging)[1]


def test_a_stop_that_telnyx_did_not_confirm_is_not_reported_as_done(stopped: list[str]) -> None:
    told = leave(broken, note="a-note-that-fails")[1]
    assert "Hang up your phone. Telnyx did not confirm that you left." in told
    assert "You are out of the call." not in told


def test_without_a_script_the_answer_is_a_page_of_its_own(stopped: list[str]) -> None:
    status, told = leave(broken, htmx=False)
    assert status == 503
    assert told.startswith("<!doctype html>")
    assert "You are out of the call." in told


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
