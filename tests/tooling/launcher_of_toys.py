"""A launcher whose parts are toys: a web server, and a worker that lasts as long as it is told."""

from __future__ import annotations

import os
import sys

from dashboard.serving import launcher
from dashboard.serving.launcher import Launcher, Part

WEB = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('stubborn', flush=True); time.sleep(600)"
)


def main() -> int:
    launcher.GRACE = float(os.environ.get("GRACE", "600"))
    launcher.BACK_OFF = (0.05, 0.1)
    environment = dict(os.environ)
    worker = {"lasting": "import time; time.sleep(600)", "failing": "raise SystemExit(3)", "stubborn": STUBBORN}
    parts = [
        Part(name="dashboard", command=[sys.executable, "-c", WEB], environment=environment, vital=True),
        Part(name="worker", command=[sys.executable, "-c", worker[sys.argv[1]]], environment=environment),
    ]
    parent = int(os.environ["PARENT"]) if "PARENT" in os.environ else None
    return Launcher(
        parts,
        say=lambda sentence: print(sentence, flush=True),  # noqa: T201  # a toy
        greet=lambda: print("It is open.", flush=True),  # noqa: T201  # a toy
        ready_url=f"http://127.0.0.1:{os.environ['PORT']}/healthz",
        parent=parent,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
