"""Webhooks that get lost, come twice, late and out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from conferences.sandbox.serving import server
from conferences.sandbox.webhooks.disturbance import Disturbance
from tests.sandbox.conftest import Receiver, Running, environment, eventually


@pytest.fixture
def disturbed(sandbox: Running) -> Iterator[Running]:
    yield sandbox
    sandbox.control("POST", "/webhooks", {})


def told_of(receiver: Receiver, conference_id: str) -> list[dict[str, Any]]:
    return [
        event["data"] for event in receiver.events() if event["data"]["payload"].get("conference_id") == conference_id
    ]


def test_what_is_dropped_never_arrives_and_is_in_no_log(disturbed: Running, receiver: Receiver) -> None:
    disturbed.control("POST", "/webhooks", {"drop": 1})
    lost = disturbed.script("Disturbed-lost")["conference"]["id"]
    disturbed.control("POST", "/webhooks", {})
    heard = disturbed.script("Disturbed-heard")["conference"]["id"]

    assert eventually(lambda: told_of(receiver, heard))
    assert told_of(receiver, lost) == []
    assert lost not in {entry["conference_id"] for entry in disturbed.control("GET", "/webhooks")["webhooks"]}


def test_what_is_duplicated_arrives_twice_with_the_same_id(disturbed: Running, receiver: Receiver) -> None:
    disturbed.control("POST", "/webhooks", {"duplicate": 1, "longest_s": 0.2})
    conference = disturbed.script("Disturbed-twice")["conference"]["id"]

    def ids() -> Counter[str]:
        return Counter(event["id"] for event in told_of(receiver, conference))

    assert eventually(lambda: len(ids()) >= 4 and set(ids().values()) == {2})


def test_what_is_delayed_arrives_out_of_order(disturbed: Running, receiver: Receiver) -> None:
    disturbed.control("POST", "/webhooks", {"delay": 1, "longest_s": 0.5})
    made = disturbed.script("Disturbed-late", agents=["Ana Ruiz", "Max Falk", "Jo Lim"])

    # Fourteen or more come in order by chance once in a billion times.
    assert eventually(lambda: len(receiver.told_of(made)) >= 14)
    moments = [event["data"]["occurred_at"] for event in receiver.told_of(made)]
    assert moments != sorted(moments)


@pytest.mark.parametrize(
    "order", [{"drop": 1.1}, {"delay": -0.1}, {"longest_s": -1}, {"longest_s": "soon"}, {"lose": 1}, {"drop": None}]
)
def test_an_order_that_makes_no_sense_is_refused(sandbox: Running, order: dict[str, object]) -> None:
    sandbox.control("POST", "/webhooks", order, status=400)
    assert sandbox.control("GET", "/state")["webhooks"]["disturbance"]["drop"] == 0


def test_shares_are_kept() -> None:
    chance = Random(5)
    deliveries = [Disturbance(drop=0.2, duplicate=0.1).lateness(chance) for _ in range(10_000)]
    sizes = Counter(map(len, deliveries))
    assert 1_850 < sizes[0] < 2_150
    assert 650 < sizes[2] < 950


def test_the_option_disturbs_from_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    options = server.parse(["--webhook-fault-rate", "0.2", "--calls", "0"])
    built = server.build(options, environment(), now=0.0).deliveries.disturbance
    assert (built.drop, built.duplicate, built.delay) == (0.2, 0.2, 0.2)
    with pytest.raises(SystemExit):
        server.parse(["--webhook-fault-rate", "2"])
    assert "--webhook-fault-rate must be between 0 and 1" in capsys.readouterr().err
