from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from conferences.changes import board_change
from conferences.models import Account, Agent, Conference, Participant, Presence, Screen, Team
from dashboard.push import broadcast, stream, subscriber, worker_state
from dashboard.push.personal import PersonalParts
from dashboard.push.sse import sse_event, sse_message
from tests.tooling.processes import eventually

from .conftest import Call, NewCall

pytestmark = pytest.mark.django_db(transaction=True)

SignIn = Callable[[User], Client]
PATIENCE = 20
"""Seconds for what comes at once, or with a heartbeat, on a loaded machine too; a thorough look comes after thirty."""


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
            assert self._news.wait_for(lambda: words in self.text, timeout=PATIENCE), self.text[-2000:]
            return self.text

    def until_newest(self, piece: str, *, without: str) -> None:
        """Wait until the newest piece of this kind has come without these words."""
        with self._news:
            come = self._news.wait_for(
                lambda: piece in self.text and without not in self.text.rpartition(piece)[2], timeout=PATIENCE
            )
            assert come, self.text[-2000:]

    def forget(self) -> None:
        with self._news:
            self.text = ""

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(timeout=PATIENCE)


@contextmanager
def reading(client: Client | None, query: str = "") -> Iterator[Reader]:
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value if client else ""
    reader = Reader(cookie, query)
    try:
        yield reader
    finally:
        reader.leave()


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test(transactional_db: None) -> Iterator[None]:
    """A closed stream waits for none of its threads: what one still stores would be there in the next test."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(("floor_", "personal_")):
            thread.join(30)


def change(call: Call, **fields: object) -> None:
    with board_change(now=timezone.now()) as changing:
        Conference.objects.filter(id=call.conference.id).update(version=changing.version, **fields)


def test_every_line_of_a_message_is_framed() -> None:
    assert sse_message("<b>\r\none\rtwo\n</b>", id=7) == b"data: <b>\ndata: one\ndata: two\ndata: </b>\nid: 7\n\n"


def test_only_line_ends_of_the_protocol_split_a_message() -> None:
    assert sse_message("a\u2028b\x0bc", id=1).decode() == "data: a\u2028b\x0bc\nid: 1\n\n"


def test_an_event_is_named_so_that_it_is_not_swapped() -> None:
    assert sse_event("heartbeat", {"now": 1}, id=2) == b'event: heartbeat\ndata: {"now": 1}\nid: 2\n\n'


def test_whoever_is_signed_out_gets_401_and_no_page() -> None:
    with reading(None) as reader:
        assert reader.over.wait(PATIENCE)
        assert (reader.status, reader.text) == (401, "")


def test_a_call_of_another_team_is_not_found(omar: User, new_call: NewCall, page_of: SignIn) -> None:
    with reading(page_of(omar), f"conference={new_call().conference.id}") as reader:
        assert reader.over.wait(PATIENCE)
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
        reader.until('<h2 id="desk-title" tabindex="-1">Renamed-2</h2>')


@pytest.mark.slow
def test_another_tab_of_who_changes_their_password_is_not_told_that_they_are_signed_out(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    here, elsewhere = page_of(kim), page_of(kim)
    with reading(here) as tab, reading(elsewhere) as other:
        for reader in (tab, other):
            reader.until("event: heartbeat")
        form = {"old_password": "kim-password", "new_password1": "correct horse", "new_password2": "correct horse"}
        assert here.post("/accounts/password/", form).status_code == 302
        for reader in (tab, other):
            assert reader.over.wait(PATIENCE)
            assert "You are signed out." not in reader.text
    with reading(here) as again, reading(elsewhere) as refused:
        again.until("event: heartbeat")
        assert refused.over.wait(PATIENCE)
        assert refused.status == 401


@pytest.mark.slow
def test_the_screen_is_cleared_of_a_browser_that_its_owner_ends_from_another(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    here, elsewhere = page_of(kim), page_of(kim)
    with reading(here) as mine, reading(elsewhere) as other:
        for reader in (mine, other):
            reader.until("event: heartbeat")
        assert here.post("/accounts/sessions/", {"others": "1"}).status_code == 302
        assert "You are signed out." in other.until('hx-target="#page"')
        mine.until("event: heartbeat")
        assert not mine.over.is_set()


def test_one_person_has_thirty_streams_and_no_more_however_many_are_asked_for_at_once(
    kim: User, lena: User, page_of: SignIn
) -> None:
    """Whoever is refused polls: the page of a supervisor with many tabs misses nothing."""
    keys = [page_of(user).cookies[settings.SESSION_COOKIE_NAME].value for user in [kim] * 2 + [lena]]
    statuses: list[int] = []
    told: list[bytes] = []

    async def one(key: str, go: asyncio.Event) -> None:
        scope = {
            "type": "http", "method": "GET", "path": "/stream/", "query_string": b"alone=1",
            "headers": [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode()), (b"host", b"testserver")],
        }  # fmt: skip

        async def receive() -> MutableMapping[str, Any]:
            await go.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if "status" in message:
                statuses.append(message["status"])
            elif statuses[-1] == 429:
                told.append(message["body"])

        await stream.stream(scope, receive, send)

    async def all_of_them() -> None:
        go = asyncio.Event()
        kims = [asyncio.create_task(one(keys[number % 2], go)) for number in range(stream.MOST_OF_ONE_PERSON + 20)]
        while len(statuses) < len(kims):
            await asyncio.sleep(0.02)
        lenas = asyncio.create_task(one(keys[2], go))
        while len(statuses) <= len(kims):
            await asyncio.sleep(0.02)
        go.set()
        await asyncio.gather(*kims, lenas)

    asyncio.run(all_of_them())
    assert statuses.count(200) == stream.MOST_OF_ONE_PERSON + 1
    assert statuses.count(429) == 20
    assert statuses[-1] == 200
    assert b"This one updates every few seconds" in b"".join(told)


def test_the_stream_ends_when_its_worker_stops(kim: User, page_of: SignIn) -> None:
    class Worker:
        alive = True

    worker = Worker()
    worker_state.begin(worker)
    with reading(page_of(kim)) as reader:
        reader.until("event: heartbeat")
        worker.alive = False
        assert reader.over.wait(5)  # sooner than gunicorn kills it (graceful_timeout)


def test_the_stream_ends_by_itself_after_a_while(kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "LIFE_SECONDS", 0.1)
    with reading(page_of(kim)) as reader:
        assert reader.over.wait(PATIENCE)
        assert reader.status == 200


def test_times_in_the_stream_are_the_viewers(kim: User, new_call: NewCall, page_of: SignIn, now: datetime) -> None:
    Participant.objects.filter(leg=new_call().customer).update(on_hold=True, read_at=now - timedelta(seconds=3))
    client = page_of(kim)
    client.cookies["other"] = "x"
    cookie = f"{client.cookies[settings.SESSION_COOKIE_NAME].value}; floorline-tz=Asia/Kolkata"
    reader = Reader(cookie)
    try:
        assert "on hold since 19:32<" in reader.until("event: heartbeat")
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


@pytest.mark.parametrize("alone", ["", "&alone=1"], ids=["floor", "conference page"])
@pytest.mark.parametrize(
    ("noticed", "over", "words"),
    [
        ({"bridged_call_seen_at": True}, {"bridged_call_seen_at": None}, "Some calls are not shown here."),
        (
            {"clock_ahead": 12.0, "heard_at": True},
            {"clock_ahead": 0.0},
            "clock is 12 s ahead of Telnyx",
        ),
    ],
    ids=["bridged calls", "clock"],
)
def test_an_open_page_learns_of_a_notice_and_of_its_end(
    kim: User,
    new_call: NewCall,
    page_of: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    noticed: dict[str, Any],
    over: dict[str, Any],
    words: str,
    alone: str,
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.2)
    call = new_call()
    with reading(page_of(kim), f"conference={call.conference.id}{alone}") as reader:
        reader.until("event: heartbeat")
        assert words not in reader.text
        Account.objects.update(**{name: timezone.now() if at is True else at for name, at in noticed.items()})
        reader.until(words)
        reader.forget()
        Account.objects.update(**over)
        assert words not in reader.until('hx-target="#notices"')


def test_the_comparison_learns_what_is_on_the_screen(
    kim: User, new_call: NewCall, page_of: SignIn, now: datetime
) -> None:
    shown, elsewhere = new_call("Billing-1"), new_call("Support-1", team=None, agents=())
    gone = uuid4()
    Screen.objects.create(process=gone, conference_ids=[str(elsewhere.conference.id)], at=now - timedelta(days=1))

    def noted() -> list[list[str]]:
        return list(Screen.objects.values_list("conference_ids", flat=True))

    with reading(page_of(kim)) as reader:
        reader.until("Billing-1")
        # A process notes its screens every ten seconds, and then forgets those that are gone.
        assert eventually(lambda: noted() == [[str(shown.conference.id)]], within=30), noted()


def test_nobody_else_reads_the_viewers_own_part_while_a_snapshot_is_taken(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two readings at once each send the desk, and the older one may be the last.
    read, begun, another = PersonalParts.pieces, [0], threading.Condition()
    met = []

    def wait_for_another(parts: PersonalParts, *, now: datetime) -> list[str]:
        with another:
            begun[0] += 1
            mine = begun[0]
            another.notify_all()
            met.append(another.wait_for(lambda: begun[0] > mine, timeout=3 * broadcast.LOOK_SECONDS))
        return read(parts, now=now)

    monkeypatch.setattr(PersonalParts, "pieces", wait_for_another)
    with reading(page_of(kim), f"conference={new_call('Billing-4312').conference.id}") as reader:
        reader.until('<h2 id="desk-title" tabindex="-1">Billing-4312</h2>')
    assert not met[0]
