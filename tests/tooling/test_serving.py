"""`manage.py serve` as an operator meets it: the real gunicorn, worker and sandbox, on free ports."""

from __future__ import annotations

import base64
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from tests.tooling.conftest import Start, starting, without_settings
from tests.tooling.person import Person
from tests.tooling.processes import SOON, Marked, eventually, python, status_of

pytestmark = pytest.mark.slow
SERVE = python("manage.py", "serve")
PARTS = ("gunicorn.conf.py", "manage.py worker", "conferences.sandbox")


@pytest.fixture
def sandbox_environment(bare_environment: dict[str, str]) -> dict[str, str]:
    return {**bare_environment, "PORT": str(free_port())}


@pytest.fixture
def live_environment(bare_environment: dict[str, str]) -> dict[str, str]:
    """Return a complete, made-up account; a stop is asked for before anything could speak with Telnyx."""
    return {
        **bare_environment,
        "PORT": str(free_port()),
        "SECRET_KEY": "correct horse battery staple, and then some",
        "TELNYX_API_KEY": "KEY0123456789",
        "TELNYX_PUBLIC_KEY": base64.b64encode(bytes(range(32))).decode(),
        "TELNYX_CONNECTION_ID": "2781903345512846583",
        "TELNYX_FROM_NUMBER": "+18005550199",
    }


def open_floor(start: Start, environment: dict[str, str]) -> Marked:
    """Serve a small sandbox floor, ready."""
    served = start([*SERVE, "--sandbox", "--calls", "2"], environment)
    assert eventually(lambda: is_open(served) or ended(served), within=SOON)
    assert is_open(served), served.said()
    return served


@pytest.fixture
def floor(start: Start, sandbox_environment: dict[str, str]) -> Marked:
    """Serve a floor that the test may end."""
    return open_floor(start, sandbox_environment)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    """Serve a floor for the tests that leave it open."""
    folder = tmp_path_factory.mktemp("lasting")
    with starting(folder) as start:
        yield open_floor(start, {**without_settings(folder), "PORT": str(free_port())})


def url(environment: dict[str, str], path: str) -> str:
    return f"http://localhost:{environment['PORT']}{path}"


def is_open(served: Marked) -> bool:
    return "Floorline is open" in served.said()


def ended(served: Marked) -> bool:
    return served.process.poll() is not None and not served.others()


def test_the_sandbox_floor_opens_and_ctrl_c_ends_it(floor: Marked, sandbox_environment: dict[str, str]) -> None:
    assert status_of(url(sandbox_environment, "/healthz")) == 200
    assert status_of(url(sandbox_environment, "/accounts/login/")) == 200
    names = ("kim", "lena", "ana", "omar", "admin", "http://127.0.0.1:")
    assert [name for name in names if name not in floor.said()] == []
    assert all(floor.all(part) for part in PARTS)

    floor.press_ctrl_c()

    assert eventually(lambda: ended(floor), within=SOON), floor.others()
    assert floor.process.returncode == 0
    assert "Traceback" not in floor.said()


def test_a_killed_launcher_leaves_no_process(floor: Marked) -> None:
    floor.process.kill()

    assert eventually(lambda: ended(floor), within=SOON), floor.others()


def test_killed_in_the_middle_of_it_all_make_leaves_no_process(
    start: Start, sandbox_environment: dict[str, str], tmp_path: Path
) -> None:
    # This environment under another name, with its packages counted as installed: tried are make and the launcher.
    environment = tmp_path / "venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        (environment / entry.name).symlink_to(entry)
    (environment / ".floorline-runtime").unlink(missing_ok=True)
    (environment / ".floorline-runtime").touch()
    made = start(["make", "run", "ARGS=--calls 2"], {**sandbox_environment, "VIRTUAL_ENV": str(environment)})
    assert eventually(lambda: is_open(made) or ended(made), within=SOON)
    assert is_open(made), made.said()

    made.process.kill()

    assert eventually(lambda: ended(made), within=SOON), made.others()


def test_the_sandbox_leaves_its_secrets_out_of_the_other_processes(lasting: Marked) -> None:
    def environment_of(pid: int) -> bytes:
        return Path(f"/proc/{pid}/environ").read_bytes()

    assert b"SANDBOX_SIGNING_SEED=" not in environment_of(lasting.one("gunicorn.conf.py"))
    assert b"SANDBOX_SIGNING_SEED=" not in environment_of(lasting.one("manage.py worker"))
    assert b"SECRET_KEY=" not in environment_of(lasting.one("conferences.sandbox"))


def test_a_taken_port_is_said_in_one_sentence(lasting: Marked, start: Start) -> None:
    port = lasting.environment["PORT"]

    second = start([*SERVE, "--sandbox"], lasting.environment)

    assert second.process.wait(SOON) == 1
    assert second.said() == (
        f"floorline: Port {port} of localhost is taken. End what uses it, or choose another: PORT={int(port) + 10}.\n"
    )


def test_the_same_floor_is_not_served_twice(lasting: Marked, start: Start) -> None:
    second = start([*SERVE, "--sandbox"], {**lasting.environment, "PORT": str(free_port())})

    assert second.process.wait(SOON) == 1
    assert "Floorline already serves sandbox.sqlite3" in second.said()


def test_a_fallen_sandbox_starts_again(lasting: Marked) -> None:
    first = lasting.all("conferences.sandbox")

    os.kill(first[0], signal.SIGKILL)

    assert eventually(lambda: "The sandbox was ended by SIGKILL. It starts again" in lasting.said(), within=SOON)
    assert eventually(lambda: bool(set(lasting.all("conferences.sandbox")) - set(first)), within=SOON)


def test_the_sandbox_does_not_start_beside_a_real_key(start: Start, sandbox_environment: dict[str, str]) -> None:
    served = start([*SERVE, "--sandbox"], {**sandbox_environment, "TELNYX_API_KEY": "KEY0123456789"})

    assert served.process.wait(SOON) == 1
    assert "the sandbox does not run beside one" in served.said()
    assert "0123456789" not in served.said()


def test_an_empty_environment_is_refused_with_every_name(start: Start, bare_environment: dict[str, str]) -> None:
    served = start(SERVE, {**bare_environment, "PORT": str(free_port())})

    assert served.process.wait(SOON) == 1
    assert "SECRET_KEY is missing" in served.said()
    lacking = "TELNYX_API_KEY, TELNYX_PUBLIC_KEY, TELNYX_CONNECTION_ID, TELNYX_FROM_NUMBER"
    assert f"Not set up yet: {lacking}" in served.said()
    assert "Traceback" not in served.said()


def test_settings_that_cannot_be_read_are_refused_in_one_sentence(
    start: Start, live_environment: dict[str, str]
) -> None:
    for name, value in (
        ("PORT", "eight"),
        ("TELNYX_API_BASE", "https://telnyx.example.com"),
        ("LOG_LEVEL", "loud"),
        ("AGENTS_SEE_LISTENING", "maybe"),
    ):
        served = start(SERVE, {**live_environment, name: value})

        assert served.process.wait(SOON) == 1
        assert served.said().startswith("floorline: ")
        assert name in served.said()
        assert len(served.said().splitlines()) == 1


def test_an_unreachable_database_is_said_without_a_traceback(start: Start, live_environment: dict[str, str]) -> None:
    served = start(SERVE, {**live_environment, "DATABASE_URL": "postgres://nobody@127.0.0.1:9/floor"})

    assert served.process.wait(SOON) == 1
    assert "The database cannot be used" in served.said()
    assert "DATABASE_URL" in served.said()
    assert "Traceback" not in served.said()


def test_sandbox_and_live_databases_refuse_each_other(
    start: Start, live_environment: dict[str, str], sandbox_environment: dict[str, str], tmp_path: Path
) -> None:
    live, sandbox = f"sqlite:///{tmp_path}/live.sqlite3", f"sqlite:///{tmp_path}/sandbox.sqlite3"
    prepared = start([*SERVE, "--prepare"], {**live_environment, "DATABASE_URL": live})
    assert prepared.process.wait(SOON) == 0, prepared.said()
    prepared = start([*SERVE, "--prepare", "--sandbox"], {**sandbox_environment, "DATABASE_URL": sandbox})
    assert prepared.process.wait(SOON) == 0, prepared.said()

    wrong = start([*SERVE, "--sandbox"], {**sandbox_environment, "DATABASE_URL": live})
    wrong_too = start(SERVE, {**live_environment, "DATABASE_URL": sandbox})

    assert wrong.process.wait(SOON) == 1
    assert "This database belongs to a real account and will not be mixed with the sandbox" in wrong.said()
    assert wrong_too.process.wait(SOON) == 1
    assert "This database belongs to the sandbox and will not be mixed with a real account" in wrong_too.said()


def test_preparing_a_live_database_opens_its_account_and_starts_nothing(
    start: Start, live_environment: dict[str, str], tmp_path: Path
) -> None:
    prepared = start([*SERVE, "--prepare"], live_environment)

    assert prepared.process.wait(SOON) == 0, prepared.said()
    with sqlite3.connect(tmp_path / "var" / "floorline.sqlite3") as database:
        assert database.execute("SELECT name FROM conferences_account").fetchall() == [("default",)]
        assert database.execute("SELECT sandbox FROM conferences_databasestamp").fetchall() == [(0,)]
    assert not prepared.others()


def test_whatever_is_written_is_its_users_alone(
    start: Start, sandbox_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret_key").write_text("x" * 50)  # as a version before left it
    (tmp_path / "var" / "secret_key").chmod(0o644)

    prepared = start(
        ["sh", "-c", "umask 022; exec " + " ".join([*SERVE, "--prepare", "--sandbox"])], sandbox_environment
    )

    assert prepared.process.wait(SOON) == 0, prepared.said()
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "var").iterdir() if path.is_file()}
    assert {"sandbox.sqlite3", "sandbox.json", "secret_key", "sandbox.sqlite3.serving"} <= modes.keys()
    assert set(modes.values()) == {"0o600"}


def test_a_demo_in_the_open_has_passwords_of_its_own(start: Start, sandbox_environment: dict[str, str]) -> None:
    served = open_floor(start, {**sandbox_environment, "HOST": "0.0.0.0"})

    told = dict(re.findall(r"^    (kim|admin) +(\S{16})  ", served.said(), re.MULTILINE))
    here = url(sandbox_environment, "").replace("localhost", "127.0.0.1")

    assert "WARNING" in served.said()
    assert told.keys() == {"kim", "admin"}
    assert "floorline-demo" not in served.said()
    assert ["signed in" if signs_in(here, name, told[name]) else "" for name in told] == ["signed in"] * 2
    assert not [name for name in ("kim", "admin", "lena", "omar") if signs_in(here, name, "floorline-demo")]


def signs_in(address: str, name: str, password: str) -> bool:
    return "floorline" in Person(address, name, password=password).session.cookies
