"""Configures gunicorn, for the launcher and systemd alike; each number has its reason."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from dashboard import settings
from dashboard.push import worker_state

wsgi_app = "dashboard.asgi:application"
chdir = str(settings.WORKING_DIR)
bind = [f"{settings.bracketed(address)}:{settings.PORT}" for address in settings.ADDRESSES]

# Streams and webhooks are raw ASGI; Django has no lifespan, and asking it would log an error at every start.
worker_class = "dashboard.serving.edge.BoundedWorker"
asgi_lifespan = "off"
asgi_loop = "uvloop"

# On SQLite exactly one process ingests: two writers wait for each other's lock. PostgreSQL may have more.
_on_postgres = settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql"
workers = int(os.environ.get("WEB_CONCURRENCY") or 1) if _on_postgres else 1

# A worker whose event loop has not turned for this long hangs; no request of ours may take half of it.
timeout = 60
# Streams end within a second of the signal. What else is open is a command at Telnyx: 3 s to connect and 5 s to answer.
# Must stay below `timeout`: the worker sends no heartbeat while it drains.
graceful_timeout = 8
# Idle connections hold up a stop this long, and 2 s is enough for the requests of one page.
keepalive = 2
# One floor of 1,000 viewers holds 1,000 streams; a burst of webhooks may wait here rather than be refused. The kernel
# takes at most net.core.somaxconn (4,096).
backlog = 2048

# The longest line of ours is the floor's address with every filter set, about 1 kB; the longest field a cookie header.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# The heartbeat file in memory: a disk busy with fsync must not look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # gunicorn makes a private file there
# The default is one path for all gunicorns of a user, and the first to stop removes it under the others.
control_socket_disable = True

# Off: one line per webhook and heartbeat would bury what matters. ACCESS_LOG=true writes it to standard output.
accesslog = "-" if os.environ.get("ACCESS_LOG", "").lower() in {"1", "true", "yes", "on"} else None
# Neither a query nor the page before: people may have typed a number into an address.
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s "%(a)s"'
# The launcher reports starting and stopping.
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    """Let the streams of this process see when it is to end, and open the connection that webhooks are written on."""
    # The application, and with it Django, is loaded only now.
    from conferences.changes import hub  # noqa: PLC0415
    from conferences.intake.endpoint import intake  # noqa: PLC0415
    from dashboard.log_lines import LogFormatter  # noqa: PLC0415

    for handler in worker.log.error_log.handlers:
        handler.setFormatter(LogFormatter(worker.log.error_fmt, worker.log.datefmt))

    worker_state.begin(worker)
    intake.writer.warm()
    hub.listen()
    # Loaded modules stay in memory; a full collection that walks through it holds up every stream meanwhile.
    gc.collect()
    gc.freeze()
