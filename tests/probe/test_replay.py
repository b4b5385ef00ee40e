"""A capture of the sandbox replays without a difference; one of another Telnyx names every difference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conferences.probe.capture import as_text
from conferences.probe.replay import NotACapture, differences, lines_of

from .conftest import Bench

FIXTURE = Path(__file__).parents[1] / "data" / "probe_of_the_sandbox.jsonl"
Line = dict[str, Any]


def captured() -> list[Line]:
    return [dict(line) for line in lines_of(FIXTURE.read_text())]


def test_a_capture_of_the_sandbox_replays_without_a_difference() -> None:
    assert [str(found) for found in differences(captured())] == []


@pytest.mark.slow
def test_the_fixture_is_what_a_probe_of_the_sandbox_captures(bench: Bench) -> None:
    bench.probe().run()
    assert bench.capture.take_webhooks(bench.floor.account)
    lines = bench.capture.lines(api_base="http://127.0.0.1/v2", region="")
    if not FIXTURE.exists():  # to write it anew, remove it
        FIXTURE.write_text(as_text(lines))
    shape = [(line["kind"], line.get("step"), line.get("status"), line.get("path")) for line in captured()]
    found = [(line["kind"], line.get("step"), line.get("status"), line.get("path")) for line in lines]
    assert sorted(found, key=str) == sorted(shape, key=str)  # the phones are hung up in no order
    assert differences(lines) == []


def first(lines: list[Line], **wanted: object) -> Line:
    return next(line for line in lines if all(line.get(key) == value for key, value in wanted.items()))


def other_status(lines: list[Line]) -> None:
    line = first(lines, step="update outside", method="POST")
    line["status"], line["answer"] = 200, {"data": {"result": "ok"}}


def other_code(lines: list[Line]) -> None:
    first(lines, step="update outside", method="POST")["answer"]["errors"][0]["code"] = "90058"


def field_missing(lines: list[Line]) -> None:
    first(lines, step="monitor", method="GET")["answer"]["data"][0].pop("on_hold")


def not_muted(lines: list[Line]) -> None:
    for person in first(lines, step="monitor", method="GET")["answer"]["data"]:
        person["muted"] = False


def silence(lines: list[Line]) -> None:
    first(lines, step="monitor", kind="heard", listener="agent")["heard"] = False


@pytest.mark.parametrize(
    ("doctor", "told"),
    [
        (other_status, "update outside: POST /conferences/the conference/actions/update: status: Telnyx 200, sandbox"),
        (other_code, 'actions/update: error code: Telnyx "90058", sandbox "90015"'),
        (field_missing, "on_hold: Telnyx nothing, sandbox false"),
        (not_muted, "data[the supervisor's leg, joined].muted: Telnyx false, sandbox true"),
        (silence, "monitor: the agent hears the customer: Telnyx false, sandbox true"),
    ],
    ids=["status", "code", "field", "readback", "ears"],
)
def test_a_telnyx_that_does_something_else_is_found(doctor: Callable[[list[Line]], None], told: str) -> None:
    lines = captured()
    doctor(lines)
    assert any(told in str(found) for found in differences(lines))


def test_what_telnyx_did_not_answer_proves_nothing() -> None:
    lines = captured()
    line = first(lines, step="speak to agent")
    line["status"], line["answer"] = 503, {}
    assert differences(lines) == []


def test_the_command_ends_with_1_where_something_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = captured()
    silence(lines)
    path = tmp_path / "capture.jsonl"
    path.write_text(as_text(list(lines)))
    with pytest.raises(SystemExit) as ended:
        call_command("replay", path)
    assert ended.value.code == 1
    assert "the agent hears the customer" in capsys.readouterr().out
    call_command("replay", FIXTURE)
    assert "The sandbox does what this Telnyx did" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[1]", "hello", json.dumps({"kind": "capture", "format": 99})])
def test_a_file_that_is_no_capture_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text(text)
    with pytest.raises(NotACapture):
        lines_of(text)
    with pytest.raises(CommandError, match=r"captures? "):
        call_command("replay", path)
