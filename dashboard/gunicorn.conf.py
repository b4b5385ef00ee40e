"""How gunicorn serves Floorline; each number with its reason. Used by dashboard.launch and by systemd alike."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from dashboard import lifetime, settings

wsgi_app = "dashboard.asgi:application"
chdir = str(settings.BASE_DIR)
bind = [f"{settings.bracketed(address)}:{settings.PORT}" for address in settings.ADDRESSES]

# Streams and webhooks are raw ASGI; Django has no lifespan, and asking it would log an error at every start.
worker_class = "asgi"
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
# One floor of 1,000 viewers holds 1,000 streams; a burst of webhooks may wait here rather than be refused.
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
# Starting and stopping are the launcher's to tell.
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    """Let the streams of this process see when it is to end, and open the connection that webhooks are written on."""
    # The application, and with it Django, is loaded only now.
    from conferences.changes import hub  # noqa: PLC0415
    from conferences.ingest import intake  # noqa: PLC0415

    lifetime.begin(worker)
    intake.writer.warm()
    hub.listen()
    # What was loaded stays; a full collection that walks through it holds up every stream meanwhile.
    gc.collect()
    gc.freeze()
