"""A small TCP proxy between browser and server that can stall, cut, refuse and answer in the server's place."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from enum import Enum, auto
from urllib.parse import urlsplit

BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 11\r\nConnection: close\r\n\r\nBad gateway"
)


class Fate(Enum):
    """What becomes of requests for a stream from now on."""

    PASS = auto()
    CUT = auto()  # the connection is reset
    BAD_GATEWAY = auto()


class Proxy:
    """Passes bytes on, until a test says otherwise."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "localhost", parts.port or 80)
        self.streams = Fate.PASS
        self._flowing = threading.Event()
        self._flowing.set()
        self._streaming: set[socket.socket] = set()
        self._frozen: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Keep every connection open, and let nothing through."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def freeze(self) -> None:
        """Let nothing through any more on the streams that are open now; new connections work."""
        self._frozen |= self._streaming

    def cut(self) -> None:
        """Break what is open now."""
        for connection in list(self._open):
            self._close(connection)

    def close(self) -> None:
        self._close(self._listener)
        self._flowing.set()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                browser, _address = self._listener.accept()
                server = socket.create_connection(self.upstream, timeout=5)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                self._close(browser)
                continue
            server.settimeout(None)
            self._open |= {browser, server}
            threading.Thread(target=self._pass_on, args=(browser, server), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, browser), daemon=True).start()

    def _pass_on(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while chunk := source.recv(65536):
                self._flowing.wait()
                if source in self._frozen:
                    continue
                # A browser does not pipeline, so every request begins a chunk of its own.
                if chunk.startswith(b"GET /stream/"):
                    if self.streams is Fate.BAD_GATEWAY:
                        source.sendall(BAD_GATEWAY)
                    if self.streams is not Fate.PASS:
                        break
                    self._streaming |= {source, to}
                to.sendall(chunk)
        self._close(source)
        self._close(to)

    def _close(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
