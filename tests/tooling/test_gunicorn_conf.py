"""Checks that gunicorn serves by the same settings as Django."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from dashboard.push import worker_state
from tests.tooling.conftest import Start
from tests.tooling.processes import SOON, python

SHOWN = ("bind", "workers", "accesslog", "worker_class")
SHOW = f"""
import json, sys
from gunicorn.app.wsgiapp import WSGIApplication
sys.argv = ["gunicorn", "-c", "dashboard/gunicorn.conf.py"]
settings = WSGIApplication().cfg.settings
print(json.dumps({{name: settings[name].get() for name in {SHOWN}}}, default=str))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"bind": ["localhost:8000"], "workers": 1}),
        ({"PORT": "8010", "HOST": "::1"}, {"bind": ["[::1]:8010"]}),
        ({"HOST": "0.0.0.0"}, {"bind": ["0.0.0.0:8000"]}),
        ({"HOST": "192.0.2.7"}, {"bind": ["192.0.2.7:8000", "127.0.0.1:8000"]}),
        ({"WEB_CONCURRENCY": "3"}, {"workers": 1}),
        ({"WEB_CONCURRENCY": "3", "DATABASE_URL": "postgres://floor@db/floor"}, {"workers": 3}),
        ({"ACCESS_LOG": "true"}, {"accesslog": "-"}),
    ],
)
def test_the_environment_decides_where_and_how_many(
    start: Start, bare_environment: dict[str, str], environment: dict[str, str], expected: dict[str, object]
) -> None:
    shown = start(python("-c", SHOW), {**bare_environment, **environment})

    assert shown.process.wait(SOON) == 0, shown.said()
    configuration = json.loads(shown.said())
    assert {name: configuration[name] for name in expected} == expected
    assert "dashboard.serving.edge.BoundedWorker" in configuration["worker_class"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"CALLS_KEPT_DAYS": "10"},
        {"EVENTS_KEPT_DAYS": "0"},
        {"COMMANDS_KEPT_DAYS": "a year"},
        {"AUDIT_KEPT_DAYS": "364"},
        {"IDLE_TIMEOUT_MINUTES": "4"},
        {"IDLE_TIMEOUT_MINUTES": "721"},
        {"IDLE_TIMEOUT_MINUTES": "an hour"},
    ],
)
def test_periods_that_cannot_be_stop_the_start(
    start: Start, bare_environment: dict[str, str], wrong: dict[str, str]
) -> None:
    shown = start(python("-c", SHOW), {**bare_environment, **wrong})

    assert shown.process.wait(SOON) != 0
    assert next(iter(wrong)) in shown.said()


def test_a_stream_sees_that_its_worker_is_to_end() -> None:
    assert worker_state.worker_is_alive()
    worker = SimpleNamespace(alive=True)
    worker_state.begin(worker)
    assert worker_state.worker_is_alive()

    worker.alive = False

    assert not worker_state.worker_is_alive()
