"""Headers of every answer, the size of what an error logs, and characters that nobody sees in the admin."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from copy import deepcopy
from functools import partial
from logging.config import DictConfigurator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.utils import get_random_secret_key
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from conferences.models import Agent, Team
from dashboard.serving.security_headers import security_headers
from tests.tooling.processes import ROOT

from .conftest import NewCall

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def answer_to(settings: Settings, tmp_path: Path) -> Ask:
    """Ask the whole application, whose static files need not be collected for that."""
    settings.STATIC_ROOT = tmp_path
    return partial(_answer_to, importlib.import_module("dashboard.asgi").application)


def _answer_to(
    application: Any, path: str, *, method: str = "GET", headers: dict[bytes, bytes] | None = None
) -> dict[str, Any]:
    """Return the beginning of an answer."""
    sent = {b"host": b"localhost", **(headers or {})}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "scheme": "http",
        "headers": list(sent.items()), "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    told: list[MutableMapping[str, Any]] = []
    asked: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)

    async_to_sync(application)(scope, receive, send)
    return dict(told[0])


RAW = [
    ("/healthz", "GET", {}, 200),
    ("/stream/", "GET", {}, 401),
    ("/snapshot/", "GET", {}, 401),
    ("/webhooks/telnyx/", "GET", {}, 405),
    ("/webhooks/telnyx", "POST", {}, 401),
    ("/leave/", "POST", {b"content-type": b"text/plain; charset=latin-1"}, 415),
    ("/quieter/", "POST", {b"content-length": b"99999999"}, 413),
    ("/leave/", "POST", {}, 403),
    ("/accounts/login/", "GET", {}, 200),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "method", "headers", "status"), RAW)
def test_every_answer_carries_the_security_headers_once(
    answer_to: Ask, path: str, method: str, headers: dict[bytes, bytes], status: int
) -> None:
    answer = answer_to(path, method=method, headers=headers)
    assert answer["status"] == status
    names = [name.lower() for name, _value in answer["headers"]]
    for wanted, _value in security_headers():
        assert names.count(wanted) == 1, wanted


@pytest.mark.django_db(transaction=True)
def test_raw_routes_say_what_djangos_pages_say(answer_to: Ask, settings: Settings) -> None:
    pages = dict(answer_to("/accounts/login/")["headers"])
    raw = dict(answer_to("/healthz")["headers"])
    said = {name.decode().title().encode(): value for name, value in security_headers()}
    shown = {name.title(): value for name, value in pages.items()}
    for name, value in said.items():
        ours, theirs = (set(text.replace(b";", b" ").split()) for text in (value, shown[name]))
        assert ours == theirs, name
    assert raw[b"content-security-policy"].startswith(b"default-src 'self'; object-src 'none'")


@pytest.mark.django_db(transaction=True)
def test_an_error_that_a_stranger_provokes_logs_little(answer_to: Ask, caplog: pytest.LogCaptureFixture) -> None:
    answer = answer_to("/accounts/login/", headers={b"host": b"\xff\x07" * 4000})
    assert answer["status"] == 400
    logging_settings: dict[str, Any] = deepcopy(settings.LOGGING)  # configuring takes its parts away
    formatter: Any = DictConfigurator(logging_settings).configure_formatter(logging_settings["formatters"]["line"])
    told = [formatter.format(record) for record in caplog.records]
    assert "Invalid HTTP_HOST header" in "".join(told)
    assert sum(len(line) for line in told) < 2500
    assert not [line for line in told if "\x07" in line]


UNSEEN = "Ana\u202eziuR\x07\x1b[31m"


@pytest.mark.parametrize("model", ["team", "agent", "conference", "participant", "leg"])
def test_no_list_of_the_admin_shows_a_bidi_or_bell_character(client: Client, new_call: NewCall, model: str) -> None:
    team = Team.objects.create(name=f"Team {UNSEEN}")
    agent = Agent.objects.create(name=UNSEEN, team=team, sip_username="gencredUnseen")
    call = new_call(f"Call {UNSEEN}", agents=(agent,), team=team)
    call.customer.queue = UNSEEN
    call.customer.save()
    client.force_login(User.objects.create_superuser("boss"))
    rows = client.get(reverse(f"admin:conferences_{model}_changelist"), {"whose": "all"} if model == "leg" else {})
    pages = [rows.content.decode()]
    for row in rows.context["cl"].result_list:
        address = reverse(f"admin:conferences_{model}_change", args=[row.pk])
        pages += [
            client.get(address).content.decode(),
            client.get(address.replace("change", "history")).content.decode(),
        ]
    shown = "".join(pages)
    sent_back = shown.count('value="')
    assert sent_back
    assert "\\u202eziuR\\u0007" in shown
    without_fields = "".join(part.partition('"')[2] for part in shown.split('value="'))
    assert not [sign for sign in "\u202e\x07\x1b" if sign in without_fields]


def test_a_form_of_the_admin_sends_back_what_is_stored(client: Client, billing: Team) -> None:
    agent = Agent.objects.create(name="Ana\u202eziuR", team=billing, sip_username="gencredUnseen")
    client.force_login(User.objects.create_superuser("boss"))
    page = client.get(reverse("admin:conferences_agent_change", args=[agent.pk])).content.decode()
    assert 'value="Ana\u202eziuR"' in page


@pytest.mark.slow
def test_djangos_own_check_for_deployments_is_clean_with_the_settings_as_documented(tmp_path: Path) -> None:
    example = (ROOT / "deploy/floorline.env.example").read_text()
    given = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    given |= {
        "SECRET_KEY": get_random_secret_key(),
        "FIELD_KEYS": "",
        "TELNYX_API_KEY": "KEY0123456789",
        "TELNYX_PUBLIC_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "TELNYX_CONNECTION_ID": "2781903345512846583",
    }
    environment = {"PATH": os.environ["PATH"], "FLOORLINE_HOME": str(tmp_path), **given}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    checked = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
