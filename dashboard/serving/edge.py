"""Serves connections for gunicorn: closes those whose client sends nothing, and keeps their number within the limit.

gunicorn's own ASGI worker waits for a first request without end, accepts until no descriptor is left, and listens with
asyncio's backlog of 100 instead of the configured one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers.gasgi import ASGIWorker

from conferences.asgi_types import CHUNKS
from conferences.webhook_addresses import takes_webhooks
from dashboard.serving.process import descriptor_limit, raise_descriptor_limit

HEAD_SECONDS = 10.0
"""The time from the connection's first moment to the end of its first header."""
MOST_HEAD_BYTES = 32 * 1024
MOST_UNREAD_BYTES = 64 * 1024
STALL_SECONDS = 30.0
"""The time that sent bytes may stay unread; a page whose laptop slept takes a snapshot afterwards."""
CLOSE_SECONDS = 5.0

MOST_CONNECTIONS = 4096
"""Each may hold a header and what is unread; a floor of a thousand viewers has some two thousand."""
OTHER_DESCRIPTORS = 384
"""Databases, three files each on SQLite; requests to Telnyx; what the interpreter itself opens."""

ALWAYS_SERVED = frozenset({"/leave/", "/quieter/", "/ear/disconnect/", "/healthz"})
"""A tenth of the places is theirs and the webhooks' alone."""


class Connections:
    """The open connections of one process, and which of them wait for their client, in the order they began to."""

    def __init__(self, descriptors: int) -> None:
        self.most = max(32, min(MOST_CONNECTIONS, descriptors - OTHER_DESCRIPTORS))
        self.most_ordinary = self.most - self.most // 10
        self.open: set[BoundedConnection] = set()
        self.silent: dict[BoundedConnection, None] = {}

    def add(self, connection: BoundedConnection) -> None:
        """Take a new one in; at the cap the one that has been silent longest goes, or the new one where none is."""
        self.open.add(connection)
        self.wait_for(connection)
        if len(self.open) > self.most_ordinary:
            oldest = next(iter(self.silent))
            if oldest is not connection or len(self.open) > self.most:
                oldest.drop()

    def remove(self, connection: BoundedConnection) -> None:
        self.open.discard(connection)
        self.silent.pop(connection, None)

    def wait_for(self, connection: BoundedConnection) -> None:
        """Note that nothing happens until the client sends or reads something."""
        if connection in self.open:
            self.silent.setdefault(connection)

    def serve(self, connection: BoundedConnection) -> None:
        """Note that it is our turn."""
        self.silent.pop(connection, None)

    def has_room_for(self, path: str) -> bool:
        """Return whether a request may be answered; the last places are kept for stops and webhooks."""
        return len(self.open) <= self.most_ordinary or path in ALWAYS_SERVED or takes_webhooks(path)


class BoundedConnection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """One connection: gunicorn's, with an eye on how long the client takes."""

    def __init__(self, worker: BoundedWorker) -> None:
        super().__init__(worker)
        self._max_buffer_size = MOST_UNREAD_BYTES
        self._connections = worker.connections
        self._loop = worker.loop
        self._reads_head = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._set_timer(HEAD_SECONDS, self._head_is_late)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        self._connections.remove(self)
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close at once, and count no more."""
        self._connections.remove(self)
        self._closed = True
        self._request_ready.set()  # a connection that waits for its next request ends now
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._reads_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._reads_head and self._head_bytes > MOST_HEAD_BYTES and not self._closed:
            self._send_error_response(431, "The header is too large.")
            self._close_transport()

    def _on_headers_complete(self) -> bool:
        skip = bool(super()._on_headers_complete())
        self._reads_head = False
        if not self._flow_control.write_paused:
            self._set_timer(None)
        if not self._connections.has_room_for(self._current_request.path):
            self._send_error_response(503, "Too many connections are open.", (("Retry-After", "5"),))
            self._close_transport()
        return skip

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        if not self._flow_control.write_paused:
            self._connections.serve(self)

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> dict[str, Any]:
        scope: dict[str, Any] = super()._build_http_scope(request, sockname, peername)
        if request.version == (1, 1):  # an older client gets no chunks
            scope.setdefault("extensions", {})[CHUNKS] = self.write_chunk
        return scope

    def write_chunk(self, body: bytes) -> bool:
        """Return whether a chunk could be written at once; else it goes by `send`, as an answer's first one does."""
        if self._closed or self._flow_control.write_paused:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def _arm_keepalive_timer(self) -> None:
        super()._arm_keepalive_timer()
        self._reads_head, self._head_bytes = True, 0
        self._connections.wait_for(self)

    def _close_transport(self) -> None:
        super()._close_transport()
        # Closing waits until the client has read everything; that, too, must not take forever.
        self._connections.wait_for(self)
        self._set_timer(CLOSE_SECONDS, self._abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.wait_for(self)
        self._set_timer(STALL_SECONDS, self._abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._closed:
            self._connections.serve(self)
            self._set_timer(None)

    def _head_is_late(self) -> None:
        if self._head_bytes:
            self._send_error_response(408, "The header did not arrive.")
        self._keepalive_timeout()

    def _abort(self) -> None:
        self.transport.abort()

    def _set_timer(self, seconds: float | None, then: Any = None) -> None:
        """Replace this connection's one timer: it waits for one thing at a time."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and not self._conn_lost_handled:
            self._timer = self._loop.call_later(seconds, then)


class BoundedWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's ASGI worker, with connections of ours and the configured backlog."""

    connections: Connections

    def init_process(self) -> None:
        raise_descriptor_limit()
        # A thread that comes back from a query waits this long for the interpreter while the loop is busy. At Python's
        # 5 ms, a Leave during a flood took up to a second, at 1 ms a third of one.
        sys.setswitchinterval(0.001)
        self.connections = Connections(descriptor_limit())
        super().init_process()

    async def _serve(self) -> None:
        """Serve until the end is asked for; no lifespan and no TLS, which Floorline does not use."""
        for listener in self.sockets:
            server = await self.loop.create_server(
                partial(BoundedConnection, self), sock=listener.sock, backlog=self.cfg.backlog
            )
            self.servers.append(server)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            await asyncio.sleep(1.0)
        await self._shutdown()
