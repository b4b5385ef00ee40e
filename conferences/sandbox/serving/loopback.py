"""Serves one sandbox's REST API over HTTP from a thread of this process; its clock stands until somebody moves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qsl, unquote, urlsplit

from conferences.sandbox.rest.router import Api, Request


@contextmanager
def loopback(api: Api) -> Iterator[str]:
    """Yield the address of the API, on a free port that only this machine reaches."""

    class Handler(BaseHTTPRequestHandler):
        """Closes each connection after one answer (HTTP/1.0), so that one thread serves everybody."""

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(
                self.command,
                unquote(parts.path).removeprefix("/v2"),
                dict(parse_qsl(parts.query)),
                self.headers.get("authorization", ""),
                raw,
            )
            answer = api.handle(request)
            body = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v2"
        finally:
            server.shutdown()
            thread.join()
