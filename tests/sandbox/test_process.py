"""The process: what it refuses, and that it ends when told and never outlives its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from conferences.sandbox.serving import server
from tests.sandbox.conftest import ROOT, environment, eventually, running

PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
time.sleep(60)
"""
SANDBOX = [sys.executable, "-m", "conferences.sandbox"]


def test_it_refuses_to_start_beside_a_real_key() -> None:
    done = subprocess.run(
        SANDBOX,
        cwd=ROOT,
        env=environment(TELNYX_API_KEY="KEY0188A0B1C2"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "does not start beside a real Telnyx account" in done.stderr


@pytest.mark.parametrize(
    ("options", "variables", "sentence"),
    [
        (["--webhook-url", "https://127.0.0.1/x"], {}, "posts to this machine only"),
        (["--webhook-url", "http://floor.example.com/x"], {}, "posts to this machine only"),
        (["--webhook-url", "http://127.0.0.1.example.com/"], {}, "posts to this machine only"),
        (["--wait-for", "http://floor.example.com/"], {}, "--wait-for must be"),
        ([], {"SANDBOX_API_KEY": ""}, "SANDBOX_API_KEY is not set"),
        ([], {"SANDBOX_SIGNING_SEED": "00"}, "SANDBOX_SIGNING_SEED must be 64"),
        (["--rate", "nan"], {}, "--rate-limit positive"),
    ],
)
def test_it_refuses_in_a_sentence(
    options: list[str], variables: dict[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        server.main(options, environment(**variables), parent=0)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def gone(pid: int) -> bool:
    """Return whether a process ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_told(how: signal.Signals) -> None:
    with running("--calls", "3", "--webhook-url", "http://127.0.0.1:9/") as sandbox:
        (worker,) = children(sandbox.process.pid)
        began = time.monotonic()
        sandbox.process.send_signal(how)
        assert sandbox.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 1.0
        assert eventually(lambda: gone(worker))


def test_its_worker_does_not_outlive_a_killed_master() -> None:
    with running("--calls", "0") as sandbox:
        (worker,) = children(sandbox.process.pid)
        sandbox.process.kill()
        assert eventually(lambda: gone(worker), within=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_it_does_not_outlive_its_parent() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PARENT,
            *SANDBOX,
            *("--port", str(free_port()), "--calls", "0"),
        ],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        assert eventually(lambda: gone(child) or children(child))
        assert not gone(child)
        parent.kill()
        parent.wait(timeout=20)
        assert eventually(lambda: gone(child))
