"""Checks the order in which one open page is sent things, and how little it reads while nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conferences.models import Line
from conferences.permissions import NO_RIGHTS, RightsScope
from dashboard.desk.ear import Place, my_ear
from dashboard.floor.live import floor
from dashboard.floor.window import Window
from dashboard.push import subscriber
from dashboard.push.channel import PageGroup
from dashboard.push.personal import PersonalParts
from dashboard.push.subscriber import Subscriber
from dashboard.rendering.fragments import Page


def page_of(viewer: User, write: Callable[[bytes], bool] | None = None) -> Subscriber:
    window = Window()
    audience = PageGroup(scope=RightsScope(), window=window, language="en", zone=ZoneInfo("UTC"))
    return Subscriber(
        session_key="",
        page=Page(viewer=viewer, window=window),
        audience=audience,
        rights=NO_RIGHTS,
        now=0,
        write=write,
    )


class Connection:
    """A connection that takes what is written while its client reads."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_read = True

    def write(self, body: bytes) -> bool:
        if self.is_read:
            self.written.append(body)
        return self.is_read


def test_a_page_that_reads_too_slowly_starts_again_from_a_snapshot(kim: User) -> None:
    page = page_of(kim)
    page.begin(0, PersonalParts(page.page))
    for number in range(1, 40):
        page.offer(b"x" * 20_000, number=number)
    assert page.needs_snapshot
    assert len(page.rest()) < subscriber.BACKLOG_BYTES


def test_what_a_snapshot_has_is_not_sent_again(kim: User) -> None:
    connection = Connection()
    for page in (page_of(kim), page_of(kim, connection.write)):
        page.offer(b"four", number=4)
        page.offer(b"beat")
        page.offer(b"five", number=5)
        page.begin(4, PersonalParts(page.page))
        assert page.rest() == b"beatfive"
        page.offer(b"four", number=4)
        assert page.rest() == b""
    assert connection.written == []


def test_a_change_is_written_at_once_where_nothing_waits_before_it(kim: User) -> None:
    connection = Connection()
    page = page_of(kim, connection.write)
    page.offer(b"before the snapshot", number=1)
    assert connection.written == []
    page.begin(1, PersonalParts(page.page))
    assert page.rest() == b""
    page.offer(b"two", number=2)
    assert (connection.written, page.rest()) == ([b"two"], b"")


def test_what_a_slow_client_has_not_read_is_sent_in_order(kim: User) -> None:
    connection = Connection()
    page = page_of(kim, connection.write)
    page.begin(0, PersonalParts(page.page))
    connection.is_read = False
    page.offer(b"one", number=1)
    connection.is_read = True
    page.offer(b"two", number=2)  # one still waits
    assert (connection.written, page.rest()) == ([], b"onetwo")
    page.offer(b"three", number=3)
    assert connection.written == [b"three"]


def test_a_page_that_has_just_opened_is_not_read_again_until_something_changes(kim: User) -> None:
    floor.refresh(now=timezone.now())
    own = PersonalParts(Page(viewer=kim, window=Window()))
    assert own.is_concerned()
    own.pieces(now=timezone.now())
    assert not own.is_concerned()


def test_looking_after_somebody_without_a_phone_in_use_joins_no_tables(kim: User) -> None:
    Line.objects.create(user=kim, label="Desk", address="sip:kim@example.com")
    with CaptureQueriesContext(connection) as asked:
        assert my_ear(kim, now=timezone.now()).place is Place.AWAY
    assert len(asked) == 4, asked.captured_queries
    assert not [query["sql"] for query in asked.captured_queries if "JOIN" in query["sql"]]
