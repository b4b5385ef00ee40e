"""The launcher keeps its parts, ends them all, and leaves none behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from benchmarks.servers import free_port
from tests.tooling.processes import SOON, Marked, eventually, python

pytestmark = pytest.mark.slow

Launch = Callable[..., Marked]
TOYS = python("-m", "tests.tooling.launcher_of_toys")


@pytest.fixture
def launch(start: Launch, bare_environment: dict[str, str]) -> Launch:
    """Start a launcher of toys and wait until it has greeted."""

    def launch_toys(worker: str = "lasting", **environment: str) -> Marked:
        launcher = start([*TOYS, worker], {**bare_environment, "PORT": str(free_port()), **environment})
        assert eventually(lambda: "It is open." in launcher.said(), within=SOON), launcher.said()
        return launcher

    return launch_toys


def ended(launcher: Marked) -> bool:
    return launcher.process.poll() is not None and not launcher.others()


def test_ctrl_c_ends_everything_silently(launch: Launch) -> None:
    launcher = launch()

    launcher.press_ctrl_c()

    assert eventually(lambda: ended(launcher), within=SOON)
    assert launcher.process.returncode == 0
    assert launcher.said().splitlines() == ["It is open."]


def test_a_killed_launcher_leaves_no_orphan(launch: Launch) -> None:
    launcher = launch()
    assert len(launcher.others()) == 2

    launcher.process.kill()

    assert eventually(lambda: ended(launcher), within=SOON), launcher.others()


def test_everything_ends_when_the_starting_process_is_gone(start: Launch, bare_environment: dict[str, str]) -> None:
    # A shell stands where make would: it starts the launcher, and is then killed without a chance to say so.
    script = f"PARENT=$$ {' '.join(TOYS)} lasting & wait"
    shell = start(["/bin/sh", "-c", script], {**bare_environment, "PORT": str(free_port())})
    assert eventually(lambda: "It is open." in shell.said(), within=SOON), shell.said()

    shell.process.kill()

    assert eventually(lambda: ended(shell), within=SOON), shell.others()


def test_everything_ends_with_a_vital_part(launch: Launch) -> None:
    launcher = launch()

    os.kill(launcher.one("http.server"), signal.SIGKILL)

    assert eventually(lambda: ended(launcher), within=SOON)
    assert launcher.process.returncode == 1
    assert "The dashboard was ended by SIGKILL, so everything ends." in launcher.said()


def test_a_fallen_worker_starts_again(launch: Launch) -> None:
    launcher = launch()
    first = launcher.one("time.sleep")

    os.kill(first, signal.SIGKILL)

    assert eventually(lambda: launcher.all("time.sleep") not in ([], [first]), within=SOON)
    assert "The worker was ended by SIGKILL. It starts again" in launcher.said()


def test_a_worker_that_never_starts_ends_everything(start: Launch, bare_environment: dict[str, str]) -> None:
    launcher = start([*TOYS, "failing"], {**bare_environment, "PORT": str(free_port())})

    assert eventually(lambda: ended(launcher), within=SOON)
    assert launcher.process.returncode == 1
    assert "The worker ended with status 3 3 times in a row, so everything ends." in launcher.said()


def test_a_part_that_does_not_listen_is_killed_in_the_end(launch: Launch) -> None:
    launcher = launch("stubborn", GRACE="1")
    assert eventually(lambda: "stubborn" in launcher.said(), within=SOON)

    launcher.press_ctrl_c()

    assert eventually(lambda: ended(launcher), within=SOON), launcher.others()


def test_a_second_ctrl_c_does_not_wait(launch: Launch) -> None:
    launcher = launch("stubborn", GRACE="600")
    assert eventually(lambda: "stubborn" in launcher.said(), within=SOON)
    launcher.press_ctrl_c()
    assert eventually(lambda: launcher.all("http.server") == [], within=SOON)  # the launcher has noted it
    assert not eventually(lambda: ended(launcher), within=1)

    launcher.press_ctrl_c()

    assert eventually(lambda: ended(launcher), within=SOON), launcher.others()
