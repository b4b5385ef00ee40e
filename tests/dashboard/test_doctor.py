"""The clock and the answers of Telnyx, held against a server on loopback that tells any time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone
from pytest_django import Settings

from conferences.models import Account
from dashboard.doctor import Finding, telnyx

pytestmark = pytest.mark.django_db


class Telnyx(BaseHTTPRequestHandler):
    """Answers every GET with a status and a time."""

    status = 200
    code = ""
    ahead = timedelta()

    def do_GET(self) -> None:
        body = json.dumps({"errors": [{"code": self.code}]}).encode() if self.code else b""
        self.send_response_only(self.status)
        self.send_header("Date", format_datetime(timezone.now() + self.ahead, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def answers(settings: Settings, account: Account) -> Iterator[type[Telnyx]]:
    """Let an account's Telnyx be a server of the test's own; return what decides its answers."""
    kind = type("Answers", (Telnyx,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.TELNYX_API_BASE = f"http://127.0.0.1:{server.server_port}/v2"
    settings.TELNYX_API_KEY = "a-key"
    yield kind
    server.shutdown()
    server.server_close()


def about(name: str) -> list[Finding]:
    return [finding for finding in telnyx.accounts() if finding.about == name]


@pytest.mark.parametrize(("seconds", "level"), [(0, "ok"), (10, "warn"), (-10, "warn"), (120, "fail"), (-120, "fail")])
def test_the_clock_is_held_against_telnyx(answers: type[Telnyx], seconds: int, level: str) -> None:
    answers.ahead = timedelta(seconds=seconds)

    assert [finding.level for finding in about("clock")] == [level]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "", "does not know the API key"),
        (403, "20002", "does not know the API key"),
        (403, "10010", "does not allow listing conferences"),
        (403, "20012", "account is inactive"),
        (403, "10038", "may not use Voice"),
        (429, "10011", "limits"),
        (422, "10032", "answers 422 10032"),
        (500, "", "answers 500"),
    ],
)
def test_what_telnyx_answers_is_told_in_words(answers: type[Telnyx], status: int, code: str, words: str) -> None:
    answers.status, answers.code = status, code

    [finding] = about("account default")

    assert (finding.level, words in finding.text, bool(finding.mend)) == ("fail", True, True)


def test_an_account_out_of_reach_is_told(settings: Settings, account: Account) -> None:
    settings.TELNYX_API_BASE, settings.TELNYX_API_KEY = "http://127.0.0.1:9/v2", "a-key"

    assert [finding.text for finding in about("account default")] == ["Telnyx does not answer (ConnectionError)"]
