"""An error that is reported to Sentry carries its place in the code, and nothing of callers, keys or addresses."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.tooling.processes import ROOT

NUMBER, KEY, LEG = "+4930123456142", "KEY0123456789", "v3:AbCdEfGhIjKlMnOpQrStUvWxYz"
PROGRAM = f"""
import logging
from dashboard import error_reports
import sentry_sdk
error_reports.begin({{dsn!r}})
def fail(number):
    raise ValueError("no answer of {NUMBER} on {LEG}")
logging.getLogger("conferences").warning("asked with {KEY}")
try:
    fail("{NUMBER}")
except ValueError as error:
    logging.getLogger("conferences").exception("{LEG} failed")
    sentry_sdk.capture_exception(error)
sentry_sdk.flush(30)
"""


@pytest.fixture
def reports() -> Iterator[tuple[str, list[bytes]]]:
    """Return the address of a receiver on loopback, and what it has received."""
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://public@127.0.0.1:{server.server_port}/1", received
    server.shutdown()
    server.server_close()


def test_a_report_names_the_code_and_nobody(reports: tuple[str, list[bytes]]) -> None:
    dsn, received = reports

    subprocess.run([sys.executable, "-c", PROGRAM.format(dsn=dsn)], cwd=ROOT, env=dict(os.environ), check=True)

    told = b"".join(received).decode()
    assert "ValueError" in told
    assert '"function":"fail"' in told
    assert [secret for secret in (NUMBER, KEY, LEG) if secret in told] == []
