"""GET /snapshot/ as a page without a stream polls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from conferences.changes import board_change
from conferences.models import Conference, Leg, Presence, Screen, SupervisorSession, TeamMembership
from dashboard.push import snapshot

from .conftest import NewCall

pytestmark = pytest.mark.django_db(transaction=True)

SignIn = Callable[[User], Client]


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] | None = None
    text: str = ""

    @property
    def version(self) -> str:
        assert self.headers
        return self.headers["etag"]

    @property
    def beat(self) -> dict[str, Any]:
        assert self.headers
        return dict(json.loads(self.headers["floorline-heartbeat"]))


def poll(client: Client | None, query: str = "", *, version: str = "", method: str = "GET") -> Answer:
    """Ask as a page does that shows `version`."""
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value if client else ""
    headers = [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()), (b"host", b"testserver")]
    headers += [(b"if-none-match", version.encode())] if version else []
    scope = {
        "type": "http", "method": method, "path": "/snapshot/", "query_string": query.encode(), "headers": headers,
    }  # fmt: skip
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answer.status = message.get("status", answer.status)
        if "headers" in message:
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        answer.text += message.get("body", b"").decode()

    asyncio.run(snapshot.snapshot(scope, receive, send))
    return answer


def rename(conference: Conference, name: str) -> None:
    with board_change(now=timezone.now()) as change:
        Conference.objects.filter(id=conference.id).update(version=change.version, name=name)


def test_a_snapshot_has_the_window_and_the_servers_clock(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call = new_call("Billing-4312")
    answer = poll(page_of(kim))
    assert f'<tr id="conference-{call.conference.id}"' in answer.text
    assert abs(answer.beat["now"] - timezone.now().timestamp() * 1000) < 10_000
    assert answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_what_the_page_shows_already_is_answered_304_with_the_clock(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    new_call()
    client = page_of(kim)
    again = poll(client, version=poll(client).version)
    assert (again.status, again.text) == (304, "")
    assert again.beat["now"]


def test_a_change_in_the_window_is_sent(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call, client = new_call(), page_of(kim)
    before = poll(client).version
    rename(call.conference, "Renamed-1")
    after = poll(client, version=before)
    assert after.status == 200
    assert "Renamed-1" in after.text


def test_a_change_that_the_viewer_may_not_see_is_no_news(omar: User, new_call: NewCall, page_of: SignIn) -> None:
    call, client = new_call(), page_of(omar)
    before = poll(client).version
    rename(call.conference, "Renamed-1")
    assert poll(client, version=before).status == 304


def test_a_desk_with_my_ear_in_it_is_304_too_and_a_changed_role_is_sent(
    kim: User, new_call: NewCall, page_of: SignIn, kim_listens: Callable[..., SupervisorSession]
) -> None:
    call, client = new_call(), page_of(kim)
    session = kim_listens(call)
    query = f"conference={call.conference.id}"
    before = poll(client, query)
    assert 'name="stop"' in before.text
    assert poll(client, query, version=before.version).status == 304
    SupervisorSession.objects.filter(pk=session.pk).update(role="barge")
    assert poll(client, query, version=before.version).status == 200


def test_another_window_is_another_version(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    new_call()
    client = page_of(kim)
    assert poll(client).version != poll(client, "q=other").version


def test_a_lost_right_is_seen_at_the_next_poll(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call, client = new_call("Billing-4312"), page_of(kim)
    before = poll(client, f"conference={call.conference.id}").version
    TeamMembership.objects.filter(user=kim).delete()
    after = poll(client, version=before)
    assert after.status == 200
    assert "Billing-4312" not in after.text
    assert poll(client, f"conference={call.conference.id}").status == 404


def test_whoever_is_signed_out_gets_401(kim: User, page_of: SignIn) -> None:
    client = page_of(kim)
    assert poll(None).status == 401
    User.objects.filter(pk=kim.pk).update(is_active=False)
    assert poll(client).status == 401
    assert poll(client, "wait=1").status == 401


def test_a_call_of_another_team_is_not_found(omar: User, new_call: NewCall, page_of: SignIn) -> None:
    assert poll(page_of(omar), f"conference={new_call().conference.id}").status == 404


def test_only_get_is_answered(kim: User, page_of: SignIn) -> None:
    assert poll(page_of(kim), method="POST").status == 405


def test_a_poll_shows_that_a_page_is_open(kim: User, page_of: SignIn) -> None:
    Presence.objects.create(user=kim, seen_at=timezone.now() - timedelta(minutes=1))
    poll(page_of(kim))
    assert Presence.objects.get(user=kim).seen_at > timezone.now() - timedelta(seconds=10)


def test_a_held_back_answer_notes_the_page_when_it_asks(
    kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LONGEST_WAIT_SECONDS", 0.5)
    answer = poll(page_of(kim), "wait=8")
    assert answer.status == 200
    assert answer.beat["now"] - Presence.objects.get(user=kim).seen_at.timestamp() * 1000 >= 500


def test_what_a_polling_page_shows_is_read_first(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call, page = new_call(), uuid4()
    client = page_of(kim)
    poll(client, f"page={page}")
    poll(client, "page=nonsense")
    assert [(screen.process, screen.conference_ids) for screen in Screen.objects.all()] == [
        (page, [str(call.conference.id)])
    ]


def test_a_page_without_the_floor_polls_its_desk(kim: User, new_call: NewCall, page_of: SignIn) -> None:
    call, client = new_call("Billing-4312"), page_of(kim)
    query = f"alone=1&conference={call.conference.id}"
    before = poll(client, query)
    assert 'hx-target="#desk"' in before.text
    assert 'hx-target="#conferences"' not in before.text
    assert poll(client, query, version=before.version).status == 304
    Leg.objects.filter(pk=call.customer.pk).update(from_address="+4915550100199")
    assert poll(client, query, version=before.version).status == 200
