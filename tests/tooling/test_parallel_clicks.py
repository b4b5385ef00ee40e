"""P11: the same click, sent twenty times at once to the real gunicorn, is one request to Telnyx."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.servers import free_port
from tests.tooling.conftest import starting, without_settings
from tests.tooling.person import Person
from tests.tooling.processes import SOON, eventually, python

pytestmark = pytest.mark.slow
TIMES = 20


class Kim(Person):
    """Kim, and what only the sandbox can know or do."""

    def __init__(self, url: str, sandbox: str) -> None:
        super().__init__(url, "kim")
        self.sandbox = sandbox

    def order(self, path: str, **body: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.sandbox}/sandbox{path}", json=body, timeout=10)
        answer.raise_for_status()
        order: dict[str, Any] = answer.json()
        return order

    def sent(self, ending: str) -> list[dict[str, Any]]:
        """Return the bodies of what reached Telnyx at such a path."""
        entries = requests.get(f"{self.sandbox}/sandbox/requests", timeout=10).json()["requests"]
        return [entry["body"] for entry in entries if entry["method"] == "POST" and entry["path"].endswith(ending)]

    def conference(self, name: str) -> str:
        """Open a call on the sandbox's floor; return our own id of it once it is on the board."""
        self.order("/calls", name=name, team="Billing", agents=["Ana Ruiz"])
        assert eventually(lambda: name in self.get("/"), within=SOON)
        found = re.search(r"/conferences/([0-9a-f-]{36})/", self.get("/"))  # the only one on this floor
        assert found
        return found[1]


@pytest.fixture(scope="module")
def kim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kim]:
    folder: Path = tmp_path_factory.mktemp("clicks")
    port = free_port()
    with starting(folder) as start:
        served = start(
            [*python("manage.py", "serve"), "--sandbox", "--calls", "0"],
            {**without_settings(folder), "PORT": str(port)},
        )
        assert eventually(lambda: "Floorline is open" in served.said(), within=90), served.said()
        found = re.search(r"http://127\.0\.0\.1:\d+", served.said())
        assert found, served.said()
        yield Kim(f"http://localhost:{port}", found[0])


def at_once(do: Any) -> list[int]:
    """Call it in twenty threads that start together; return the statuses."""
    barrier, statuses = threading.Barrier(TIMES), []

    def one() -> None:
        barrier.wait()
        statuses.append(do().status_code)

    threads = [threading.Thread(target=one) for _ in range(TIMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return statuses


def test_twenty_clicks_at_once_dial_once_and_change_the_role_once(kim: Kim) -> None:
    conference = kim.conference("Click-1")
    page = kim.get(f"/conferences/{conference}/")

    statuses = at_once(lambda: kim.post(f"/conferences/{conference}/role/", page, role="monitor"))

    assert len(statuses) == TIMES
    assert not [status for status in statuses if status >= 500], statuses
    assert eventually(lambda: len(kim.sent("/actions/join")) == 1, within=SOON)
    assert len(kim.sent("/calls")) == 1

    assert eventually(lambda: "monitor" in kim.get("/").lower(), within=SOON)
    legs = re.findall(r'name="targets"[^>]*value="([0-9a-f-]{36})"', kim.get(f"/conferences/{conference}/"))
    assert legs, "the page offers nobody to whisper to"
    page = kim.get(f"/conferences/{conference}/")
    seen = re.findall(r'name="audience" value="([^"]*)"', page)
    clicked = {"role": "whisper", "targets": legs[:1], "audience": seen}
    statuses = at_once(lambda: kim.post(f"/conferences/{conference}/role/", page, **clicked))

    assert not [status for status in statuses if status >= 500], statuses
    assert eventually(lambda: len(kim.sent("/actions/update")) >= 1, within=SOON)
    assert [body["supervisor_role"] for body in kim.sent("/actions/update")] == ["whisper"]
    assert len(kim.sent("/actions/join")) == 1
    assert len(kim.sent("/calls")) == 1
