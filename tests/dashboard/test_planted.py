"""Secrets that are planted wherever they can come from, at DEBUG, and looked for in everything that Floorline tells."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from logging.config import DictConfigurator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as configured
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient, Client
from django.urls import reverse
from nacl.signing import SigningKey
from pytest_django.fixtures import Settings

from conferences.intake.endpoint import Intake
from conferences.models import Account, Agent, Conference, Leg, Team, WebhookEvent
from dashboard import error_reports
from tests.conferences.signed import Telnyx, event, public_text
from tests.planted import API_KEY, CARD, FIELD_KEYS, LEGS, NUMBER, SECRET_KEY, SIP_PASSWORD, STATE_SECRET, found

from .test_stream import reading

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TYPED = "4929"
CONFERENCE, SESSION = "5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90", "b04574f6-53da-11f1-8e4b-02420aef271f"
CUSTOMER, AGENT = LEGS
STATE = b64encode(json.dumps({"token": STATE_SECRET}).encode()).decode()
NEVER = {
    "API key": [API_KEY],
    "key for fields": FIELD_KEYS[:1],
    "secret key": [SECRET_KEY],
    "leg": [CUSTOMER, AGENT],
    "typed digits": [TYPED],
}
"""Told to nobody."""
NOT_TO_THOSE_WITHOUT_THE_RIGHT = {
    "number": [NUMBER[1:], NUMBER[3:]],
    "card": [CARD, CARD.replace(" ", "")],
    "client_state": [STATE_SECRET, STATE],
    "password of a phone": [SIP_PASSWORD],
}


def webhooks() -> list[bytes]:
    """Return a call's story, with something planted in each field that a stranger or a call flow fills."""
    call: dict[str, Any] = {
        "call_session_id": SESSION, "connection_id": "2781903345512846337", "client_state": STATE,
        "custom_headers": [{"name": "X-Auth", "value": SIP_PASSWORD}],
        "sip_auth_password": SIP_PASSWORD,
    }  # fmt: skip
    customer = {**call, "call_control_id": CUSTOMER, "call_leg_id": "1", "from": NUMBER, "to": "+18005550199"}
    agent = {
        **call,
        "call_control_id": AGENT,
        "call_leg_id": "2",
        "from": "+18005550199",
        "to": "sip:planted@sip.telnyx.com",
    }
    room = {"conference_id": CONFERENCE, "name": f"Order {CARD} of {NUMBER}", **call}
    told: list[tuple[str, dict[str, Any]]] = [
        ("call.initiated", {**customer, "direction": "incoming", "caller_id_name": f"{NUMBER} card {CARD}"}),
        ("call.answered", customer),
        ("call.enqueued", {**customer, "queue": f"queue {NUMBER}"}),
        ("call.dtmf.received", {**customer, "digit": TYPED}),
        ("call.gather.ended", {**customer, "digits": TYPED, "status": "valid"}),
        ("call.initiated", {**agent, "direction": "outgoing"}),
        ("call.answered", agent),
        ("conference.created", {**room, "call_control_id": CUSTOMER}),
        ("conference.participant.joined", {**room, "call_control_id": CUSTOMER}),
        ("conference.participant.joined", {**room, "call_control_id": AGENT}),
        ("conference.floor.changed", {**room, "call_control_id": CUSTOMER}),
        ("call.unheard.of", {**customer, "note": CARD}),
    ]
    at = "2026-11-27T10:00:%02dZ"
    return [event(kind, event_id=f"e{n}", at=at % n, **payload) for n, (kind, payload) in enumerate(told)]


@pytest.fixture
def log(settings: Settings) -> Iterator[io.StringIO]:
    """Return what an operator's log holds at DEBUG, in the format of the settings."""
    logging_settings: dict[str, Any] = deepcopy(configured.LOGGING)
    formatter: Any = DictConfigurator(logging_settings).configure_formatter(logging_settings["formatters"]["line"])
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def planted(transactional_db: None, settings: Settings, log: io.StringIO) -> Conference:
    """Let the webhooks come in, and return the conference that they tell of."""
    key, intake = SigningKey.generate(), Intake()
    settings.SECRET_KEY, settings.FIELD_KEYS = NEVER["secret key"][0], NEVER["key for fields"]
    settings.TELNYX_API_BASE, settings.TELNYX_PUBLIC_KEYS = "http://127.0.0.1:9/v2", [public_text(key)]
    settings.TELNYX_API_KEY = NEVER["API key"][0]
    account = Account.objects.create(name="default", api_key=NEVER["API key"][0])
    team = Team.objects.create(name="Billing")
    Agent.objects.create(name="Ana Ruiz", team=team, sip_username="planted")
    account.connections.create(connection_id="2781903345512846337", role="calls", team=team)
    assert set(Telnyx(intake, key).send(*webhooks())) == {200}
    assert Telnyx(intake, SigningKey.generate()).send(webhooks()[0]) == [401]
    intake.writer.close()
    return Conference.objects.get(telnyx_id=CONFERENCE)


@pytest.fixture
def kim(planted: Conference) -> User:
    user = User.objects.create_user("kim", password="kim-password")
    user.team_memberships.create(team=Team.objects.get(), may_monitor=True, is_lead=True)
    return user


@pytest.fixture
def staff(planted: Conference) -> User:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return user


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_no_page_stream_or_export_tells_a_supervisor_what_was_planted(
    planted: Conference, kim: User, log: io.StringIO
) -> None:
    client = signed_in(kim)
    pages = ["/", "/?group=agent", f"/?conference={planted.pk}", f"/conferences/{planted.pk}/", "/ear/", "/audit/"]
    told = [client.get(page).content.decode() for page in pages]
    told.append(client.post("/monitor/", {"monitor": planted.pk}, headers={"HX-Request": "true"}).content.decode())
    with reading(client, f"conference={planted.pk}") as reader:
        told.append(reader.until("event: heartbeat"))
    told += [exported(kim, "csv"), exported(kim, "xlsx")]
    assert "Ana Ruiz" in told[0]
    assert found("".join(told), NEVER | NOT_TO_THOSE_WITHOUT_THE_RIGHT) == []
    assert found(log.getvalue(), NEVER | NOT_TO_THOSE_WITHOUT_THE_RIGHT) == []


@pytest.mark.parametrize("is_superuser", [False, True])
def test_no_page_of_the_admin_tells_staff_what_was_planted(
    planted: Conference, staff: User, log: io.StringIO, *, is_superuser: bool
) -> None:
    User.objects.update(is_superuser=is_superuser)
    client, told, whole = signed_in(staff), list[str](), list[str]()
    rows: list[Any] = [planted, Account.objects.get(), *planted.participants.all(), *Agent.objects.all()]
    for model in ("account", "conference", "participant", "leg", "webhookevent", "auditentry", "command", "ear"):
        told.append(client.get(reverse(f"admin:conferences_{model}_changelist") + "?whose=all").content.decode())
        assert found(told[-1], NEVER | NOT_TO_THOSE_WITHOUT_THE_RIGHT) == [], model
    for row in [*rows, *Leg.objects.all(), *WebhookEvent.objects.all()]:
        page = client.get(reverse(f"admin:conferences_{row._meta.model_name}_change", args=[row.pk])).content.decode()
        (whole if is_superuser else told).append(page)
    assert found("".join(told), NOT_TO_THOSE_WITHOUT_THE_RIGHT) == []
    assert found("".join(told + whole), NEVER) == []
    assert found(log.getvalue(), NEVER | NOT_TO_THOSE_WITHOUT_THE_RIGHT) == []


def test_no_error_tells_what_was_planted(
    planted: Conference, kim: User, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognised = ("API key", "key for fields", "secret key", "leg", "number", "card")
    planted_here = {name: (NEVER | NOT_TO_THOSE_WITHOUT_THE_RIGHT)[name] for name in recognised}
    secrets = " ".join(word for words in planted_here.values() for word in words)

    def fail(*_args: object, **_given: object) -> None:
        raise ValueError(secrets)

    monkeypatch.setattr("dashboard.views.floor.floor_notices", fail)
    client = signed_in(kim)
    answers = [
        client.get(f"/conferences/{planted.pk}/"),
        client.get(f"/{NUMBER}/{CARD}/"),
        client.post("/monitor/", {"monitor": secrets}),
        client.get("/", headers={"Host": f"{CARD}.example"}),
    ]
    assert [answer.status_code for answer in answers] == [500, 404, 400, 400]
    assert found("".join(answer.content.decode() for answer in answers), planted_here) == []
    assert "ValueError" in log.getvalue()
    assert found(log.getvalue(), planted_here) == []
    report = {
        "exception": {"values": [{"type": "ValueError", "value": secrets}]}, "message": secrets,
        "request": {"url": secrets, "headers": {"Cookie": secrets}, "method": "GET"}, "extra": {"a": secrets},
        "user": {"id": secrets}, "logentry": {"message": secrets},
    }  # fmt: skip
    assert found(json.dumps(error_reports.without_people(report, None)), planted_here) == []


def test_neither_the_doctor_nor_a_command_tells_what_was_planted(
    planted: Conference, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    told = io.StringIO()
    for command in ("doctor", "verify_audit", "rotate_secrets", "rebuild"):
        try:
            call_command(command, stdout=told, stderr=told)
        except SystemExit as ended:
            told.write(str(ended))
    said = told.getvalue() + "".join(capsys.readouterr()) + log.getvalue()
    assert "failed" in said
    assert found(said, NEVER | NOT_TO_THOSE_WITHOUT_THE_RIGHT) == []


def test_a_backup_holds_keys_only_as_the_database_does(planted: Conference, tmp_path: Path) -> None:
    backup, told = tmp_path / "backup", io.StringIO()
    call_command("backup", str(backup), stdout=told)
    keys = {name: NEVER[name] for name in ("API key", "key for fields", "secret key")}
    held = backup.read_bytes().decode(errors="replace")
    assert "Ana Ruiz" in held or connection.vendor == "postgresql"
    assert found(held + told.getvalue(), keys) == []


def exported(user: User, kind: str) -> str:
    """Return everything that an export of the audit holds."""

    async def ask() -> bytes:
        client = AsyncClient()
        await client.aforce_login(user)
        answer: Any = await client.post("/audit/export/", {"kind": kind})
        return b"".join([part async for part in answer]) if answer.streaming else answer.content

    body = async_to_sync(ask)()
    if kind == "csv":
        return body.decode()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())
