"""Measures P6: from a webhook to its changed row in Chromium, with ten thousand live conferences.

CHROMIUM="$(.ci/chromium)" python -m benchmarks.browser

The page itself says when: an observer notices the changed row, and the frame after it counts. Both clocks are this
machine's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from dashboard.settings import SESSION_COOKIE_NAME

from .load import signature_headers
from .machine import description
from .servers import database, floorline
from .streams import fill

NOTE = """() => {
    window.changed = {};
    new MutationObserver(() => requestAnimationFrame(() => {
        const now = performance.timeOrigin + performance.now();
        for (const timer of document.querySelectorAll("#conferences small [data-since]"))
            window.changed[timer.dataset.since] ??= now;
    })).observe(document.querySelector("#conferences"), {subtree: true, childList: true, attributes: true});
}"""
NAMES = "rows => rows.map(row => row.ariaLabel)"


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conferences", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=80, help="per round: both speak once in each of forty calls")
    parser.add_argument("--per-second", type=int, default=20)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(database(f"sqlite:///{folder / 'bench.sqlite3'}"))
        (session,) = fill(url, conferences=options.conferences, viewers=1)
        server = stack.enter_context(floorline(url))
        page = stack.enter_context(opened(server.port, session))
        rounds = [
            waits(page, server.port, events=options.events, per_second=options.per_second)
            for _ in range(options.rounds)
        ]
    print(f"{description()}\n")
    middles, lates = [share(one, 0.5) for one in rounds], [share(one, 0.95) for one in rounds]
    print("| webhook → changed row in Chromium | p50 ms | p95 ms | spread of p95 |")
    print("|---|---|---|---|")
    print(
        f"| {options.conferences:,} conferences, {options.per_second} events/s | {median(middles):.0f} "
        f"| {median(lates):.0f} | {min(lates):.0f} to {max(lates):.0f} |"
    )
    print(f"\nP6 webhook → changed row: {median(lates):.0f} ms p95 (floor 300, aim 100)")


def share(values: list[float], part: float) -> float:
    """Return the value that this part of the others does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


@contextmanager
def opened(port: int, session: str) -> Iterator[Page]:
    """Open the floor in Chromium, signed in, its stream running."""
    with sync_playwright() as playwright:
        # Chromium refuses its own sandbox to root, as which machines that only test often run.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=flags)
        context = browser.new_context()
        context.add_cookies([{"name": SESSION_COOKIE_NAME, "value": session, "url": f"http://127.0.0.1:{port}"}])
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#conferences tr")
        page.evaluate(NOTE)
        time.sleep(2)  # the first snapshot of the stream
        yield page
        browser.close()


def waits(page: Page, port: int, *, events: int, per_second: int) -> list[float]:
    """Let others speak in the calls that the page shows; return how many milliseconds each took to be seen."""
    shown = [name.rpartition("-")[2] for name in page.eval_on_selector_all("#conferences tr", NAMES)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    sent: dict[str, float] = {}
    begun = time.time()
    for number, conference in zip(range(events), cycle(shown), strict=False):
        time.sleep(max(0, begun + number / per_second - time.time()))
        at = datetime.now(UTC)
        sent[str(int(at.timestamp() * 1000))] = 1000 * time.time()
        speak(connection, conference, turn=number // len(shown) % 2, at=at)
    page.wait_for_function("last => last in window.changed", arg=list(sent)[-1], timeout=10_000)
    seen: Mapping[str, float] = page.evaluate("window.changed")
    assert sent.keys() <= seen.keys(), f"{len(sent.keys() - seen.keys())} changes were never shown"
    return [seen[moment] - at for moment, at in sent.items()]


def speak(connection: http.client.HTTPConnection, conference: str, *, turn: int, at: datetime) -> None:
    """Post one change of speaker."""
    payload = {"conference_id": f"conference-{conference}", "call_control_id": f"v3:{conference}-{turn}"}
    data = {
        "event_type": "conference.floor.changed",
        "id": f"bench-{at.timestamp()}",
        "occurred_at": at.isoformat(),
        "payload": payload,
    }
    body = json.dumps({"data": data}).encode()
    connection.request("POST", "/webhooks/telnyx/", body, signature_headers(body))
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


if __name__ == "__main__":
    main()
