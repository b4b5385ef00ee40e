"""A stream from the real server, byte by byte, as clients of both HTTP versions get it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers import Server, database, floorline
from benchmarks.streams import fill, speak

pytestmark = pytest.mark.slow

CHANGES = 3


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    folder: Path = tmp_path_factory.mktemp("stream")
    with database(f"sqlite:///{folder / 'floor.sqlite3'}") as url:
        [session] = fill(url, conferences=3, viewers=1)
        with floorline(url) as server:
            yield server, session


def streamed(server: Server, session: str, version: str) -> bytes:
    """Return what follows the header of a stream on which calls change."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = f"GET /stream/ HTTP/{version}\r\nHost: localhost\r\nCookie: floorline={session}\r\n\r\n"
        connection.sendall(head.encode())
        received = b""
        while b"\nid: " not in received:  # the snapshot
            received += connection.recv(65_536)
        asyncio.run(speak(server.port, seconds=1))
        while received.count(b"\nid: ") < 1 + CHANGES:
            received += connection.recv(65_536)
    return received.partition(b"\r\n\r\n")[2]


def without_chunks(framed: bytes) -> bytes:
    body = b""
    while framed and (found := re.match(rb"([0-9a-f]+)\r\n", framed)):
        end = found.end() + int(found[1], 16)
        assert framed[end : end + 2] in {b"\r\n", b"\r", b""}, framed[end : end + 20]
        body, framed = body + framed[found.end() : end], framed[end + 2 :]
    assert not framed, framed[:50]
    return body


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_changes_arrive_in_the_framing_of_the_clients_http_version(served: tuple[Server, str], version: str) -> None:
    body = streamed(*served, version)
    if version == "1.1":
        body = without_chunks(body)
    assert b"\r" not in body
    for message in body.split(b"\n\n")[:-1]:
        lines = message.split(b"\n")
        assert all(re.match(rb"(event|data|id): ", line) for line in lines), message[:200]
