"""Checks that a session in which nobody does anything ends, that it is warned of, and that only people keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangosSessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from conferences.login_sessions import LAST_AT, SessionStore
from conferences.logins import end_sessions, is_signed_in
from conferences.models import AuditEntry
from dashboard.push import broadcast

from .conftest import NewCall
from .test_snapshot import poll
from .test_stream import PATIENCE, reading

pytestmark = pytest.mark.django_db(transaction=True)

SignIn = Callable[[User], Client]
Action = AuditEntry.Action
START = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
BY_HAND = {"Sec-Fetch-User": "?1"}
WARNS = "Are you still there?"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as travel:
        yield travel


def after(clock: time_machine.Traveller, **passed: float) -> None:
    clock.move_to(START + timedelta(**passed))


def is_in(client: Client, **headers: str) -> bool:
    """Return whether the floor opens; headers may say that a person did it."""
    return client.get("/", headers=headers).status_code == 200


def test_a_session_in_which_nobody_does_anything_ends(
    kim: User, page_of: SignIn, clock: time_machine.Traveller
) -> None:
    client = page_of(kim)
    after(clock, minutes=59, seconds=59)
    assert is_in(client)
    after(clock, minutes=60)
    assert not is_in(client)
    assert not is_signed_in(kim, now=timezone.now())


@pytest.mark.parametrize("path", ["/", "/ear/", "/setup/", "/snapshot/", "/stream/"])
def test_what_a_page_asks_by_itself_keeps_no_session(
    kim: User, page_of: SignIn, clock: time_machine.Traveller, path: str
) -> None:
    client = page_of(kim)
    for minute in range(0, 60, 7):
        after(clock, minutes=minute)
        if path == "/snapshot/":
            assert poll(client).status == 200
        elif path == "/stream/":
            with reading(client) as reader:
                reader.until("event: heartbeat")
        else:
            client.get(path, headers={"HX-Request": "true", "Sec-Fetch-Mode": "cors"})
    after(clock, minutes=60)
    assert not is_in(client)


ACTS: dict[str, Callable[[Client], object]] = {
    "a key or a pointer": lambda client: client.post("/still-here/", headers=HTMX),
    "a page opened by hand": lambda client: client.get("/ear/", headers=BY_HAND),
    "a press": lambda client: client.post("/theme/", {"theme": "dark"}),
    "a page of the administration": lambda client: client.get("/admin/", headers=BY_HAND),
}


@pytest.mark.parametrize("act", list(ACTS))
def test_what_a_person_does_keeps_the_session(
    lena: User, page_of: SignIn, clock: time_machine.Traveller, act: str
) -> None:
    client = page_of(lena)
    after(clock, minutes=40)
    ACTS[act](client)
    after(clock, minutes=99, seconds=59)
    assert is_in(client)
    after(clock, minutes=100)
    assert not is_in(client)


def test_what_is_stored_in_a_session_does_not_keep_it(
    kim: User, page_of: SignIn, clock: time_machine.Traveller
) -> None:
    client = page_of(kim)
    after(clock, minutes=40)
    session = client.session
    session["anything"] = 1
    session.save()
    after(clock, minutes=60)
    assert not is_in(client)


def test_nothing_keeps_a_session_longer_than_a_shift(kim: User, page_of: SignIn, clock: time_machine.Traveller) -> None:
    client = page_of(kim)
    for minutes in range(0, 12 * 60, 50):
        after(clock, minutes=minutes)
        assert is_in(client, **BY_HAND)
    after(clock, hours=11, minutes=59)
    page = client.get("/", headers=BY_HAND)
    assert page.status_code == 200
    assert WARNS not in page.content.decode()  # no key answers that one
    after(clock, hours=12)
    assert not is_in(client, **BY_HAND)


def test_activity_is_stored_once_in_a_minute(kim: User, page_of: SignIn, clock: time_machine.Traveller) -> None:
    client = page_of(kim)
    stored = []
    for seconds in (30, 61, 90, 122):
        after(clock, seconds=seconds)
        with CaptureQueriesContext(connection) as asked:
            assert client.post("/still-here/", headers=HTMX).status_code == 204
        stored.append(sum(query["sql"].startswith("UPDATE") for query in asked.captured_queries))
    assert stored == [0, 1, 0, 1]


def test_a_session_that_has_ended_comes_to_life_by_nothing(
    kim: User, page_of: SignIn, clock: time_machine.Traveller
) -> None:
    client = page_of(kim)
    after(clock, minutes=61)
    assert client.post("/still-here/", headers=HTMX).status_code == 401
    assert not is_in(client, **BY_HAND)


def test_zero_switches_the_time_out_off(
    kim: User, page_of: SignIn, clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.IDLE_TIMEOUT_MINUTES = 0
    client = page_of(kim)
    after(clock, hours=11, minutes=59)
    assert is_in(client)
    after(clock, hours=12)
    assert not is_in(client)


def test_a_new_time_out_holds_for_sessions_that_are_there(
    kim: User, page_of: SignIn, clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.IDLE_TIMEOUT_MINUTES = 0
    client = page_of(kim)
    settings.IDLE_TIMEOUT_MINUTES = 30
    end_sessions(now=timezone.now())
    after(clock, minutes=30)
    assert not is_in(client)


def test_a_session_of_an_earlier_version_goes_on_and_gets_a_last_end(kim: User, clock: time_machine.Traveller) -> None:
    old = DjangosSessionStore()
    old[auth.SESSION_KEY], old[auth.BACKEND_SESSION_KEY] = str(kim.pk), settings.AUTHENTICATION_BACKENDS[0]
    old[auth.HASH_SESSION_KEY] = kim.get_session_auth_hash()
    old.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(old.session_key)
    after(clock, hours=1)
    end_sessions(now=timezone.now())
    assert is_in(client, **BY_HAND)
    stored = SessionStore(old.session_key)
    assert stored[LAST_AT] == int((START + timedelta(hours=13)).timestamp())
    assert stored.ends_at == START + timedelta(hours=2)


# --- What is told -----------------------------------------------------------------------------------------------------


def test_the_audit_tells_who_was_signed_out_and_why(
    kim: User, lena: User, page_of: SignIn, clock: time_machine.Traveller
) -> None:
    idle, busy = page_of(kim), page_of(lena)
    for minutes in range(0, 12 * 60, 50):
        after(clock, minutes=minutes)
        is_in(busy, **BY_HAND)
        end_sessions(now=timezone.now())
    assert not is_in(idle)
    after(clock, hours=13)
    end_sessions(now=timezone.now())
    told = AuditEntry.objects.exclude(action=Action.SIGNED_IN).order_by("at")
    assert [(entry.actor, entry.action, entry.at - START) for entry in told] == [
        (kim, Action.SIGNED_OUT_IDLE, timedelta(hours=1)),
        (lena, Action.SIGN_IN_ENDED, timedelta(hours=12)),
    ]
    assert not Session.objects.exists()


def test_whoever_signs_out_is_told_so_alone(kim: User, page_of: SignIn, clock: time_machine.Traveller) -> None:
    page_of(kim).post("/accounts/logout/")
    after(clock, hours=13)
    end_sessions(now=timezone.now())
    assert list(AuditEntry.objects.values_list("action", flat=True)) == [Action.SIGNED_IN, Action.SIGNED_OUT]


def test_two_minutes_before_the_end_the_page_warns(kim: User, page_of: SignIn, clock: time_machine.Traveller) -> None:
    client = page_of(kim)
    after(clock, minutes=57, seconds=59)
    assert WARNS not in client.get("/").content.decode()
    after(clock, minutes=58)
    page = client.get("/").content.decode()
    assert WARNS in page
    assert "You are signed out at 09:00:00 unless" in page
    # Without scripts the button answers, and leads back.
    answer = client.post("/still-here/", headers={"Referer": "http://testserver/ear/"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://testserver/ear/")
    assert WARNS not in client.get("/").content.decode()


def test_a_page_that_polls_is_warned_until_some_tab_answers(
    kim: User, page_of: SignIn, clock: time_machine.Traveller
) -> None:
    client = page_of(kim)
    quiet = poll(client)
    after(clock, minutes=58)
    warned = poll(client, version=quiet.version)
    assert WARNS in warned.text
    client.post("/still-here/", headers=HTMX)
    answered = poll(client, version=warned.version)
    assert '<hx-partial hx-target="#idle" hx-swap="innerHTML"></hx-partial>' in answered.text


def ends_in(client: Client, **left: float) -> None:
    Session.objects.filter(pk=client.session.session_key).update(expire_date=timezone.now() + timedelta(**left))


def test_a_stream_warns_every_tab_and_takes_the_warning_back(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    client = page_of(kim)
    with reading(client) as one, reading(client, "alone=1") as other:
        for tab in (one, other):
            assert WARNS not in tab.until("event: heartbeat")
        ends_in(client, seconds=100)
        for tab in (one, other):
            tab.until(WARNS)
            tab.forget()
        client.post("/still-here/", headers=HTMX)
        for tab in (one, other):
            assert WARNS not in tab.until('<hx-partial hx-target="#idle" hx-swap="innerHTML"></hx-partial>')


def test_a_stream_clears_the_screen_when_the_time_is_up(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    client = page_of(kim)
    with reading(client) as reader:
        reader.until("event: heartbeat")
        ends_in(client, seconds=1)
        text = reader.until('hx-target="#page"')
        assert "Nothing was pressed here for 60 minutes." in text
        assert reader.over.wait(PATIENCE)
