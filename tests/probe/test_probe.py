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
from conferences.probe import QUESTIONS, ProbeFailed, Question, profile_of
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


def verdicts(bench: Bench) -> dict[str, str]:
    return {question.fact: str(question.verdict(bench.findings)) for question in QUESTIONS}


def test_every_fact_that_the_sandbox_was_made_after_is_verified_on_it(bench: Bench) -> None:
    bench.probe().run()
    found = verdicts(bench)
    # The sandbox knows no regions, and this probe was given one application and no webhooks.
    assert {fact for fact, verdict in found.items() if verdict != "verified"} == {"T15", "T27", "T29"}
    assert (found["T15"], found["T27"], found["T29"]) == ("could not tell", "contradicted", "could not tell")


def test_joining_a_conference_of_another_application_is_tried_where_one_is_named(bench: Bench) -> None:
    bench.other_connection_id = directory.CALLS_CONNECTION_ID
    bench.probe().run()
    assert verdicts(bench)["T15"] == "verified"
    dialled = [body["connection_id"] for body in bench.floor.sent("/calls")]
    assert dialled == [directory.CALLS_CONNECTION_ID, directory.CALLS_CONNECTION_ID, directory.EAR_CONNECTION_ID]


def test_what_the_operator_cannot_say_stays_unproven(bench: Bench) -> None:
    probe = bench.probe(ask=lambda question: None)
    profile = profile_of(probe.run())
    assert (profile.whisper_reaches, profile.monitor_harms_call) == (WhisperReach.UNPROVEN, None)
    assert profile.monitor_reads_muted is True  # that is read, not heard


def test_an_update_that_changes_nothing_is_reported(bench: Bench) -> None:
    bench.floor.fault("*/actions/update", status=200, times=99)
    bench.probe().run()
    found = verdicts(bench)
    assert (found["T08"], found["T04"], found["T03"]) == ("contradicted", "contradicted", "contradicted")


def test_a_monitor_that_cuts_the_sound_of_the_call_contradicts_one_fact(bench: Bench) -> None:
    bench.floor.world.semantics.monitor_harms_call = True
    bench.probe().run()
    assert verdicts(bench)["T02"] == "contradicted"


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


@pytest.fixture
def command(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run `manage.py probe_telnyx` with answers from a file, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("conferences.management.commands.probe_telnyx.client_of", bench.client_of)
    monkeypatch.setattr("conferences.management.commands.probe_telnyx.time.sleep", bench.floor.wait)

    def run(answers: object, **more: Any) -> None:
        path = tmp_path / "answers.json"
        path.write_text(json.dumps(answers))
        call_command("probe_telnyx", answers=path, **(ADDRESSES | more))

    return run


def heard_by_an_operator(bench: Bench) -> dict[str, object]:
    """Return what somebody noted who walked through it once."""
    findings = bench.probe().run()
    bench.floor.world.outbox.clear()
    bench.floor.begin_again()
    return {"consent": "dial", **findings.heard}


def test_the_command_stores_the_profile_and_writes_a_report_to_be_shared(
    bench: Bench, command: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command(heard_by_an_operator(bench))
    account = Account.objects.get()
    assert (account.whisper_reaches, account.monitor_reads_muted, account.monitor_harms_call) == ("listed", True, False)
    assert account.probed_at == AuditEntry.objects.get(action="probed").at
    [page, data, capture] = (next(tmp_path.glob(f"floorline-probe-*{ending}")) for ending in (".md", ".json", ".jsonl"))
    assert (
        "| T02 | Customer and agent go on hearing each other while somebody monitors. | verified |" in page.read_text()
    )
    facts = {fact["id"]: fact for fact in json.loads(data.read_text())["facts"]}
    [leave] = [step for step in facts["T11"]["steps"] if step["step"] == "leave"]
    assert leave["sent"] == ["POST /conferences/the conference/actions/leave {call_control_id: the supervisor's leg}"]
    assert (leave["answered"], leave["read_back"]) == (["200"], "left")
    assert facts["T29"]["verdict"] == "verified"  # the webhooks have come
    assert "T02  verified" in capsys.readouterr().out
    legs = [leg.call_control_id for leg in bench.floor.world.legs.values()]
    for text in (page.read_text(), data.read_text(), capture.read_text()):
        known = [*ADDRESSES.values(), *legs, "sandbox-test-key", directory.FROM_NUMBER, directory.EAR_CONNECTION_ID]
        assert [secret for secret in known if secret in text] == []


def test_a_probe_that_breaks_off_writes_what_it_saw_and_judges_nothing(
    bench: Bench, command: Any, tmp_path: Path
) -> None:
    bench.floor.phones.set(address=ADDRESSES["agent"], behaviour="no_answer")
    with pytest.raises(CommandError, match="could not join"):
        command({"consent": "dial"}, report=tmp_path / "report.md", capture=tmp_path / "all.jsonl")
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["broke_off"] == "The agent's phone could not join the conference (422 90018)."
    assert {fact["verdict"] for fact in data["facts"]} == {"could not tell"}
    assert '"step": "agent in"' in (tmp_path / "all.jsonl").read_text()


@pytest.mark.parametrize(
    ("report", "why"),
    [("no/such/report.md", "folder is missing"), ("answers.json", "cannot be the page"), ("old.md", "there already")],
)
def test_a_report_that_cannot_be_written_is_said_before_anything_is_dialled(
    bench: Bench, command: Any, tmp_path: Path, report: str, why: str
) -> None:
    (tmp_path / "old.md").write_text("kept")
    with pytest.raises(CommandError, match=rf"{why}.* Nothing was dialled\."):
        command({"consent": "dial"}, report=tmp_path / report)
    assert bench.floor.world.legs == {}
    assert (tmp_path / "old.md").read_text() == "kept"


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
