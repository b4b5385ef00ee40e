"""A small TCP proxy between browser and server that can stall, cut, refuse, buffer and hold requests back."""

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
    """The treatment of requests for a stream from now on."""

    PASS = auto()
    CUT = auto()  # the connection is reset
    BAD_GATEWAY = auto()
    BUFFER = auto()  # nothing of the answer is passed on before its end


class Proxy:
    """Passes bytes on, until a test says otherwise."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "localhost", parts.port or 80)
        self.streams = Fate.PASS
        self._flowing = threading.Event()
        self._flowing.set()
        self.asked: list[str] = []
        """The first lines of the requests that were passed on."""
        self._held = b""
        self._released = threading.Event()
        self._waiting: set[socket.socket] = set()
        self._streams: set[socket.socket] = set()
        self._streaming: set[socket.socket] = set()
        self._buffered: set[socket.socket] = set()
        self._frozen: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._holding: set[socket.socket] = set()
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

    def hold(self, start: str) -> None:
        """Keep back requests that begin with this, until they are released."""
        self._held = start.encode()
        self._released.clear()

    def release(self) -> None:
        self._held = b""
        self._released.set()

    @property
    def waiting(self) -> int:
        """Return the number of requests that are held back."""
        return len(self._waiting)

    @property
    def open_streams(self) -> int:
        """Return the number of open connections with a stream, or with a request for one."""
        return len(self._streams & self._open)

    def cut(self) -> None:
        """Break what is open now."""
        for connection in list(self._open):
            self._close(connection)

    def close(self) -> None:
        self._close(self._listener)
        self._flowing.set()
        self.release()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                browser, _address = self._listener.accept()
            except OSError:
                return
            self._open.add(browser)
            threading.Thread(target=self._ask, args=(browser,), daemon=True).start()

    def _ask(self, browser: socket.socket) -> None:
        """Pass requests on, each over a connection that is made when the request is: one held back keeps none idle."""
        server = None
        with suppress(OSError, ValueError):
            while chunk := browser.recv(65536):
                self._flowing.wait()
                if browser in self._frozen:
                    continue
                if self._held and chunk.startswith(self._held):
                    self._holding.add(browser)
                    self._waiting.add(browser)
                    self._released.wait()
                    self._waiting.discard(browser)
                if server is None or server not in self._open:
                    server = self._connect(browser)
                self._holding.discard(browser)
                # A browser does not pipeline, so every request begins a chunk of its own.
                if chunk.startswith(b"GET /stream/"):
                    if self.streams is Fate.BAD_GATEWAY:
                        browser.sendall(BAD_GATEWAY)
                    if self.streams in {Fate.CUT, Fate.BAD_GATEWAY}:
                        break
                    self._streaming |= {browser, server}
                    self._streams.add(browser)
                    if self.streams is Fate.BUFFER:
                        self._buffered.add(server)
                if chunk.startswith((b"GET ", b"POST ")):
                    self.asked.append(chunk.split(b"\r\n", 1)[0].decode())
                server.sendall(chunk)
        self._close(browser)
        if server is not None:
            self._close(server)

    def _connect(self, browser: socket.socket) -> socket.socket:
        server = socket.create_connection(self.upstream, timeout=5)
        server.settimeout(None)
        self._open.add(server)
        threading.Thread(target=self._answer, args=(server, browser), daemon=True).start()
        return server

    def _answer(self, server: socket.socket, browser: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while chunk := server.recv(65536):
                self._flowing.wait()
                if server not in self._frozen and server not in self._buffered:
                    browser.sendall(chunk)
        self._close(server)
        if browser not in self._holding:
            self._close(browser)

    def _close(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
