"""Whatever stands in an answer or a webhook, neither the capture nor the report tells who anybody is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from conferences.models import Account, WebhookEvent
from conferences.probe import Capture, Findings, as_data, as_markdown, in_brief, profile_of
from conferences.probe.capture import as_text
from conferences.probe.legs import in_short
from conferences.probe.redaction import Redaction
from conferences.telnyx.errors import Rejected
from conferences.telnyx.transport import Exchange

DATA = Path(__file__).parents[1] / "data"
SECRETS = [
    "+15550142077",
    "1 (555) 014-2077",
    "+15550142077;secure=srtp",
    "sip:ana.ruiz@sip.telnyx.com",
    "“Ana Ruiz” <sip:ana@10.0.0.5:5060;transport=udp>",
    "Ana Ruiz",
    "ana",
    "KEY0189ABCDEF_secret",
    "Bearer KEY0189ABCDEF_secret",
    "5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90",
    "v3:qyUzEGkXsquS5IBKn4kvSA",
    "2781903345512846337",
    "https://floor.example.com/webhooks/telnyx/",
    15550142077,
    1555014.2077,
]


@cache
def documents() -> list[object]:
    """Return a webhook or an answer of each kind: two with the same fields tell nothing more."""
    texts = [path.read_text() for path in sorted((DATA / "webhook_samples").glob("*.json"))]
    captured = (DATA / "probe_of_the_sandbox.jsonl").read_text().splitlines()
    texts += [json.dumps(json.loads(line).get("answer") or {}) for line in captured]
    kinds = {"".join(re.findall(r'"(\w+)":', text)): json.loads(text) for text in texts}
    return list(kinds.values())


def planted(document: object, secret: object) -> object:
    """Return a document with a secret in the place of every value, and under a name of its own; fields are Telnyx'."""
    if isinstance(document, dict):
        inner = {key: planted(value, secret) for key, value in document.items()}
        return {**inner, f"{secret} ": secret, "unheard_of": secret, "errors": [{"code": secret, "detail": secret}]}
    if isinstance(document, list):
        return [planted(value, secret) for value in document]
    return secret


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_a_secret_in_every_field_is_in_no_line(secret: object) -> None:
    redaction = Redaction()
    text = json.dumps([redaction.value(planted(document, secret)) for document in documents()], ensure_ascii=False)
    assert str(secret) not in text


@pytest.mark.parametrize("secret", [secret for secret in SECRETS if isinstance(secret, str)])
@pytest.mark.django_db
def test_a_secret_in_path_query_body_answer_and_webhook_is_in_no_line_of_a_capture(
    account: Account, secret: str
) -> None:
    capture = Capture()
    capture.name_leg(secret, "the customer's leg")
    exchange = Exchange(
        method="POST", path=f"/calls/{secret}", query={"region": secret}, body={"to": secret}, status=200, answer={}
    )
    capture.note(exchange)
    told = json.dumps(planted({"data": {"payload": {"digits": "1", "from": ""}}}, secret)).encode()
    at = datetime(2100, 1, 1, tzinfo=UTC)
    WebhookEvent.objects.create(
        account=account, event_id="e", occurred_at=at, received_at=at, call_control_id=secret, body=told
    )
    assert capture.take_webhooks(account) == 1
    text = as_text(capture.lines(api_base=f"https://{secret}/v2", region=""))
    assert secret not in text
    assert "the customer's leg" in text


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_a_secret_in_every_answer_is_in_no_report(secret: object) -> None:
    capture = Capture()
    for document in documents():
        for capture.step in ("dial agent", "monitor", "region US"):
            path = "/conferences/x/participants"
            for status in (200, 422):
                answer = planted(document, secret)
                assert isinstance(answer, dict)
                exchange = Exchange(method="GET", path=path, query={}, body=None, status=status, answer=answer)
                capture.note(exchange)
    findings = Findings(answers={"monitor": in_short(Rejected(status=422, code=str(secret), title=str(secret)))})
    lines = capture.lines(api_base="https://api.telnyx.com/v2", region="")
    data = as_data(lines, findings, profile_of(findings), failed="Stopped.", telnyx=lines[0])
    assert str(secret) not in as_markdown(data) + json.dumps(data, ensure_ascii=False) + in_brief(data)


def test_the_same_value_is_always_called_the_same() -> None:
    redaction = Redaction()
    redaction.name("v3:a", "the agent's leg")
    told = redaction.value(
        {"call_control_id": "v3:a", "whisper_call_control_ids": ["v3:b", "v3:a"], "from": "+15550142077"}
    )
    assert told == {
        "call_control_id": "the agent's leg",
        "whisper_call_control_ids": ["leg 1", "the agent's leg"],
        "from": "phone 1",
    }
    assert redaction.path("/calls/v3%3Ab/actions/hangup") == "/calls/leg 1/actions/hangup"
    assert redaction.value({"to": "+15550142077"}) == {"to": "phone 1"}


def test_what_tells_how_telnyx_behaves_stays() -> None:
    told = {
        "record_type": "participant",
        "status": "left",
        "muted": True,
        "created_at": "2026-08-21T14:00:45.740Z",
        "errors": [{"code": "10010", "detail": "Not allowed (D38)"}],
        "region": "sv1",
    }
    assert Redaction().value(told) == told | {"errors": [{"code": "10010", "detail": "(text with D38)"}]}
