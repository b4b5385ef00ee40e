"""The probe against every Telnyx that the sandbox can play: it finds the truth, and leaves no phone off the hook."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conferences.models import Account, AuditEntry
from conferences.models.account import WhisperReach
from conferences.probe import ProbeFailed, Question, profile_of, report
from conferences.sandbox.center import directory
from conferences.sandbox.rest.conference_endpoints import list_participants
from conferences.sandbox.telephony import membership

from .conftest import ADDRESSES, Bench

pytestmark = pytest.mark.slow

SEMANTICS = list(itertools.product(["allow-list", "deny-list"], [True, False], [True, False]))


@pytest.mark.parametrize(("whisper", "muted", "harms"), SEMANTICS)
def test_the_probe_finds_out_what_this_telnyx_does(bench: Bench, whisper: Any, *, muted: bool, harms: bool) -> None:
    semantics = bench.floor.world.semantics
    semantics.whisper, semantics.monitor_reads_muted, semantics.monitor_harms_call = whisper, muted, harms
    profile = profile_of(bench.probe().run())
    reaches = WhisperReach.LISTED_ONLY if whisper == "allow-list" else WhisperReach.LATER_JOINERS_TOO
    assert (profile.whisper_reaches, profile.monitor_reads_muted, profile.monitor_harms_call) == (reaches, muted, harms)
    assert bench.nobody_is_left()


def test_only_the_probes_own_legs_are_ever_named(bench: Bench) -> None:
    bench.floor.call()
    others = {leg.call_control_id for leg in bench.floor.world.legs.values()}
    bench.floor.world.active.clear()  # the bench's matrix wants the one test conference
    bench.probe().run()
    sent = json.dumps([(entry["path"], entry["body"]) for entry in bench.floor.api.log if entry["method"] == "POST"])
    assert not [leg for leg in others if leg in sent]


def test_the_report_answers_the_open_questions(bench: Bench) -> None:
    findings = bench.probe().run()
    text = report(findings, profile_of(findings), cross_application=False)
    for line in (
        "1 Does monitor silence the others? no",
        "2 update on a leg that is not inside: 422 90015",
        "3 a repeated command_id: answered 200, ignored",
        "7 Are those who left still listed? yes, with status left",
        "8 Does a monitor read back as muted? yes",
        "a monitor cuts the sound of the call: no",
        "12 update takes effect: yes",
    ):
        assert line in text
    assert not any(address in text for address in ADDRESSES.values())


def test_joining_a_conference_of_another_application_is_tried_where_one_is_named(bench: Bench) -> None:
    bench.other_connection_id = directory.CALLS_CONNECTION_ID
    findings = bench.probe().run()
    assert "another application: answered 200" in report(findings, profile_of(findings), cross_application=True)
    dialled = [body["connection_id"] for body in bench.floor.sent("/calls")]
    assert dialled == [directory.CALLS_CONNECTION_ID, directory.CALLS_CONNECTION_ID, directory.EAR_CONNECTION_ID]


def test_what_the_operator_cannot_say_stays_unproven(bench: Bench) -> None:
    probe = bench.probe(ask=lambda question: None)
    profile = profile_of(probe.run())
    assert (profile.whisper_reaches, profile.monitor_harms_call) == (WhisperReach.UNPROVEN, None)
    assert profile.monitor_reads_muted is True  # that is read, not heard


def test_an_update_that_changes_nothing_is_reported(bench: Bench) -> None:
    bench.floor.fault("*/actions/update", status=200, times=99)
    findings = bench.probe().run()
    assert "update takes effect: no" in report(findings, profile_of(findings), cross_application=False)


@pytest.mark.parametrize("party", ["supervisor", "agent", "customer"])
def test_a_phone_that_nobody_answers_ends_the_probe_with_everything_hung_up(bench: Bench, party: Any) -> None:
    bench.floor.phones.set(address=ADDRESSES[party], behaviour="no_answer")
    with pytest.raises(ProbeFailed):
        bench.probe().run()
    assert bench.nobody_is_left()


@pytest.mark.parametrize("after", [1, 3, 8, 20])
def test_whatever_breaks_off_the_probe_everything_is_hung_up(bench: Bench, after: int) -> None:
    def stop(question: Question) -> bool | None:
        if len(bench.asked) >= after:
            raise KeyboardInterrupt
        return bench.hear(question)

    with pytest.raises(KeyboardInterrupt):
        bench.probe(ask=stop).run()
    assert bench.nobody_is_left()


def test_a_phone_that_hangs_up_halfway_proves_nothing(bench: Bench) -> None:
    def hear(question: Question) -> bool | None:
        if question.key == "whisper: agent hears supervisor":
            [leg] = bench.floor.world_legs_to(ADDRESSES["customer"])
            membership.hangup(bench.floor.world, leg, source="callee")
        return bench.hear(question)

    with pytest.raises(ProbeFailed, match="customer's phone"):
        bench.probe(ask=hear).run()
    assert bench.nobody_is_left()


def test_a_whisper_that_was_never_executed_does_not_prove_privacy(bench: Bench) -> None:
    bench.floor.fault("*/actions/update", status=200, times=99)
    assert profile_of(bench.probe().run()).whisper_reaches == WhisperReach.UNPROVEN


def test_a_dial_whose_answer_is_lost_is_found_by_its_mark_and_hung_up(bench: Bench) -> None:
    bench.floor.fault("/calls", drop=True, when="after")
    with pytest.raises(ProbeFailed, match="no answer"):
        bench.probe().run()
    assert len(bench.floor.world.legs) == 1
    assert bench.nobody_is_left()


def test_a_hang_up_that_is_refused_is_tried_again(bench: Bench) -> None:
    bench.floor.fault("*/actions/hangup", status=500, times=4)
    bench.probe().run()
    assert bench.nobody_is_left()


def test_test_calls_that_stay_up_are_told(bench: Bench) -> None:
    bench.floor.fault("*/actions/hangup", status=200, times=99)
    bench.probe().run()
    assert "may still be up. Hang up the phones by hand" in bench.said[-1]


# The command


def options(**more: Any) -> dict[str, Any]:
    return {**ADDRESSES, **more}


@pytest.fixture
def command(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run `manage.py probe_telnyx` with answers from a file."""
    monkeypatch.setattr("conferences.management.commands.probe_telnyx.client_of", lambda account: bench.client)
    monkeypatch.setattr("conferences.management.commands.probe_telnyx.time.sleep", bench.floor.wait)

    def run(answers: object, **more: Any) -> None:
        path = tmp_path / "answers.json"
        path.write_text(json.dumps(answers))
        call_command("probe_telnyx", answers=path, **options(**more))

    return run


def heard_by_an_operator(bench: Bench) -> dict[str, object]:
    """Return what somebody noted who walked through it once."""
    findings = bench.probe().run()
    bench.floor.world.outbox.clear()
    bench.floor.begin_again()
    return {"consent": "dial", **findings.heard}


def test_the_command_stores_the_profile_and_prints_the_report(
    bench: Bench, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    command(heard_by_an_operator(bench))
    account = Account.objects.get()
    assert (account.whisper_reaches, account.monitor_reads_muted, account.monitor_harms_call) == ("listed", True, False)
    assert account.probed_at == AuditEntry.objects.get(action="probed").at
    assert "Open questions" in capsys.readouterr().out


def test_without_the_typed_word_nothing_is_dialled(bench: Bench, command: Any) -> None:
    with pytest.raises(CommandError, match="Nothing was dialled"):
        command({"consent": "yes"})
    assert bench.floor.world.legs == {}


def test_a_probe_that_fails_leaves_the_profile_as_it_was(bench: Bench, command: Any) -> None:
    Account.objects.update(whisper_reaches="listed")
    bench.floor.phones.set(address=ADDRESSES["agent"], behaviour="busy")
    # Nothing about the phones: where one of them may still be up, the probe has just said so.
    with pytest.raises(CommandError, match=r"\(422 90018\)\. The account's profile is as it was\.$"):
        command({"consent": "dial"})
    account = Account.objects.get()
    assert (account.whisper_reaches, account.probed_at) == ("listed", None)


def test_two_test_phones_are_not_enough(command: Any) -> None:
    with pytest.raises(CommandError, match="Three different phones"):
        command({"consent": "dial"}, customer=ADDRESSES["agent"])


def test_a_missing_ear_application_is_said(bench: Bench, command: Any, settings: Any) -> None:
    settings.TELNYX_CONNECTION_ID = ""
    with pytest.raises(CommandError, match="The ear application of this account is not set"):
        command({"consent": "dial"})


def test_those_who_left_are_listed_by_the_sandbox_as_the_probe_expects(bench: Bench) -> None:
    call = bench.floor.call()
    assert call.scene.conference is not None
    call.scene.release(call.scene.agents[0])
    listed = list_participants(bench.floor.world, call.scene.conference.id, {})["data"]
    assert {row["status"] for row in listed} == {"joined", "left"}
