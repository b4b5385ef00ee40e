"""Checks what strangers may do to the real gunicorn, and what they may not."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import bodies, signed
from benchmarks.servers import ROOT, Server, database, environment, floorline
from dashboard.serving.edge import ALWAYS_SERVED, HEAD_SECONDS, MOST_CONNECTIONS, Connections
from dashboard.serving.process import raise_descriptor_limit

pytestmark = pytest.mark.slow
FORGED = "telnyx-signature-ed25519: " + "A" * 86 + "=="


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strangers")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    raise_descriptor_limit()
    with database(f"sqlite:///{folder}/floor.sqlite3") as url, floorline(url, settings={"TMPDIR": str(folder)}) as one:
        yield one


@contextlib.contextmanager
def open_to(server: Server, *, timeout: float = 20) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        yield connection


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode("latin-1")


def status_of(connection: socket.socket) -> int:
    """Return the status that comes, 0 where the connection is closed without one."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n" not in answer and (got := connection.recv(65_536)):
            answer += got
    return int(answer.split(b" ", 2)[1]) if answer else 0


def asked(server: Server, request: bytes) -> int:
    with open_to(server) as connection:
        connection.sendall(request)
        return status_of(connection)


def test_who_sends_nothing_or_half_a_header_or_half_a_body_is_closed_in_ten_seconds(server: Server) -> None:
    begun = time.monotonic()
    with open_to(server) as silent, open_to(server) as half, open_to(server) as slow, open_to(server) as slow_stop:
        half.sendall(b"GET / HTTP/1.1\r\nHost: localh")
        slow.sendall(head("POST /accounts/login/", "Content-Length: 100") + b"username=")
        slow_stop.sendall(head("POST /leave/", "Content-Length: 100") + b"stop=")

        assert [status_of(one) for one in (silent, half, slow, slow_stop)] == [0, 408, 408, 408]
    assert time.monotonic() - begun < HEAD_SECONDS + 4


def test_at_the_cap_the_oldest_silent_connection_makes_room(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(open_to(server)) for _ in range(MOST_CONNECTIONS + 50)]
        webhook = signed(bodies(1, seed=7)[0])

        assert status_of(silent[0]) == 0
        assert asked(server, head("POST /leave/", "Content-Length: 0")) in {302, 403}
        assert asked(server, webhook) == 200
        assert asked(server, head("GET /healthz")) == 200


def test_as_many_connections_as_configured_wait_to_be_accepted(server: Server) -> None:
    worker = server.pids()[1]
    os.kill(worker, signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(open_to(server, timeout=5)) for _ in range(400)]
    finally:
        os.kill(worker, signal.SIGCONT)
    assert len(waiting) == 400


def files_beside_the_database(folder: Path) -> set[Path]:
    """Return the files of a folder without SQLite's own, which come when a process first asks it."""
    return {file for file in folder.iterdir() if not file.name.startswith("floor.sqlite3")}


@pytest.mark.parametrize("path", ["/accounts/login/", "/leave/", "/admin/login/"])
def test_a_body_without_end_is_refused_and_goes_nowhere(server: Server, folder: Path, path: str) -> None:
    before = files_beside_the_database(folder)
    with open_to(server) as connection:
        connection.sendall(head(f"POST {path}", "Transfer-Encoding: chunked"))
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            for _ in range(1_600):  # a hundred megabytes
                connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

        assert status_of(connection) in {413, 0}  # 0 where the answer was lost with the connection
    assert files_beside_the_database(folder) <= before


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (FORGED,),
        ("telnyx-timestamp: 1700000000",),
        (FORGED, "telnyx-timestamp: 1700000000"),
        (FORGED, "telnyx-timestamp: soon"),
        ("telnyx-signature-ed25519: none", f"telnyx-timestamp: {int(time.time())}"),
    ],
)
def test_a_webhook_that_no_body_could_make_right_is_refused_before_its_body(
    server: Server, fields: tuple[str, ...]
) -> None:
    begun = time.monotonic()

    for address in ("/webhooks/telnyx/", "/webhooks/telnyx/default/"):
        assert asked(server, head(f"POST {address}", *fields, "Content-Length: 200000")) == 401
    assert time.monotonic() - begun < 5


def test_forged_bodies_that_never_end_keep_no_webhook_out_and_little_memory(server: Server) -> None:
    assert asked(server, head("GET /accounts/login/")) == 200  # everything is loaded
    before = server.resident_kilobytes()
    forged = head("POST /webhooks/telnyx/", FORGED, f"telnyx-timestamp: {int(time.time())}", "Content-Length: 240000")
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            stack.enter_context(open_to(server)).sendall(forged + b"x" * 230_000)

        assert [asked(server, signed(body)) for body in bodies(20, seed=8)] == [200] * 20
        assert asked(server, signed(b"{" + b" " * 200_000 + b"}")) == 200
        assert server.resident_kilobytes() - before < 120_000


def form(path: str, content_type: str) -> bytes:
    """Return a form with a cookie that lets Django look for the token in it."""
    cookie = "Cookie: floorline-csrf=" + "a" * 32
    return head(f"POST {path}", cookie, f"Content-Type: {content_type}", "Content-Length: 3") + b"a=b"


ODD = {
    "latin-1": form("/accounts/login/", "application/x-www-form-urlencoded; charset=latin-1"),
    "no text": form("/leave/", "application/x-www-form-urlencoded; charset=base64"),
    "no charset": head("GET /", "Content-Type: application/x-www-form-urlencoded; charset*=x''y"),
    "stream": head("GET /stream/", "Content-Type: a/b; charset*=x''y"),
    "websocket": head(
        *("GET /", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    ),
    "page behind": head("GET /", "HX-Request: true", "HX-Current-URL: http://[::1"),
    "NUL": head("GET /conferences/%00/"),
    "bad percent": head("GET /accounts/login/?next=%ff%zz"),
    "cookie": head("GET /", "Cookie: floorline=\xff; floorline-tz=../../etc/passwd"),
    "method": head("FOO /leave/"),
    "host": head("GET /").replace(b"localhost", b"[::1]:x"),
    "headers": head("GET /", *[f"A{number}: {'x' * 4000}" for number in range(20)]),
}


@pytest.mark.parametrize("name", ODD)
def test_no_odd_request_of_a_stranger_ends_in_an_error_of_ours(server: Server, name: str) -> None:
    assert asked(server, ODD[name]) in {200, 302, 400, 401, 403, 404, 405, 415, 431}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("GET /", ()),
        ("GET /accounts/login/", ()),
        ("GET /healthz", ()),
        ("GET /stream/", ()),
        ("GET /snapshot/", ()),
        ("GET /webhooks/telnyx/", ()),
        ("POST /webhooks/telnyx/", ("Content-Length: 2",)),
        ("POST /webhooks/telnyx/of-no-account/", ("Content-Length: 2",)),
        ("POST /leave/", ("Content-Length: 0",)),
        ("POST /leave/", ("Content-Type: text/plain; charset=latin-1", "Content-Length: 0")),
        ("POST /quieter/", ("Content-Length: 99999999",)),
        ("GET /static/css/unscripted.css", ()),
    ],
)
def test_every_answer_carries_the_security_headers(server: Server, line: str, fields: tuple[str, ...]) -> None:
    with open_to(server) as connection:
        connection.sendall(head(line, "Connection: close", *fields) + b"ab")
        answer = b""
        while b"\r\n\r\n" not in answer and (got := connection.recv(65_536)):
            answer += got
    names = [named.partition(b":")[0].lower() for named in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    for wanted in (b"content-security-policy", b"x-content-type-options", b"x-frame-options", b"referrer-policy"):
        assert names.count(wanted) == 1, (wanted, answer)


def test_the_edge_keeps_places_for_what_must_always_be_served() -> None:
    # In a process of its own: the routes load the application.
    show = "from dashboard.asgi import ROUTES; print(' '.join(ROUTES))"
    shown = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, env=environment("sqlite:///:memory:"), check=True, capture_output=True
    )

    assert set(shown.stdout.decode().split()) == ALWAYS_SERVED | {"/stream/", "/snapshot/"}


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [
        ("/webhooks/telnyx", True),
        ("/webhooks/telnyx/", True),
        ("/webhooks/telnyx/acme-europe/", True),
        ("/leave/", True),
        ("/webhooks/telnyx/a/b/", False),
        ("/webhooks/", False),
        ("/", False),
    ],
)
def test_the_last_places_are_for_stops_and_webhooks_at_every_address(path: str, *, is_kept: bool) -> None:
    crowd: Any = Connections(descriptors=0)
    crowd.open = set(range(crowd.most_ordinary + 1))

    assert crowd.has_room_for(path) is is_kept
