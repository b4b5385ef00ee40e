"""The session store hangs: the page's note sends what was pressed, and Django's later command is the same one."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from conferences.models import AuditEntry, Command, SupervisorSession
from conferences.models.supervision import Role
from conferences.supervision import open_session, seal

from .conftest import Call, Floor

pytestmark = pytest.mark.slow

HANGS_SECONDS = 2.5
SOON_SECONDS = 1.5
TOKEN = "c" * 32


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test(floor: Floor) -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "stop-audit":
            thread.join(30)


@pytest.fixture
def application(settings: Any, tmp_path: Path) -> Any:
    settings.STATIC_ROOT = tmp_path  # none are collected here, and the application warns of that as it is loaded
    return importlib.import_module("dashboard.asgi").application


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = SessionStore.load

    def slowly(store: SessionStore) -> Any:
        time.sleep(HANGS_SECONDS)
        return look_up(store)

    monkeypatch.setattr(SessionStore, "load", slowly)


def talking(floor: Floor, kim: User) -> tuple[Call, SupervisorSession]:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    session = open_session(kim)
    assert session is not None
    return call, session


def press(application: Any, path: str, note: str) -> Future[int]:
    """Press a button of the page, as a browser does; return the answer's status when it comes."""
    cookies = f"{settings.SESSION_COOKIE_NAME}={Session.objects.latest('expire_date').pk}"
    cookies += f"; {settings.CSRF_COOKIE_NAME}={TOKEN}"
    form = urlencode({"stop": note, "csrfmiddlewaretoken": TOKEN}).encode()
    headers = {
        "host": "testserver",
        "cookie": cookies,
        "hx-request": "true",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(form)),
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    parts: list[dict[str, Any]] = [{"type": "http.request", "body": form}]
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return parts.pop(0) if parts else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        told.append(dict(message))

    def answered() -> int:
        asyncio.run(application(scope, receive, send))
        return int(told[0]["status"])

    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(answered)
    finally:
        thread.shutdown(wait=False)


@pytest.mark.parametrize(
    ("path", "at", "kind"),
    [("/quieter/", "/update", "update"), ("/leave/", "/leave", "leave"), ("/ear/disconnect/", "/hangup", "hangup")],
)
def test_a_stop_reaches_telnyx_within_a_moment_although_the_session_store_hangs_and_is_executed_once(
    floor: Floor, kim: User, application: Any, hung: None, path: str, at: str, kind: str
) -> None:
    call, session = talking(floor, kim)
    before = len(floor.sent(at))
    pressed_at = time.monotonic()
    answer = press(application, path, seal(session))
    while call.who_hears(session):
        assert time.monotonic() - pressed_at < SOON_SECONDS, "still audible"
        time.sleep(0.02)
    assert not answer.done()
    assert answer.result(30) == 200
    ids = [body["command_id"] for body in floor.sent(at)[before:]]
    assert len(ids) == 2
    floor.wait(4)
    stored = Command.objects.filter(ear=session.ear, kind=kind).latest("asked_at")
    assert ({str(stored.pk)}, stored.state) == (set(ids), Command.State.VERIFIED)
    assert call.who_hears(session) == set()
    # Nobody is taken out, or loses the line, who only wanted to be quieter, or to leave.
    assert (call.state(session).ended_at is None) is (kind == "update")
    assert floor.world.legs[session.ear.call_control_id].alive is (kind != "hangup")
    assert AuditEntry.objects.filter(action="sent by the page's note", session_id=session.pk).exists()
