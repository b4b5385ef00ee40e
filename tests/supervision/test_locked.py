"""Somebody else holds the database's lock: a way to silence is sent all the same, and stored once it can be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from conferences.changes import board_change
from conferences.models import Command
from conferences.models.supervision import Role
from conferences.supervision import disconnect, leave, quieter

from .conftest import Call, Floor

pytestmark = pytest.mark.slow

HELD_SECONDS = 2.5
SOON_SECONDS = 1.5


@contextmanager
def locked(floor: Floor) -> Iterator[None]:
    """Hold the board's lock from another connection, as a long write or a paused process does."""
    held = threading.Event()

    def hold() -> None:
        try:
            with board_change(now=floor.now):
                held.set()
                time.sleep(HELD_SECONDS)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    try:
        yield
    finally:
        holder.join()


def in_thread(click: Callable[[], object]) -> threading.Thread:
    """Click as a web process does: on a database connection of its own."""

    def clicked() -> None:
        try:
            click()
        finally:
            connection.close()

    thread = threading.Thread(target=clicked)
    thread.start()
    return thread


def talking(floor: Floor, kim: User) -> Call:
    call = floor.call()
    call.bring_in(kim)
    call.choose(kim, Role.BARGE)
    floor.wait(3)
    return call


@pytest.mark.parametrize(
    ("stop", "path", "kind"),
    [(quieter, "/update", "update"), (leave, "/leave", "leave"), (disconnect, "/hangup", "hangup")],
)
def test_a_stop_reaches_telnyx_within_a_moment_although_the_database_is_locked(
    floor: Floor, kim: User, stop: Callable[..., Any], path: str, kind: str
) -> None:
    call = talking(floor, kim)
    session = kim.supervisor_sessions.get()
    before = len(floor.sent(path))
    with locked(floor):
        pressed_at = time.monotonic()
        clicking = in_thread(lambda: stop(user=kim, now=floor.now))
        while call.who_hears(session):
            assert time.monotonic() - pressed_at < SOON_SECONDS, "still audible"
            time.sleep(0.02)
        clicking.join()
    sent = [body["command_id"] for body in floor.sent(path)[before:]]
    assert len(set(sent)) == 1
    floor.wait(4)
    assert call.who_hears(session) == set()
    stored = Command.objects.filter(ear=session.ear, kind=kind).latest("asked_at")
    assert (str(stored.pk), stored.state) == (sent[0], Command.State.VERIFIED)


def test_a_louder_role_waits_for_the_database(floor: Floor, kim: User) -> None:
    call = floor.call()
    session = call.bring_in(kim)
    with locked(floor):
        clicking = in_thread(lambda: call.choose(kim, Role.BARGE))
        time.sleep(SOON_SECONDS)
        assert floor.sent("/update") == []
        clicking.join()
    assert call.state(session).role == Role.BARGE
