"""Checks that callers' digits are taken out of the bytes before the first write, except those of our own ears."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from nacl.signing import SigningKey

from conferences.digits import without_digits
from conferences.intake.endpoint import Intake
from conferences.models import Account, Ear, Leg, Line, WebhookEvent
from conferences.models.supervision import Role
from conferences.projection.rebuild import rebuild
from conferences.projection.registers import value
from conferences.sandbox.center import directory
from conferences.sandbox.telephony import calls
from conferences.telnyx.inbound import parse
from tests.supervision.conftest import Floor

from .signed import Telnyx, event, public_text

KEY = SigningKey(bytes(range(32)))
SAMPLES = sorted((Path(__file__).parents[1] / "data" / "webhook_samples").glob("*.json"))
CARD = "4111222233334444"
EAR, CALLS = "278190002", "278190001"
MORE_TYPES = [
    "call.ai_gather.ended", "call.ai_gather.partial_results", "call.ai_gather.message_history_updated",
    "call.payment.progress", "call.payment.completed", "conference.participant.dtmf.received", "call.gather.partial",
]  # fmt: skip


@pytest.fixture
def intake() -> Iterator[Intake]:
    intake = Intake()
    yield intake
    intake.writer.close()


@pytest.fixture
def telnyx(transactional_db: None, settings: Any, intake: Intake) -> Telnyx:
    settings.TELNYX_PUBLIC_KEYS = [public_text(KEY)]
    settings.TELNYX_CONNECTION_ID = EAR
    Account.objects.create(name="default")
    return Telnyx(intake, KEY)


def typed(event_type: str, *, event_id: str, leg: str = "v3:customer", **payload: Any) -> bytes:
    return event(event_type, event_id=event_id, call_control_id=leg, **({"connection_id": CALLS} | payload))


def planted() -> list[bytes]:
    """Events of every type with a card number wherever somebody's digits may stand."""
    samples = [json.loads(path.read_bytes()) for path in SAMPLES]
    for number, sample in enumerate(samples):
        sample["data"]["id"] = f"sample-{number}"
        sample["data"]["payload"] |= {"digits": CARD, "nested": [{"dtmf_digits": list(CARD)}, {"Digit": int(CARD)}]}
    anywhere: dict[str, Any] = {"result": {"card": CARD, "parts": [int(CARD)]}, "digits": CARD}
    anywhere["message_history"] = [{"content": CARD}]
    more = [typed(name, event_id=name, **anywhere, security_code=CARD) for name in MORE_TYPES]
    one_by_one = [typed("call.dtmf.received", event_id=f"key-{at}", digit=key) for at, key in enumerate(CARD)]
    gathered = json.dumps(json.loads(typed("call.gather.ended", event_id="g", digits=CARD))).encode()
    return [
        *(json.dumps(sample).encode() for sample in samples), *more, *one_by_one, gathered,
        gathered.replace(b'"id": "g"', b'"id": "escaped"').replace(b'"digits"', b'"\\u0064igits"'),
        gathered.replace(b'"id": "g"', b'"id": "twice"').replace(b'"digits":', b'"digits": 7, "digits":'),
        gathered.replace(b'"id": "g"', b'"id": "utf-16"').decode().encode("utf-16"),
        gathered.replace(b'"id": "g"', b'"id": null'),
        gathered[:-9], gathered.replace(b"event_type", b"event"), b"\xff" + gathered, gathered.upper(),
    ]  # fmt: skip


def everything_stored() -> str:
    """Return every value of every table, bytes both as they are and without the NULs of UTF-16."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            for row in cursor.fetchall():
                found += [bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode() for one in row]
    return b"\n".join(found).replace(b"\x00", b"").decode("latin-1")


def test_a_planted_card_number_is_found_nowhere(telnyx: Telnyx, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bodies = planted()
    assert telnyx.send(*bodies) == [200] * len(bodies)
    assert telnyx.send(*bodies) == [200] * len(bodies)  # sent again, and known by the ids of what was sent
    assert WebhookEvent.objects.count() == len(bodies)
    stored = everything_stored()
    assert "v3:customer" in stored
    assert CARD not in stored
    assert CARD not in caplog.text
    keys = WebhookEvent.objects.filter(event_id__startswith="key-")
    assert {json.loads(bytes(row.body))["data"]["payload"]["digit"] for row in keys} == {""}
    assert not any(set(leg.facts) & {"digit", "star"} for leg in Leg.objects.all())


def test_a_tracebacks_words_hold_no_digits_either(
    telnyx: Telnyx, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choking(seen: Any) -> Any:
        raise ValueError(f"cannot read {seen.payload}")

    monkeypatch.setattr("conferences.intake.store.observe", choking)
    telnyx.send(typed("call.gather.ended", event_id="g", digits=CARD))
    assert "cannot read" in caplog.text
    assert CARD not in caplog.text + everything_stored()


def test_nothing_else_in_the_bytes_changes(telnyx: Telnyx) -> None:
    for path in SAMPLES:
        body = path.read_bytes()
        blanked = without_digits(body, parse(body=body, received_at=datetime.now(UTC)))
        assert (blanked is body) == (path.name not in {"call.dtmf.received.json", "call.gather.ended.json"})
        assert blanked == body.replace(b'"digit": "2"', b'"digit": ""').replace(b'"digits": "2"', b'"digits": ""')


@pytest.mark.parametrize("how", ["pinned", "our mark", "ear application"])
def test_an_ears_digits_are_kept(telnyx: Telnyx, kim: User, how: str) -> None:
    account = Account.objects.get()
    now = datetime.now(UTC)
    ear = Ear.objects.create(account=account, user=kim, kind=Line.Kind.PHONE, created_at=now)
    payload: dict[str, Any] = {"connection_id": EAR} if how == "ear application" else {}
    if how == "pinned":
        Ear.objects.update(call_control_id="v3:ear")
    elif how == "our mark":
        from conferences.supervision.line import ear_mark

        payload = {"client_state": ear_mark(ear)}
    body = typed("call.gather.ended", event_id="g", leg="v3:ear", digits="1", status="valid", **payload)
    assert telnyx.send(body, typed("call.dtmf.received", event_id="d", leg="v3:ear", digit="1", **payload)) == [200] * 2
    facts = Leg.objects.get(call_control_id="v3:ear").facts
    assert (value(facts, "gathered"), value(facts, "digit")) == ({"digits": "1", "status": "valid"}, "1")
    assert bytes(WebhookEvent.objects.get(event_id="g").body) == body


def test_who_calls_in_on_the_ear_application_or_writes_a_mark_that_names_no_ear_is_not_ours(telnyx: Telnyx) -> None:
    here: Any = {"leg": "v3:caller", "connection_id": EAR}
    telnyx.send(typed("call.initiated", event_id="i", direction="incoming", **here))
    mark = "eyJmbG9vcmxpbmVfZWFyIjogIjVmMGMyZDFlLThhNGItNGM3ZC05ZTIxLTdiM2E2ZDJmMWM5MCJ9"
    telnyx.send(
        typed("call.gather.ended", event_id="g", digits=CARD, **here),
        typed("call.gather.ended", event_id="m", digits=CARD, client_state=mark),
    )
    assert CARD not in everything_stored()


@pytest.mark.slow
def test_a_phone_line_whose_dial_answer_was_lost_takes_its_1(floor: Floor, lena: User) -> None:
    floor.go_live()
    call = floor.call()
    Line.objects.filter(user=lena).update(address=directory.LENA_MOBILE.address)
    floor.fault("/calls", drop=True, times=1)
    session = call.choose(lena, Role.MONITOR)
    floor.wait(30, until=lambda: call.state(session).verified_at is not None)
    assert call.state(session).stage == "inside"


@pytest.mark.slow
def test_what_the_log_of_deliveries_brings_and_a_rebuild_reads_holds_no_digits(floor: Floor) -> None:
    floor.wait(2)
    floor.log_of_deliveries, floor.webhooks_lost = [], True
    call_leg = calls.incoming(
        floor.world, connection_id=directory.CALLS_CONNECTION_ID, from_="+13125550142", to="+18005550101"
    )
    calls.answer(floor.world, call_leg)
    for key in "41*7":
        calls.press(floor.world, call_leg, digit=key)
    floor.wait(2)
    floor.webhooks_lost = False
    del floor.reconciler
    floor.wait(12)
    pressed = WebhookEvent.objects.filter(event_type="call.dtmf.received")
    assert [json.loads(bytes(row.body))["data"]["payload"]["digit"] for row in pressed] == [""] * 4
    report = rebuild(account=floor.account, since=floor.now - timedelta(days=1), now=floor.now)
    assert report.rows
    assert not report.mended


def test_the_migration_blanks_what_an_older_release_stored(
    telnyx: Telnyx, kim: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, now = Account.objects.get(), datetime.now(UTC)
    Ear.objects.create(
        account=account, user=kim, kind=Line.Kind.PHONE, created_at=now, ended_at=now, call_control_id="v3:ear"
    )
    kept = typed("call.dtmf.received", event_id="ear", leg="v3:ear", digit="9")
    with monkeypatch.context() as older:
        older.setattr("conferences.intake.store.without_digits", lambda body, event: body)
        bodies = [*planted(), kept]
        assert telnyx.send(*bodies) == [200] * len(bodies)
    assert CARD in everything_stored()

    migration = import_module("conferences.migrations.0007_blank_digits")
    monkeypatch.setattr(migration, "BATCH", 7)
    migration.blank(apps, None)
    assert CARD not in everything_stored()
    assert not set(Leg.objects.get(call_control_id="v3:customer").facts) & {"digit", "star"}
    assert value(Leg.objects.get(call_control_id="v3:ear").facts, "digit") == "9"
    assert bytes(WebhookEvent.objects.get(event_id="ear").body) == kept
    telnyx.send(*bodies)
    assert WebhookEvent.objects.count() == len(bodies)
    report = rebuild(account=account, since=now - timedelta(days=200), now=datetime.now(UTC))
    assert report.rows
    assert not report.mended
