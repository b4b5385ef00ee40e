"""Every request that Floorline can send to Telnyx: a closed list, and one place in the code that sends."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
import requests
from requests.adapters import BaseAdapter

from conferences.telnyx.client import Client
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.roles import Barge, Monitor, MyLeg, RoleNone, Whisper
from conferences.telnyx.setup import Application, CredentialKind, SetupClient

ROOT = Path(__file__).parents[2]
CONFERENCE = "5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90"
LEG = MyLeg("v3:mine")
ID = UUID(int=1)
EAR = Application("2781903345512846583", "Ear", "https://x", "1", "https://failover", "", first_command_timeout=True)

# The commands to a supervisor's own leg, and the readings. Nothing here ends, holds or mutes anybody else.
CLOSED_LIST = {
    "POST /calls": {
        *("command_id", "connection_id", "to", "from", "timeout_secs", "time_limit_secs", "client_state"),
        *("custom_headers", "webhook_url", "send_silence_when_idle"),
    },
    "POST /calls/{leg}/actions/gather_using_speak": {
        *("command_id", "payload", "voice", "language", "valid_digits", "minimum_digits", "maximum_digits"),
        *("maximum_tries", "timeout_millis"),
    },
    "POST /calls/{leg}/actions/hangup": {"command_id"},
    "POST /conferences/{conference}/actions/join": {
        *("command_id", "call_control_id", "supervisor_role", "whisper_call_control_ids", "region", "beep_enabled"),
        *("end_conference_on_exit", "soft_end_conference_on_exit"),
    },
    "POST /conferences/{conference}/actions/update": {
        *("command_id", "call_control_id", "supervisor_role", "whisper_call_control_ids", "region"),
    },
    "POST /conferences/{conference}/actions/leave": {"command_id", "call_control_id", "region", "beep_enabled"},
    "GET /conferences": {"filter[status]", "page[number]", "page[size]", "region"},
    "GET /conferences/{conference}": {"region"},
    "GET /conferences/{conference}/participants": {"page[number]", "page[size]", "region"},
    "GET /calls/{leg}": set(),
    "GET /webhook_deliveries": {"filter[status][eq]", "filter[started_at][gte]", "page[number]", "page[size]"},
}

# The requests of the set-up, sent only while an admin waits for the answer: an ear application is created and
# corrected, and nothing else of the account is ever changed.
PAGED = {"page[number]", "page[size]"}
AN_APPLICATION = {
    *("application_name", "webhook_event_url", "webhook_event_failover_url", "webhook_api_version"),
    *("first_command_timeout", "outbound"),
}
SETUP_LIST = {
    "GET /call_control_applications": PAGED,
    "GET /credential_connections": PAGED,
    "GET /telephony_credentials": PAGED,
    "GET /phone_numbers": PAGED,
    "GET /outbound_voice_profiles": PAGED,
    "GET /sip_registration_status": {"credential_type", "username"},
    "POST /call_control_applications": AN_APPLICATION,
    "PATCH /call_control_applications/{application}": AN_APPLICATION,
}


class Recorder(BaseAdapter):
    """Notes what would be sent; answers nothing of use."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        path = parts.path.removeprefix("/v2").replace(CONFERENCE, "{conference}").replace(LEG, "{leg}")
        path = path.replace(EAR.id, "{application}")
        body = json.loads(request.body) if request.body else dict(parse_qsl(parts.query))
        self.sent.append((f"{request.method} {path}", body))
        response = requests.Response()
        response.status_code, response.raw = 204, BytesIO(b"")
        return response

    def close(self) -> None:
        pass


ROLES = [Monitor(), Barge(), RoleNone(), Whisper("v3:ana"), Whisper("v3:ana", ("v3:max",))]
DIAL = {
    "connection_id": "1",
    "to": "sip:kim@sip.telnyx.com",
    "from_number": "+18005550199",
    "webhook_url": "https://x",
    "client_state": "e30=",
}
# Every public method of the client, driven with everything it takes.
DRIVES: dict[str, list[dict[str, Any]]] = {
    "dial": [{"command_id": ID, **DIAL}],
    "gather": [{"command_id": ID, "my_leg": LEG, "prompt": "Press 1."}],
    "join": [{"command_id": ID, "conference_id": CONFERENCE, "my_leg": LEG, "role": role} for role in ROLES],
    "set_role": [{"command_id": ID, "conference_id": CONFERENCE, "my_leg": LEG, "role": role} for role in ROLES],
    "leave": [{"command_id": ID, "conference_id": CONFERENCE, "my_leg": LEG}],
    "hangup": [{"command_id": ID, "my_leg": LEG}],
    "conference_pages": [{"status": "in_progress"}, {"status": "completed"}],
    "conference": [{"conference_id": CONFERENCE}],
    "participants": [{"conference_id": CONFERENCE}, {"conference_id": CONFERENCE, "with_left": True}],
    "call": [{"call_control_id": LEG}],
    "failed_deliveries": [{"since": datetime(2026, 8, 21, 14, tzinfo=UTC)}],
}
SENDS_NOTHING = {"may_read"}
SETUP_DRIVES: dict[str, list[dict[str, Any]]] = {
    **{name: [{}] for name in ("applications", "credential_connections", "telephony_credentials")},
    **{name: [{}] for name in ("phone_numbers", "outbound_profiles")},
    "registration": [{"kind": kind, "username": "kim"} for kind in CredentialKind],
    "create_application": [{"name": "Floorline ear", "webhook_url": "https://x", "profile_id": "1"}],
    "correct_application": [{"application": EAR, "webhook_url": "https://x", "profile_id": each} for each in ("", "1")],
}


def everything_sent() -> list[tuple[str, dict[str, Any]]]:
    recorder = Recorder()
    for region in ("", "Europe"):
        client = recorded(recorder, region=region)
        for name, calls in DRIVES.items():
            for arguments in calls:
                _call(getattr(client, name), arguments)
    return recorder.sent


def everything_sent_by_the_setup() -> list[tuple[str, dict[str, Any]]]:
    recorder = Recorder()
    session = requests.Session()
    session.mount("https://", recorder)
    client = SetupClient(api_base="https://api.telnyx.com/v2", api_key="KEY", session=session)
    for name, calls in SETUP_DRIVES.items():
        for arguments in calls:
            _call(getattr(client, name), arguments)
    return recorder.sent


def recorded(recorder: Recorder, *, region: str = "") -> Client:
    """Return a client whose requests end at the recorder."""
    session = requests.Session()
    session.mount("https://", recorder)
    return Client(api_base="https://api.telnyx.com/v2", api_key="KEY", region=region, session=session)


def _call(method: Callable[..., Any], arguments: dict[str, Any]) -> None:
    try:
        answer = method(**arguments)
        if isinstance(answer, Iterator):
            next(answer, None)
    except (Rejected, Unanswered):
        return  # the answer is of no interest here


def test_every_public_method_of_the_client_is_driven_here() -> None:
    public = {name for name, _member in inspect.getmembers(Client) if not name.startswith("_")}
    assert public == DRIVES.keys() | SENDS_NOTHING


def test_the_requests_are_a_closed_list() -> None:
    sent = everything_sent()
    assert {target for target, _body in sent} == CLOSED_LIST.keys()
    for target, body in sent:
        assert body.keys() <= CLOSED_LIST[target], target


def test_every_key_of_the_list_is_really_sent() -> None:
    keys: dict[str, set[str]] = {target: set() for target in CLOSED_LIST}
    for target, body in everything_sent():
        keys[target] |= body.keys()
    assert keys == CLOSED_LIST


def test_what_the_setup_sends_is_a_closed_list_as_well() -> None:
    public = {name for name, _member in inspect.getmembers(SetupClient) if not name.startswith("_")}
    assert public == SETUP_DRIVES.keys()
    keys: dict[str, set[str]] = {target: set() for target in SETUP_LIST}
    for target, body in everything_sent_by_the_setup():
        keys[target] |= body.keys()
    assert keys == SETUP_LIST


def test_an_ear_application_is_written_as_it_must_be() -> None:
    written = [body for target, body in everything_sent_by_the_setup() if not target.startswith("GET ")]
    assert len(written) == 3
    for body in written:
        assert (body["webhook_api_version"], body["webhook_event_url"]) == ("2", "https://x")
        assert (body["webhook_event_failover_url"], body["first_command_timeout"]) == (None, False)
        assert body.get("outbound", {"outbound_voice_profile_id": "1"}) == {"outbound_voice_profile_id": "1"}


def test_every_change_in_a_conference_names_the_own_leg_its_role_and_its_command() -> None:
    for target, body in everything_sent():
        if "/conferences/{conference}/actions/" in target:
            assert body["call_control_id"] == LEG
            assert body["command_id"] == str(ID)
            if not target.endswith("leave"):
                assert body["supervisor_role"] in {"monitor", "barge", "none", "whisper"}
                assert ("whisper_call_control_ids" in body) is (body["supervisor_role"] == "whisper")
                assert body.get("whisper_call_control_ids") != []


def test_a_join_never_beeps_and_never_ends_the_conference() -> None:
    for target, body in everything_sent():
        if target.endswith("/actions/join"):
            assert body["beep_enabled"] == "never"
            assert body["end_conference_on_exit"] is body["soft_end_conference_on_exit"] is False


@pytest.mark.parametrize("name", ["Billing-4312", "", "../calls", CONFERENCE + "/actions/end"])
def test_a_name_in_place_of_the_conferences_id_cannot_be_sent(name: str) -> None:
    recorder = Recorder()
    client = recorded(recorder)
    with pytest.raises(ValueError, match=r"."):
        client.leave(command_id=ID, conference_id=name, my_leg=LEG)
    assert recorder.sent == []


def test_a_legs_id_cannot_reach_another_path() -> None:
    recorder = Recorder()
    client = recorded(recorder)
    _call(client.hangup, {"command_id": ID, "my_leg": MyLeg("v3:x/../../conferences/1?y=#")})
    [(target, _body)] = recorder.sent
    assert re.fullmatch(r"POST /calls/[^/?#]+/actions/hangup", target)


# One place sends

TALKS = {
    "requests",
    "urllib.request",
    "http.client",
    "urllib3",
    "httpx",
    "aiohttp",
    "socket",
    "telnyx",
    "ftplib",
    "smtplib",
}
# The launcher asks its own children whether they are up; ports are tried on this machine. `floorline doctor` asks
# Telnyx for one listing, to learn the time there and whether the key is good, and our own public address by a GET.
# Single sign-on asks the issuer that OIDC_ISSUER names. An admin may have our own webhook address tried.
MAY_TALK = {
    "conferences/account_setup/trials.py",
    "conferences/telnyx/transport.py",
    "conferences/telnyx/greeting.py",
    "dashboard/doctor/telnyx.py",
    "dashboard/serving/launcher.py",
    "dashboard/serving/ports.py",
    "dashboard/signing_in/single_sign_on.py",
}
MAY_BUILD_REQUESTS = {
    "conferences/telnyx/client.py",
    "conferences/telnyx/setup.py",
    "conferences/probe/client.py",
}


@cache
def modules() -> dict[str, ast.Module]:
    """Return our modules, but for the sandbox's."""
    paths = [path for package in ("conferences", "dashboard") for path in sorted((ROOT / package).rglob("*.py"))]
    named = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return {
        name: ast.parse(path.read_text()) for name, path in named.items() if not name.startswith("conferences/sandbox/")
    }


@cache
def imports() -> dict[str, set[str]]:
    return {name: imported(name, tree) for name, tree in modules().items()}


def imported(name: str, tree: ast.Module) -> set[str]:
    """Return what a file imports, relative imports by their whole names."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            around = name.split("/")[: -node.level] if node.level else []
            module = ".".join([*around, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def test_only_the_client_talks_to_the_network() -> None:
    talking = {
        name
        for name, used in imports().items()
        if any(module == talk or module.startswith(f"{talk}.") for module in used for talk in TALKS)
    }
    assert talking == MAY_TALK


def test_only_the_clients_and_the_probe_build_requests() -> None:
    building = {
        name
        for name, tree in modules().items()
        if "conferences.telnyx.transport.Transport" in imports()[name]
        or any(isinstance(node, ast.Attribute) and node.attr == "_transport" for node in ast.walk(tree))
    }
    assert building == MAY_BUILD_REQUESTS


def test_only_supervision_reconciling_and_the_probe_hold_a_client() -> None:
    holding = {
        name.split("/")[1].removesuffix(".py")
        for name, used in imports().items()
        if used & {"conferences.telnyx.client.Client", "conferences.clients.client_for"}
    }
    assert holding <= {"supervision", "reconciliation", "intake", "clients", "probe", "worker", "management"}
    assert "dashboard" not in {name.split("/")[0] for name, used in imports().items() if "conferences.clients" in used}


def test_only_the_admins_setup_holds_a_client_for_the_setup() -> None:
    holding = {
        "/".join(name.split("/")[:2]).removesuffix(".py")
        for name, used in imports().items()
        if used & {"conferences.telnyx.setup.SetupClient", "conferences.clients.setup_client_for"}
    }
    assert holding == {"conferences/account_setup", "conferences/admin", "conferences/clients"}
