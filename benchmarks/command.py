"""Measures P10, from a click to its request on the wire: `python -m benchmarks.command`.

A server of its own notes when a request has arrived; the clock is the machine's monotonic one, which both processes
share. A click is the service layer's own call, as the view makes it: authorise, store the intention durably, send.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from .machine import description
from .servers import database, environment

CONFERENCE = "5f0c2d1e-8a4b-4c7d-9e21-7b3a6d2f1c90"
OK = json.dumps({"data": {"result": "ok"}}).encode()


def main() -> None:
    """Measure both in turns, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clicks", type=int, default=200, help="per round, of each kind")
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        listen()
        return
    print(f"{description()}\n")
    ours: list[list[float]] = []
    bare: list[list[float]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        arrivals() as port,
        database(f"sqlite:///{Path(folder) / 'bench.sqlite3'}") as url,
    ):
        os.environ.update(environment(url) | settings(port))
        click, post = clicks(), bare_posts(port)
        for _ in range(options.rounds):
            ours.append(measured(click, options.clicks, port))
            bare.append(measured(post, options.clicks, port))
    print("| to the arrival of the request | p50 ms | spread of p50 | p95 ms |")
    print("|---|---|---|---|")
    print(row("a click, its intention stored durably (SQLite FULL)", ours))
    print(row("a bare keep-alive POST", bare))
    over = median(median(one) for one in ours) - median(median(one) for one in bare)
    print(f"\nP10 click → wire over a bare POST: {over:.2f} ms p50 (floor 2.5, aim 1.5)")


def row(name: str, rounds: list[list[float]]) -> str:
    """Return one line of the table."""
    halves = [median(one) for one in rounds]
    p95 = quantiles([value for one in rounds for value in one], n=20)[-1]
    return f"| {name} | {median(halves):.2f} | {min(halves):.2f} to {max(halves):.2f} | {p95:.2f} |"


def settings(port: int) -> dict[str, str]:
    """Return an account that speaks with the noting server."""
    return {
        "TELNYX_API_BASE": f"http://127.0.0.1:{port}/v2",
        "TELNYX_API_KEY": "benchmark",
        "TELNYX_CONNECTION_ID": "1",
        "TELNYX_FROM_NUMBER": "+18005550199",
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }


def clicks() -> Callable[[], None]:
    """Put a supervisor into a conference; return a click that changes the role."""
    import django

    django.setup()

    from django.contrib.auth.models import User

    from conferences import supervision
    from conferences.models import (
        Account,
        Agent,
        Command,
        Conference,
        Ear,
        Leg,
        Participant,
        SupervisorSession,
        Team,
        TeamMembership,
    )
    from conferences.models.supervision import Role

    now = datetime.now(UTC)
    account, team = Account.objects.get(), Team.objects.create(name="Billing")
    # Compared with Telnyx for as long as this runs: on a floor that is not live, a louder click asks Telnyx first.
    Account.objects.update(checked_at=now + timedelta(hours=1), unsure_since=None)
    account.refresh_from_db()
    kim = User.objects.create(username="kim")
    TeamMembership.objects.create(user=kim, team=team, may_whisper=True, may_barge=True)
    conference = Conference.objects.create(account=account, telnyx_id=CONFERENCE, team=team, started_at=now)
    ana = Agent.objects.create(name="Ana", team=team, sip_username="ana")
    leg = Leg.objects.create(account=account, call_control_id="v3:ana", party=Leg.Party.AGENT, agent=ana)
    Participant.objects.create(account=account, conference=conference, leg=leg, present=True, joined_at=now)
    ear = Ear.objects.create(
        account=account, user=kim, kind="sip", call_control_id="v3:kim", state="connected", created_at=now
    )
    SupervisorSession.objects.create(
        user=kim, ear=ear, conference=conference, stage="inside", wanted_at=now, started_at=now, inside_at=now
    )
    roles = _alternating([(Role.WHISPER, [leg.pk]), (Role.BARGE, [])])

    def click() -> None:
        role, targets = next(roles)
        supervision.choose_role(
            user=kim, conference=conference, role=role, targets=targets, audience=[leg.pk], now=datetime.now(UTC)
        )
        assert Command.objects.latest("asked_at").http_status == 200

    return click


def _alternating(items: list[tuple[Any, list[Any]]]) -> Iterator[tuple[Any, list[Any]]]:
    while True:
        yield from items


def bare_posts(port: int) -> Callable[[], None]:
    """Return a POST of the same size on a connection that stays open, and nothing else."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"call_control_id": "v3:kim", "supervisor_role": "whisper", "command_id": "x" * 36}).encode()

    def post() -> None:
        connection.request(
            "POST", f"/v2/conferences/{CONFERENCE}/actions/update", body, {"Content-Type": "application/json"}
        )
        connection.getresponse().read()

    return post


def measured(do: Callable[[], None], count: int, port: int) -> list[float]:
    """Return how many milliseconds each took until it had arrived."""
    asking = http.client.HTTPConnection("127.0.0.1", port)
    took = []
    for number in range(count + 5):
        began = time.monotonic_ns()
        do()
        asking.request("GET", "/last")
        arrived = int(asking.getresponse().read())
        if number >= 5:  # the first ones open connections and fill caches
            took.append((arrived - began) / 1e6)
    return took


# --- the other side ---------------------------------------------------------------------------------------------------


@contextmanager
def arrivals() -> Iterator[int]:
    """Run the noting server in a process of its own; yield its port."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.command", "--listen"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def listen() -> None:
    """Note when the last POST arrived; tell it on GET /last."""

    class Noting(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        last = 0

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            Noting.last = time.monotonic_ns()
            self._answer(OK)

        def do_GET(self) -> None:
            self._answer(str(Noting.last).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
