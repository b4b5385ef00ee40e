"""Checks who hears whom: every role under every possible semantics."""

from __future__ import annotations

import pytest

from conferences.sandbox.telephony import hearing
from conferences.sandbox.telephony.state import Role, WhisperSemantics
from tests.sandbox.conftest import Billing, Stage


def hearers_of(stage: Stage, billing: Billing, call_control_id: str) -> set[str]:
    heard = hearing.matrix(billing.conference, semantics=stage.world.semantics)
    names = {
        billing.customer.call_control_id: "customer",
        billing.ana.call_control_id: "Ana",
        billing.max.call_control_id: "Max",
    }
    return {names.get(listener, "other") for listener, speakers in heard.items() if call_control_id in speakers}


def bring_in(stage: Stage, billing: Billing, role: Role, *targets: str) -> str:
    kim = stage.supervisor()
    body = {"call_control_id": kim, "supervisor_role": role, "whisper_call_control_ids": list(targets)}
    assert stage.ask("POST", f"{billing.path}/actions/join", body)[0] == 200
    return kim


@pytest.mark.parametrize("semantics", ["allow-list", "deny-list"])
@pytest.mark.parametrize(
    ("role", "expected"),
    [("monitor", set()), ("barge", {"customer", "Ana", "Max"}), ("none", {"customer", "Ana", "Max"})],
)
def test_a_role_without_targets_is_heard_by_all_or_nobody(
    stage: Stage, billing: Billing, semantics: WhisperSemantics, role: Role, expected: set[str]
) -> None:
    stage.world.semantics.whisper = semantics
    kim = bring_in(stage, billing, role)
    assert hearers_of(stage, billing, kim) == expected


@pytest.mark.parametrize("semantics", ["allow-list", "deny-list"])
def test_a_whisper_reaches_the_named_leg_only(stage: Stage, billing: Billing, semantics: WhisperSemantics) -> None:
    stage.world.semantics.whisper = semantics
    kim = bring_in(stage, billing, "whisper", billing.ana.call_control_id)
    assert hearers_of(stage, billing, kim) == {"Ana"}


@pytest.mark.parametrize("semantics", ["allow-list", "deny-list"])
def test_a_whisper_to_nobody_is_a_monitor(stage: Stage, billing: Billing, semantics: WhisperSemantics) -> None:
    stage.world.semantics.whisper = semantics
    kim = bring_in(stage, billing, "whisper")
    assert hearers_of(stage, billing, kim) == set()


@pytest.mark.parametrize("role", ["monitor", "whisper", "barge", "none"])
def test_a_supervisor_hears_everybody_in_any_role(stage: Stage, billing: Billing, role: Role) -> None:
    kim = bring_in(stage, billing, role, billing.ana.call_control_id)
    heard = hearing.matrix(billing.conference, semantics=stage.world.semantics)[kim]
    assert set(heard) == {leg.call_control_id for leg in (billing.customer, billing.ana, billing.max)}


@pytest.mark.parametrize(("semantics", "expected"), [("allow-list", {"Ana"}), ("deny-list", {"Ana", "other"})])
def test_only_a_frozen_deny_list_lets_a_later_joiner_hear_a_whisper(
    stage: Stage, billing: Billing, semantics: WhisperSemantics, expected: set[str]
) -> None:
    stage.world.semantics.whisper = semantics
    kim = bring_in(stage, billing, "whisper", billing.ana.call_control_id)
    lena = stage.supervisor("sip:lena@sip.telnyx.com")
    stage.ask("POST", f"{billing.path}/actions/join", {"call_control_id": lena, "supervisor_role": "monitor"})
    assert hearers_of(stage, billing, kim) == expected


def test_the_same_whisper_sent_again_denies_the_later_joiner(stage: Stage, billing: Billing) -> None:
    stage.world.semantics.whisper = "deny-list"
    kim = bring_in(stage, billing, "whisper", billing.ana.call_control_id)
    lena = stage.supervisor("sip:lena@sip.telnyx.com")
    stage.ask("POST", f"{billing.path}/actions/join", {"call_control_id": lena, "supervisor_role": "monitor"})
    again = {
        "call_control_id": kim,
        "supervisor_role": "whisper",
        "whisper_call_control_ids": [billing.ana.call_control_id],
    }
    stage.ask("POST", f"{billing.path}/actions/update", again)
    assert hearers_of(stage, billing, kim) == {"Ana"}


def test_a_held_leg_neither_hears_nor_is_heard(stage: Stage, billing: Billing) -> None:
    kim = bring_in(stage, billing, "barge")
    stage.ask("POST", f"{billing.path}/actions/hold", {"call_control_ids": [billing.ana.call_control_id]})
    assert hearers_of(stage, billing, kim) == {"customer", "Max"}
    assert hearers_of(stage, billing, billing.ana.call_control_id) == set()
    stage.ask("POST", f"{billing.path}/actions/unhold", {"call_control_ids": [billing.ana.call_control_id]})
    assert hearers_of(stage, billing, kim) == {"customer", "Ana", "Max"}


def test_a_muted_leg_hears_but_is_not_heard(stage: Stage, billing: Billing) -> None:
    kim = bring_in(stage, billing, "barge")
    stage.ask("POST", f"{billing.path}/actions/mute", {"call_control_ids": [kim]})
    assert hearers_of(stage, billing, kim) == set()
    assert "other" in hearers_of(stage, billing, billing.ana.call_control_id)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize(("role", "silent"), [("monitor", True), ("whisper", False), ("barge", False)])
def test_a_monitor_reads_back_muted_only_where_so_switched(
    stage: Stage, billing: Billing, role: Role, *, silent: bool, reads: bool
) -> None:
    stage.world.semantics.monitor_reads_muted = reads
    kim = bring_in(stage, billing, role, billing.ana.call_control_id)
    listed = stage.ask("GET", f"{billing.path}/participants")[1]["data"]
    read = {item["call_control_id"]: item for item in listed}[kim]
    assert read["muted"] is (silent and reads)
    assert read["whisper_call_control_ids"] == ([billing.ana.call_control_id] if role == "whisper" else [])


def test_giving_an_agent_the_role_monitor_silences_them(stage: Stage, billing: Billing) -> None:
    body = {"call_control_id": billing.ana.call_control_id, "supervisor_role": "monitor"}
    stage.ask("POST", f"{billing.path}/actions/update", body)
    assert hearers_of(stage, billing, billing.ana.call_control_id) == set()
