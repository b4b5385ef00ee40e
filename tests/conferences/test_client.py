"""Checks what our client sends to Telnyx, and what it makes of whatever comes back."""

from __future__ import annotations

import importlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
import requests
import responses

from conferences.telnyx import transport
from conferences.telnyx.client import Client
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.roles import Barge, Monitor, MyLeg, RoleNone, Whisper
from conferences.telnyx.transport import new_session

BASE = "https://api.telnyx.com/v2"
KEY = "KEY0123456789secret"
CONFERENCE = "5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90"
COMMAND = UUID("0df54f5e-9934-4899-a78f-c546c8bc7c56")
LEG = MyLeg("v3:my/leg")
ANY = re.compile(r"https://api\.telnyx\.com/v2/.*")
OK = {"data": {"result": "ok", "call_control_id": "v3:new"}}

COMMANDS: dict[str, Callable[[Client], object]] = {
    "dial": lambda client: client.dial(
        command_id=COMMAND,
        connection_id="1",
        to="sip:kim@sip.telnyx.com",
        from_number="+18005550199",
        webhook_url="https://floor.example.com/webhooks/telnyx/",
        client_state="e30=",
    ),
    "gather": lambda client: client.gather(command_id=COMMAND, my_leg=LEG, prompt="Press 1"),
    "join": lambda client: join(client, Monitor()),
    "join to whisper": lambda client: join(client, Whisper("v3:ana")),
    "monitor": lambda client: set_role(client, Monitor()),
    "whisper": lambda client: set_role(client, Whisper("v3:ana", ("v3:max",))),
    "barge": lambda client: set_role(client, Barge()),
    "stay": lambda client: set_role(client, RoleNone()),
    "leave": lambda client: client.leave(command_id=COMMAND, conference_id=CONFERENCE, my_leg=LEG),
    "hangup": lambda client: client.hangup(command_id=COMMAND, my_leg=LEG),
}
READS: dict[str, Callable[[Client], object]] = {
    "conferences": lambda client: list(client.conference_pages("in_progress")),
    "conference": lambda client: client.conference(CONFERENCE),
    "participants": lambda client: client.participants(CONFERENCE),
    "call": lambda client: client.call("v3:leg"),
}
EVERYTHING = COMMANDS | READS


def join(client: Client, role: Monitor | Whisper) -> None:
    client.join(command_id=COMMAND, conference_id=CONFERENCE, my_leg=LEG, role=role)


def set_role(client: Client, role: Monitor | Whisper | Barge | RoleNone) -> None:
    client.set_role(command_id=COMMAND, conference_id=CONFERENCE, my_leg=LEG, role=role)


@pytest.fixture
def telnyx() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as telnyx:
        yield telnyx


@pytest.fixture
def client() -> Client:
    return Client(api_base=BASE, api_key=KEY, region="Europe")


def answered(
    telnyx: responses.RequestsMock,
    body: object = OK,
    *,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    telnyx.add_callback("GET", ANY, callback=lambda _: (status, dict(headers), raw))
    telnyx.add_callback("POST", ANY, callback=lambda _: (status, dict(headers), raw))


def sent(telnyx: responses.RequestsMock) -> tuple[str, dict[str, Any]]:
    """Return the path and body of the one request."""
    [call] = telnyx.calls
    return urlsplit(str(call.request.url)).path.removeprefix("/v2"), json.loads(call.request.body or b"{}")


# --- What is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role", "listeners"),
    [
        ("monitor", "monitor", None),
        ("whisper", "whisper", ["v3:ana", "v3:max"]),
        ("barge", "barge", None),
        ("stay", "none", None),
    ],
)
def test_a_role_is_always_named(
    telnyx: responses.RequestsMock, client: Client, name: str, role: str, listeners: object
) -> None:
    answered(telnyx)
    COMMANDS[name](client)
    path, body = sent(telnyx)
    assert path == f"/conferences/{CONFERENCE}/actions/update"
    assert (body["call_control_id"], body["supervisor_role"]) == (LEG, role)
    assert body.get("whisper_call_control_ids") == listeners


def test_joining_is_silent_and_never_ends_the_conference(telnyx: responses.RequestsMock, client: Client) -> None:
    answered(telnyx)
    COMMANDS["join"](client)
    _, body = sent(telnyx)
    assert (body["supervisor_role"], body["beep_enabled"]) == ("monitor", "never")
    assert body["end_conference_on_exit"] is body["soft_end_conference_on_exit"] is False


def test_leaving_is_silent(telnyx: responses.RequestsMock, client: Client) -> None:
    answered(telnyx)
    COMMANDS["leave"](client)
    assert sent(telnyx)[1]["beep_enabled"] == "never"


def test_dialling_rings_one_line_without_a_conference_or_a_supervised_leg(
    telnyx: responses.RequestsMock, client: Client
) -> None:
    answered(telnyx)
    assert COMMANDS["dial"](client) == "v3:new"
    path, body = sent(telnyx)
    assert path == "/calls"
    assert not body.keys() & {"supervise_call_control_id", "supervisor_role", "conference_config", "link_to"}


def test_a_parked_line_is_kept_alive_with_silence(telnyx: responses.RequestsMock, client: Client) -> None:
    answered(telnyx)
    COMMANDS["dial"](client)
    assert sent(telnyx)[1]["send_silence_when_idle"] is True


def test_a_leg_is_one_segment_of_the_path(telnyx: responses.RequestsMock, client: Client) -> None:
    answered(telnyx)
    COMMANDS["hangup"](client)
    assert sent(telnyx)[0] == "/calls/v3:my%2Fleg/actions/hangup"


@pytest.mark.parametrize("name", ["a name", "../calls", "", f"{CONFERENCE}/actions/end"])
def test_a_conference_is_named_by_its_uuid_alone(telnyx: responses.RequestsMock, client: Client, name: str) -> None:
    for ask in (client.conference, client.participants):
        with pytest.raises(ValueError, match="hexadecimal"):
            ask(name)
    with pytest.raises(ValueError, match="hexadecimal"):
        client.leave(command_id=COMMAND, conference_id=name, my_leg=LEG)
    assert not telnyx.calls


PARAMS = {
    "dial": "call_dial_params.CallDialParams",
    "gather": "calls.action_gather_using_speak_params.ActionGatherUsingSpeakParams",
    "join": "conferences.action_join_params.ActionJoinParams",
    "join to whisper": "conferences.action_join_params.ActionJoinParams",
    "monitor": "conferences.action_update_params.ActionUpdateParams",
    "whisper": "conferences.action_update_params.ActionUpdateParams",
    "barge": "conferences.action_update_params.ActionUpdateParams",
    "stay": "conferences.action_update_params.ActionUpdateParams",
    "leave": "conferences.action_leave_params.ActionLeaveParams",
    "hangup": "calls.action_hangup_params.ActionHangupParams",
    "conferences": "conference_list_params.ConferenceListParams",
    "participants": "conference_list_participants_params.ConferenceListParticipantsParams",
}


def params_of(name: str) -> Any:
    """Return what the official SDK knows of a request; importing it takes a second, so only who asks pays."""
    module, _, params = PARAMS[name].rpartition(".")
    return getattr(importlib.import_module(f"telnyx.types.{module}"), params)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_fits_the_official_sdk(telnyx: responses.RequestsMock, client: Client, name: str) -> None:
    answered(telnyx)
    COMMANDS[name](client)
    body, params = sent(telnyx)[1], params_of(name)
    # The SDK writes `from` as from_, being Python.
    known = {key.removesuffix("_") for key in get_type_hints(params)}
    required = {key.removesuffix("_") for key in params.__required_keys__}
    assert body.keys() <= known
    assert required <= body.keys()
    assert body["command_id"] == str(COMMAND)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conferences", "participants"])
def test_every_listing_asks_for_what_the_official_sdk_knows(
    telnyx: responses.RequestsMock, client: Client, name: str
) -> None:
    answered(telnyx, {"data": []})
    READS[name](client)
    query = dict(parse_qsl(urlsplit(str(telnyx.calls[0].request.url)).query))
    groups = {key.partition("[")[0] for key in query}
    sdk = {"page_number": "page", "page_size": "page"}
    assert groups <= {sdk.get(key, key) for key in get_type_hints(params_of(name))}
    assert (query["page[size]"], query["region"]) == ("250", "Europe")


# --- How it is sent ---------------------------------------------------------------------------------------------------


class Unreachable(requests.Session):
    """Notes how a request would be sent, and reaches nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def request(self, *args: Any, **options: Any) -> requests.Response:
        self.asked.append(options)
        raise requests.ConnectTimeout


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_request_has_time_outs_and_follows_nothing(name: str) -> None:
    session = Unreachable()
    with pytest.raises(Unanswered):
        EVERYTHING[name](Client(api_base=BASE, api_key=KEY, session=session))
    [options] = session.asked  # once
    connect, read = options["timeout"]
    assert 0 < connect < 5
    assert 0 < read <= (4 if name in COMMANDS else 8)
    assert options["allow_redirects"] is False


def test_no_library_repeats_a_request() -> None:
    for scheme in ("https://", "http://"):
        assert new_session().get_adapter(scheme).max_retries.total == 0  # type: ignore[attr-defined]


def test_proxies_and_credentials_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    settings = new_session().merge_environment_settings(BASE, {}, None, None, None)
    assert not settings["proxies"]
    assert settings["verify"] is True


def test_the_key_goes_into_the_header_and_nowhere_else(
    telnyx: responses.RequestsMock, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answered(telnyx, {"errors": [{"code": "90015", "title": "no", "detail": "v3:leg"}]}, status=422)
    with pytest.raises(Rejected) as refused:
        COMMANDS["barge"](client)
    assert telnyx.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{telnyx.calls[0].request.url} {sent(telnyx)[1]}"
    for text in (repr(client), str(vars(refused.value)), str(refused.value), caplog.text):
        assert KEY not in text


# --- What comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [(401, "10009"), (404, "90058"), (422, "90015"), (429, "10011")])
def test_a_refusal_says_how_telnyx_put_it(
    telnyx: responses.RequestsMock, client: Client, status: int, code: str
) -> None:
    answered(telnyx, {"errors": [{"code": code, "title": "No"}]}, status=status)
    for ask in EVERYTHING.values():
        with pytest.raises(Rejected) as refused:
            ask(client)
        assert (refused.value.status, refused.value.code, refused.value.title) == (status, code, "No")


@pytest.mark.parametrize(
    "beside",
    [
        {"telnyx_error": {"error_code": "D38"}},
        {"telnyx_error": "D38"},
        {"data": {"call_control_id": "v3:x"}, "telnyx_error": {"error_code": 38}},
    ],
)
def test_a_refused_dial_carries_the_code_of_the_voice_network(
    telnyx: responses.RequestsMock, client: Client, beside: dict[str, Any]
) -> None:
    detail = "Connection has no Outbound Profile assigned D38. Connection has no Outbound Profile assigned."
    errors = [{"code": "10010", "title": "Forbidden", "detail": detail}]
    telnyx.post(ANY, status=403, json={"errors": errors, **beside})
    with pytest.raises(Rejected) as refused:
        COMMANDS["dial"](client)
    assert (refused.value.code, refused.value.carrier_code) == ("10010", "D38")


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_redirect_is_a_refusal(telnyx: responses.RequestsMock, client: Client, name: str) -> None:
    answered(telnyx, b"", status=307, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(Rejected):
        EVERYTHING[name](client)
    assert len(telnyx.calls) == 1


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_broken_telnyx_leaves_the_outcome_open(telnyx: responses.RequestsMock, client: Client, name: str) -> None:
    answered(telnyx, OK, status=503)
    with pytest.raises(Unanswered):
        EVERYTHING[name](client)
    assert len(telnyx.calls) == 1


HOSTILE = {
    "empty": b"",
    "not JSON": b"<html>",
    "not UTF-8": b"\xff\xfe\x80",
    "bottomless": b'{"data":' + b"[" * 100_000,
    "a list": b"[1]",
    "a number": b"7",
    "null": b"null",
    "data is text": b'{"data":"x"}',
    "data is a number": b'{"data":7}',
    "data of numbers": b'{"data":[1,null,[],"x"],"meta":{"total_pages":"many"}}',
    "mistyped fields": b'{"data":[{"id":{"a":1},"name":[],"status":7,"call_control_id":false,"created_at":9,'
    b'"whisper_call_control_ids":"all","muted":"yes"}],"meta":[]}',
    "surrogates and NaN": b'{"data":{"id":"\\ud800","is_alive":NaN,"call_control_id":"\\u0000"}}',
    "errors of another shape": b'{"errors":{"code":7}}',
    "errors of numbers": b'{"errors":[7]}',
}


@pytest.mark.parametrize("answer", HOSTILE)
def test_whatever_comes_back_is_an_answer_a_refusal_or_none(
    telnyx: responses.RequestsMock, client: Client, answer: str
) -> None:
    for status in (200, 422):
        telnyx.reset()
        answered(telnyx, HOSTILE[answer], status=status)
        for ask in EVERYTHING.values():
            try:
                ask(client)
            except Rejected:
                assert status == 422
            except Unanswered:
                assert status == 200
            else:
                assert status == 200


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("answer", ["empty", "not JSON", "a list", "data is a number", "errors of numbers"])
def test_a_reading_without_content_is_not_taken_for_an_empty_conference(
    telnyx: responses.RequestsMock, client: Client, name: str, answer: str
) -> None:
    answered(telnyx, HOSTILE[answer])
    with pytest.raises(Unanswered):
        READS[name](client)


def test_a_dial_without_a_leg_in_its_answer_leaves_the_outcome_open(
    telnyx: responses.RequestsMock, client: Client
) -> None:
    answered(telnyx, {"data": {}})
    with pytest.raises(Unanswered):
        COMMANDS["dial"](client)


def test_an_answer_about_another_conference_is_none(telnyx: responses.RequestsMock, client: Client) -> None:
    answered(telnyx, {"data": {"id": str(COMMAND), "status": "completed"}})
    with pytest.raises(Unanswered):
        client.conference(CONFERENCE)


@pytest.mark.parametrize("name", EVERYTHING)
def test_an_answer_without_an_end_is_none(
    telnyx: responses.RequestsMock, client: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1000)
    answered(telnyx, b" " * 2000)
    with pytest.raises(Unanswered):
        EVERYTHING[name](client)


def test_a_listing_ends_with_its_last_page_or_its_first_empty_one(
    telnyx: responses.RequestsMock, client: Client
) -> None:
    pages = {"1": [{"id": "a"}], "2": [{"id": "b"}], "3": []}

    def page(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        number = dict(parse_qsl(urlsplit(str(request.url)).query))["page[number]"]
        return 200, {}, json.dumps({"data": pages[number], "meta": {"total_pages": 10**9}})

    telnyx.add_callback("GET", ANY, callback=page)
    read = list(client.conference_pages("in_progress"))
    assert [[one.id for one in page.conferences] for page in read] == [["a"], ["b"], []]
    assert [page.last for page in read] == [False, False, True]


def test_those_who_left_are_named_only_where_asked_for(telnyx: responses.RequestsMock, client: Client) -> None:
    rows = [{"call_control_id": f"v3:{status}", "status": status} for status in ("joined", "left", "joining")]
    answered(telnyx, {"data": rows})
    assert [read.status for read in client.participants(CONFERENCE)] == ["joined", "joining"]
    assert len(client.participants(CONFERENCE, with_left=True)) == 3


def test_reading_rests_when_half_of_the_rate_limit_is_used(telnyx: responses.RequestsMock, client: Client) -> None:
    headers = {"x-ratelimit-limit": "10", "x-ratelimit-reset": "30"}
    answered(telnyx, {"data": []}, headers=headers | {"x-ratelimit-remaining": "6"})
    client.participants(CONFERENCE)
    assert client.may_read
    telnyx.reset()
    answered(telnyx, {"data": []}, headers=headers | {"x-ratelimit-remaining": "5"})
    client.participants(CONFERENCE)
    assert not client.may_read


@pytest.mark.parametrize("value", ["", "many", "-1", "9" * 50, "٣"])
def test_rate_limits_that_are_no_numbers_are_ignored(
    telnyx: responses.RequestsMock, client: Client, value: str
) -> None:
    answered(telnyx, {"data": []}, headers={"x-ratelimit-limit": value, "x-ratelimit-remaining": value})
    client.participants(CONFERENCE)
    assert client.may_read
