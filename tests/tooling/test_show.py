"""The demo as a newcomer meets it: the password stands there, and the first seconds show what a floor is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from benchmarks.servers import free_port
from tests.tooling.conftest import starting, without_settings
from tests.tooling.person import Person
from tests.tooling.processes import Marked, eventually, python

pytestmark = pytest.mark.slow
ROW = re.compile(r'<tr id="conference-.*?</tr>', re.DOTALL)
SIGHTS = {
    "a call that needs somebody": re.compile("same speaker for"),
    "a hold": re.compile("on hold since"),
    "a second agent": re.compile(r'class="col-agents">[^<,]+, [^<,]+</td>'),
    "a colleague who whispers": re.compile(r"Mara L\.(?:</span>)? · whisper"),
}
SOON = 10
SLOW_MACHINE = 3
"""Times so long on a loaded machine: the promise is made for a quiet one."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    folder: Path = tmp_path_factory.mktemp("show")
    with starting(folder) as start:
        served = start(python("-m", "dashboard", "demo"), {**without_settings(folder), "PORT": str(free_port())})
        assert eventually(lambda: "Floorline is open" in served.said(), within=90), served.said()
        yield served


def address(demo: Marked) -> str:
    return f"http://localhost:{demo.environment['PORT']}"


def test_the_first_seconds_show_what_a_floor_is_for(demo: Marked) -> None:
    kim = Person(address(demo), "kim")

    def missing() -> list[str]:
        rows = ROW.findall(kim.get("/"))
        return [sight for sight, words in SIGHTS.items() if not any(words.search(row) for row in rows)]

    assert eventually(lambda: not missing(), within=SOON * SLOW_MACHINE, pause=0.3), missing()


def test_the_password_of_a_demo_on_this_machine_stands_on_its_sign_in_page(demo: Marked) -> None:
    assert "floorline-demo" in requests.get(f"{address(demo)}/accounts/login/", timeout=10).text


def test_nobody_can_sign_in_as_the_colleague(demo: Marked) -> None:
    mara = Person(address(demo), "mara")

    assert (
        "Wrong user name or password."
        in mara.post("/accounts/login/", mara.get("/accounts/login/"), username="mara").text
    )
