"""`floorline doctor` beside a served floor: what it finds well, what it finds ill, and how it ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from tests.tooling.conftest import starting, without_settings
from tests.tooling.processes import ROOT, SOON, eventually, python

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve a demo, and return the environment of its dashboard: the sandbox as an account's Telnyx."""
    folder: Path = tmp_path_factory.mktemp("doctor")
    with starting(folder) as start:
        command = python("-m", "dashboard", "demo", "--calls", "3")
        demo = start(command, {**without_settings(folder), "PORT": str(free_port())})
        assert eventually(lambda: "Floorline is open" in demo.said(), within=90), demo.said()
        raw = Path(f"/proc/{demo.one('gunicorn.conf.py')}/environ").read_bytes().decode()
        environment = dict(line.split("=", 1) for line in raw.split("\0") if "=" in line)
        assert eventually(lambda: "newest arrived" in examined(environment)[1], within=SOON)
        yield environment


def examined(environment: dict[str, str], **changed: str) -> tuple[int, str]:
    """Return how the doctor ended, and what it said."""
    command = python("-m", "dashboard", "doctor")
    variables = {**environment, **changed}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def failures(said: str) -> list[str]:
    return [line.removeprefix("fail ") for line in said.splitlines() if line.startswith("fail")]


def test_a_served_floor_is_found_well(served: dict[str, str]) -> None:
    status, said = examined(served)

    assert (status, failures(said)) == (0, []), said
    about = ("data", "descriptors", "static files", "database", "migrations", "settings", "worker", "webhooks", "clock")
    assert [name for name in (*about, "account default") if f" {name}: " not in said] == []


def test_a_key_that_telnyx_does_not_know_is_found(served: dict[str, str]) -> None:
    status, said = examined(served, TELNYX_API_KEY="sandbox-another")

    assert (status, failures(said)) == (1, ["account default: Telnyx does not know the API key"])
    assert "sandbox-another" not in said


def test_an_address_that_something_else_answers_is_found(served: dict[str, str]) -> None:
    telnyx = served["TELNYX_API_BASE"].removesuffix("/v2")
    status, said = examined(served, PUBLIC_URL=telnyx)

    assert status == 1
    assert failures(said) == [f"webhooks: {telnyx}/webhooks/telnyx/ answers a GET with 404, not 405"]


def test_a_database_of_the_other_mode_is_found(served: dict[str, str]) -> None:
    database = f"sqlite:///{served['FLOORLINE_HOME' if 'FLOORLINE_HOME' in served else 'VAR_DIR']}/sandbox.sqlite3"
    status, said = examined(served, TELNYX_API_BASE="https://api.telnyx.com/v2", DATABASE_URL=database)

    assert status == 1
    assert "database: it belongs to the sandbox, not to a real account" in failures(said)


def test_a_new_installation_is_told_what_is_missing_and_left_as_it_is(tmp_path: Path) -> None:
    status, said = examined(without_settings(tmp_path))

    assert status == 1
    assert "SECRET_KEY is missing" in said
    assert "serve --prepare makes it" in said
    assert list((tmp_path / "var").glob("*.sqlite3*")) == []
