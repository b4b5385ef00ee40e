from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.utils import timezone

from conferences import changes
from conferences.models import Account, Agent, Conference, Participant, Presence, Screen, Team
from dashboard import broadcast, lifetime, stream
from dashboard.broadcast import Subscriber, sse_event, sse_message
from dashboard.channel import Audience
from dashboard.fragments import Page
from dashboard.scope import Scope
from dashboard.window import Window

from .conftest import Call, NewCall

pytestmark = pytest.mark.django_db(transaction=True)

SignIn = Callable[[User], Client]


class Reader:
    """Opens the stream as a browser would, in a thread with a loop of its own, and reads what arrives."""

    def __init__(self, cookie: str, query: str = "") -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.text = ""
        self.over = threading.Event()
        self._news = threading.Condition()
        self._leave = threading.Event()
        self._scope = {
            "type": "http", "method": "GET", "path": "/stream/", "query_string": query.encode(),
            "headers": [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()), (b"host", b"testserver")],
        }  # fmt: skip
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    async def _run(self) -> None:
        try:
            await stream.stream(self._scope, self._receive, self._send)
        finally:
            self.over.set()

    async def _receive(self) -> MutableMapping[str, Any]:
        while not self._leave.is_set():
            await asyncio.sleep(0.02)
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        with self._news:
            self.status = message.get("status", self.status)
            self.headers |= dict(message.get("headers", []))
            self.text += message.get("body", b"").decode()
            self._news.notify_all()

    def until(self, words: str) -> str:
        """Wait until these words have arrived, and return everything so far."""
        with self._news:
            assert self._news.wait_for(lambda: words in self.text, timeout=10), self.text[-2000:]
            return self.text

    def forget(self) -> None:
        with self._news:
            self.text = ""

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(timeout=10)


@contextmanager
def reading(client: Client | None, query: str = "") -> Iterator[Reader]:
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value if client else ""
    reader = Reader(cookie, query)
    try:
        yield reader
    finally:
        reader.leave()


def change(call: Call, **fields: object) -> None:
    with transaction.atomic():
        version = changes.advance(now=timezone.now())
        Conference.objects.filter(id=call.conference.id).update(version=version, **fields)


def test_every_line_of_a_message_is_framed() -> None:
    assert sse_message("<b>\r\none\rtwo\n</b>", id=7) == b"data: <b>\ndata: one\ndata: two\ndata: </b>\nid: 7\n\n"


def test_only_line_ends_of_the_protocol_split_a_message() -> None:
    assert sse_message("a\u2028b\x0bc", id=1).decode() == "data: a\u2028b\x0bc\nid: 1\n\n"


def test_an_event_is_named_so_that_it_is_not_swapped() -> None:
    assert sse_event("heartbeat", {"now": 1}, id=2) == b'event: heartbeat\ndata: {"now": 1}\nid: 2\n\n'


def test_whoever_is_signed_out_gets_401_and_no_page() -> None:
    with reading(None) as reader:
        assert reader.over.wait(10)
        assert (reader.status, reader.text) == (401, "")


def test_a_call_of_another_team_is_not_found(omar: User, new_call: NewCall, page_of: SignIn) -> None:
    with reading(page_of(omar), f"conference={new_call().conference.id}") as reader:
        assert reader.over.wait(10)
        assert (reader.status, reader.text) == (404, "")


def test_the_stream_begins_with_the_window_and_the_servers_clock(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call("Billing-4312")
    with reading(page_of(kim)) as reader:
        text = reader.until("event: heartbeat")
        assert reader.headers[b"content-type"] == b"text/event-stream"
        assert f'<tr id="conference-{call.conference.id}"' in text
        beat = re.search(r"event: heartbeat\ndata: (.*)\n", text)
        assert beat
        assert abs(json.loads(beat[1])["now"] - timezone.now().timestamp() * 1000) < 10_000
        assert Presence.objects.filter(user=kim).exists()


def test_a_change_sends_the_changed_row_and_no_other(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    changed, other = new_call(), new_call()
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        reader.forget()
        change(changed, name="Renamed-1")
        text = reader.until("Renamed-1")
        assert f'<hx-partial hx-target="#conference-{changed.conference.id}" hx-swap="outerMorph"><tr' in text
        assert str(other.conference.id) not in text


def test_a_new_call_is_placed_after_the_one_before_it(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    first = new_call()
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        change(new_call("Fresh-1", age=timedelta(0)))
        text = reader.until("Fresh-1")
        assert f'hx-target="#conference-{first.conference.id}" hx-swap="afterend"' in text


def test_two_new_calls_of_one_message_are_placed_together(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    first = new_call()
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        with transaction.atomic():
            change(new_call("Fresh-1", age=timedelta(seconds=2)))
            change(new_call("Fresh-2", age=timedelta(seconds=1)))
        text = reader.until("Fresh-2")
        # htmx finds all targets before it swaps, so the second row must not be placed by the first.
        assert text.count(f'hx-target="#conference-{first.conference.id}" hx-swap="afterend"') == 1
        assert text.index("Fresh-1") < text.index("Fresh-2")


@pytest.mark.slow
def test_an_ended_call_fades_before_it_goes(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    call = new_call()
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        change(call, ended_at=now)
        reader.until('class="conference ended')
        reader.until(f'<hx-partial hx-target="#conference-{call.conference.id}" hx-swap="delete">')


def test_a_call_that_is_no_longer_mine_goes_at_once(
    kim: User, new_call: NewCall, page_of: SignIn, max_falk: Agent
) -> None:
    call = new_call()
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        Participant.objects.all().delete()
        change(call, team=None)
        assert "conference ended" not in reader.until('hx-swap="delete"')


def test_the_open_desk_follows(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call()
    with reading(page_of(kim), f"conference={call.conference.id}&alone=1") as reader:
        assert "conferences" not in re.findall(r'hx-target="#([a-z-]+)"', reader.until('hx-target="#desk"'))
        change(call, name="Renamed-2")
        reader.until('<h2 id="desk-title">Renamed-2</h2>')


def test_the_screen_is_cleared_when_the_session_ends(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        Session.objects.all().delete()
        assert "You are signed out." in reader.until('hx-target="#page"')
        assert reader.over.wait(10)


def test_a_deactivated_user_is_cleared_too(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        User.objects.filter(id=kim.id).update(is_active=False)
        reader.until("You are signed out.")


def test_the_stream_ends_when_its_worker_stops(kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        alive = True

    worker = Worker()
    monkeypatch.setattr(lifetime, "_worker", worker)
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        worker.alive = False
        assert reader.over.wait(2)


def test_the_stream_ends_by_itself_after_a_while(kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "LIFE_SECONDS", 0.1)
    with reading(page_of(kim)) as reader:
        assert reader.over.wait(5)
        assert reader.status == 200


def test_times_in_the_stream_are_the_viewers(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    Participant.objects.filter(leg=new_call().customer).update(on_hold=True, read_at=now - timedelta(seconds=3))
    client = page_of(kim)
    client.cookies["other"] = "x"
    cookie = f"{client.cookies[settings.SESSION_COOKIE_NAME].value}; floorline-tz=Asia/Kolkata"
    reader = Reader(cookie)
    try:
        assert "seen 19:32<" in reader.until("event: heartbeat")
    finally:
        reader.leave()


def test_new_rights_show_without_a_new_page(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    sales = Team.objects.create(name="Sales")
    ours, theirs = new_call("Ours-1"), new_call("Theirs-1", team=sales, agents=())
    with reading(page_of(kim)) as reader:
        assert "Theirs-1" not in reader.until("event: heartbeat")
        reader.forget()
        kim.team_memberships.create(team=sales)
        reader.until("Theirs-1")
        reader.forget()
        kim.team_memberships.exclude(team=sales).delete()
        text = reader.until('hx-target="#conferences" hx-swap="innerMorph"')
        assert "Ours-1" not in text.rpartition('hx-target="#conferences"')[2]
        assert str(theirs.conference.id) in text
        assert str(ours.conference.id) not in text.rpartition('hx-target="#conferences"')[2]


@pytest.mark.slow
def test_nobody_who_may_see_less_gets_what_others_get(
    kim: User, omar: User, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call("Billing-4312")
    with reading(page_of(kim)) as mine, reading(page_of(omar)) as theirs:
        mine.until("event: heartbeat")
        theirs.until("event: heartbeat")
        change(call, name="Renamed-3")
        mine.until("Renamed-3")
        theirs.forget()
        assert "conference" not in theirs.until("event: heartbeat").replace("conferences", "")
        assert "Renamed-3" not in theirs.text


def test_heartbeats_carry_the_three_clocks(kim: User, account: Account, page_of: SignIn) -> None:
    Account.objects.update(checked_at=timezone.now() - timedelta(seconds=70), check_problem="Telnyx did not answer.")
    with reading(page_of(kim)) as reader:
        beat = re.search(r"event: heartbeat\ndata: (.*)\n", reader.until("event: heartbeat"))
        assert beat
        told = json.loads(beat[1])
        assert 70 <= told["truth"] < 90
        assert (told["lag"], told["problem"]) == (None, "Telnyx did not answer.")


def test_a_page_without_the_floor_learns_of_bridged_calls_too(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    call = new_call()
    with reading(page_of(kim), f"conference={call.conference.id}&alone=1") as reader:
        reader.until("event: heartbeat")
        assert "bridged" not in reader.text
        Account.objects.update(bridged_call_seen_at=timezone.now())
        assert reader.until("Calls are bridged without a conference.").count('hx-target="#tidings"') == 2
        reader.forget()
        Account.objects.update(bridged_call_seen_at=None)
        reader.until('hx-target="#tidings"')


def test_the_comparison_learns_what_is_on_the_screen(
    kim: User, new_call: NewCall, page_of: SignIn, now: datetime
) -> None:
    shown, elsewhere = new_call("Billing-1"), new_call("Support-1", team=None, agents=())
    gone = uuid4()
    Screen.objects.create(process=gone, conference_ids=[str(elsewhere.conference.id)], at=now - timedelta(days=1))
    with reading(page_of(kim)) as reader:
        reader.until("Billing-1")
        noted = Screen.objects.exclude(process=gone)
        for _tenth in range(200):  # a process notes its screens every ten seconds, whichever test it is in
            if noted.exists():
                break
            time.sleep(0.1)
    assert noted.get().conference_ids == [str(shown.conference.id)]
    assert not Screen.objects.filter(process=gone).exists()


def test_a_page_that_reads_too_slowly_starts_again_from_a_snapshot(kim: User, now: datetime) -> None:
    async def fall_behind() -> tuple[bool, bytes]:
        window = Window()
        audience = Audience(scope=Scope(), window=window, language="en", zone=ZoneInfo("UTC"))
        page = Subscriber(session_key="", page=Page(viewer=kim, window=window), audience=audience, now=0)
        page.begin(0)
        for number in range(1, 40):
            page.offer(b"x" * 20_000, number=number)
        return page.needs_snapshot, page.rest()

    needs_snapshot, rest = asyncio.run(fall_behind())
    assert needs_snapshot
    assert len(rest) < broadcast.BACKLOG_BYTES


def test_what_a_snapshot_has_is_not_sent_again(kim: User) -> None:
    async def late() -> bytes:
        window = Window()
        audience = Audience(scope=Scope(), window=window, language="en", zone=ZoneInfo("UTC"))
        page = Subscriber(session_key="", page=Page(viewer=kim, window=window), audience=audience, now=0)
        page.offer(b"four", number=4)
        page.offer(b"beat")
        page.offer(b"five", number=5)
        page.begin(4)
        return page.rest()

    assert asyncio.run(late()) == b"beatfive"
