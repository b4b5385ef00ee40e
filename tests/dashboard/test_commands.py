from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conferences import supervision
from conferences.models import Command, SupervisorSession
from conferences.models.supervision import Role

from .conftest import Call, NewCall

SignIn = Callable[[User], Client]
FLOOR = "http://testserver/?q=bil"
HTMX = {"HX-Request": "true", "HX-Current-URL": FLOOR}


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record what the view asks the service for; the service itself has tests of its own."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(supervision, "choose_role", lambda **given: asked.append(given))
    return asked


def role(client: Client, call: Call, *, htmx: bool = True, **data: object) -> Any:
    return client.post(f"{call.url}role/", data, headers=HTMX if htmx else {"Referer": FLOOR})


def test_a_role_reaches_the_service_with_targets_and_audience(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    call = new_call()
    agent, audience = call.agents[0].id, [call.agents[0].id, call.customer.id]
    assert role(page_of(kim), call, role="whisper", targets=[agent], audience=audience).status_code == 200
    [given] = chosen
    assert (given["user"], given["conference"], given["role"]) == (kim, call.conference, Role.WHISPER)
    assert (given["targets"], given["audience"]) == ([agent], audience)


@pytest.mark.parametrize("wanted", ["barge", "none"])
def test_what_everyone_hears_must_be_confirmed(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]], wanted: str
) -> None:
    call = new_call()
    answer = role(page_of(kim), call, role=wanted)
    assert chosen == []
    assert b"will hear you" in answer.content
    role(page_of(kim), call, role=wanted, confirmed="yes")
    assert chosen == []
    role(page_of(kim), call, role=wanted, confirmed=wanted)
    assert [given["role"] for given in chosen] == [wanted]


def test_without_a_script_the_second_press_is_on_the_page_that_the_first_one_led_to(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    call, client = new_call(), page_of(kim)
    armed = role(client, call, htmx=False, role="barge")
    assert armed.headers["Location"] == f"/?q=bil&conference={call.conference.id}&armed=barge"
    page = client.get(armed.headers["Location"]).content.decode()
    assert "Customer and Ana will hear you. Press again." in page
    assert '<input type="hidden" form="desk-form" name="confirmed" value="barge">' in page


def test_an_answered_click_reads_the_ear_once(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    call, client = new_call(), page_of(kim)
    with CaptureQueriesContext(connection) as asked:
        role(client, call, role="monitor")
    # Whether there is one; as there is none, it is not read.
    ears = [query["sql"] for query in asked if re.search(r'FROM "?conferences_ear\b', query["sql"])]
    assert len(ears) == 1


def test_a_refusal_is_one_sentence_and_changes_nothing_else(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_given: object) -> None:
        raise supervision.Refused("Your line is <busy>.")

    monkeypatch.setattr(supervision, "choose_role", refuse)
    answer = role(page_of(kim), new_call(), role="monitor")
    assert answer.status_code == 422
    assert answer.content.decode().count("<hx-partial") == 1
    assert 'hx-target="#refusal"' in answer.content.decode()
    assert "Your line is &lt;busy&gt;." in answer.content.decode()


def test_a_refusal_without_a_script_is_read_on_the_page(
    kim: User, new_call: NewCall, page_of: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_given: object) -> None:
        raise supervision.Refused("Your phone is busy.")

    monkeypatch.setattr(supervision, "choose_role", refuse)
    client = page_of(kim)
    back = role(client, new_call(), htmx=False, role="monitor")
    assert back.status_code == 302
    assert "Your phone is busy." in client.get(back.headers["Location"]).content.decode()


def test_the_real_service_refuses_a_whisper_to_a_customer_in_words(
    kim: User, new_call: NewCall, page_of: SignIn
) -> None:
    call = new_call()
    answer = role(page_of(kim), call, role="whisper", targets=[call.customer.id], audience=[call.customer.id])
    assert answer.status_code == 422
    assert not Command.objects.exists()


def test_the_real_service_tells_a_superuser_that_a_line_is_missing(
    admin_user: User, new_call: NewCall, page_of: SignIn
) -> None:
    answer = role(page_of(admin_user), new_call(), role="monitor")
    assert answer.status_code == 422
    assert "You have no phone yet." in answer.content.decode()


@pytest.mark.parametrize(
    "data", [{}, {"role": "listen"}, {"role": "whisper", "targets": "x"}, {"role": "whisper", "audience": "1"}]
)
def test_nonsense_is_a_bad_request(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]], data: dict[str, Any]
) -> None:
    assert role(page_of(kim), new_call(), **data).status_code == 400
    assert chosen == []


def test_a_stranger_cannot_choose_a_role(
    omar: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    assert role(page_of(omar), new_call(), role="monitor").status_code == 404
    assert chosen == []


def test_monitor_on_a_row_brings_that_call_to_the_desk(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    call = new_call()
    answer = role(page_of(kim), call, role="monitor")
    assert answer.headers["HX-Push-Url"] == f"/?q=bil&conference={call.conference.id}"
    assert f"/stream/?q=bil&amp;conference={call.conference.id}" in answer.content.decode()


def test_on_the_conference_page_a_command_stays_there(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    call = new_call()
    back = page_of(kim).post(
        f"{call.url}role/", {"role": "monitor"}, headers={"Referer": f"http://testserver{call.url}"}
    )
    assert back.headers["Location"] == call.url


def test_a_foreign_referer_leads_to_the_floor(
    kim: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    back = page_of(kim).post("/leave/", headers={"Referer": "https://evil.example/phish"})
    assert back.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("path", "verb"), [("/leave/", "leave"), ("/quieter/", "quieter"), ("/ear/disconnect/", "disconnect")]
)
def test_getting_quieter_is_one_call_into_the_service(
    kim: User, page_of: SignIn, monkeypatch: pytest.MonkeyPatch, path: str, verb: str
) -> None:
    done: list[tuple[User, int | None]] = []
    monkeypatch.setattr(supervision, verb, lambda *, user, press, now: done.append((user, press.number)))
    client = page_of(kim)
    assert client.get(path).status_code == 405
    assert client.post(path, {"page": str(uuid4()), "press": "7"}, headers=HTMX).status_code == 200
    assert done == [(kim, 7)]


def test_a_command_answers_with_what_the_rows_say(
    kim: User,
    new_call: NewCall,
    page_of: SignIn,
    kim_listens: Callable[..., SupervisorSession],
    chosen: list[dict[str, Any]],
) -> None:
    call = new_call()
    kim_listens(call, role=Role.MONITOR)
    answer = role(page_of(kim), call, role="whisper", targets=[call.agents[0].id]).content.decode()
    # The service was silent, so the rows still say Monitor, whatever was clicked.
    assert "Nobody hears you. You hear everyone." in answer


def test_a_post_without_its_token_is_refused_in_our_look(kim: User, new_call: NewCall) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(kim)
    answer = client.post("/leave/")
    assert (answer.status_code, b"This page has expired." in answer.content) == (403, True)


def test_a_row_s_button_listens_silently(
    kim: User, omar: User, new_call: NewCall, page_of: SignIn, chosen: list[dict[str, Any]]
) -> None:
    call = new_call()
    assert page_of(omar).post("/monitor/", {"monitor": call.conference.id}, headers=HTMX).status_code == 404
    assert page_of(kim).post("/monitor/", {"monitor": "nonsense"}, headers=HTMX).status_code == 400
    assert chosen == []
    answer = page_of(kim).post("/monitor/", {"monitor": call.conference.id}, headers=HTMX)
    assert [(given["conference"], given["role"]) for given in chosen] == [(call.conference, Role.MONITOR)]
    assert answer.headers["HX-Push-Url"] == f"/?q=bil&conference={call.conference.id}"
