"""The REST API: refusals with their codes, the memory for commands, what commands do."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Billing, Stage, dial

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_a_wrong_key_is_refused(stage: Stage) -> None:
    status, answer = stage.ask("GET", "/conferences", key="another")
    assert (status, answer["errors"][0]["code"]) == (401, "10009")


def test_a_refusal_has_the_shape_of_the_real_one(stage: Stage) -> None:
    _status, answer = stage.ask("POST", "/calls", dial(to="nonsense"))
    (error,) = answer["errors"]
    assert set(error) == {"code", "title", "detail", "source", "meta"}
    assert error["source"] == {"pointer": "/to"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"connection_id": "1"}, (422, "10015")),
        ({"from": None}, (422, "10004")),
        ({"from": "4930"}, (422, "10016")),
        ({"to": "kim"}, (422, "10016")),
        ({"timeout_secs": 1}, (422, "10033")),
        ({"timeout_secs": "30"}, (422, "10026")),
        ({"send_silence_when_idle": "yes"}, (422, "10026")),
        ({"client_state": "not base64!"}, (422, "90017")),
        ({"custom_headers": {"X": "1"}}, (422, "10026")),
        ({"conference_config": {"id": UNKNOWN}}, (404, "90058")),
        ({"conference_config": "x"}, (422, "10026")),
        ({"webhook_url": "http://["}, (422, "10015")),
    ],
)
def test_dial_refuses_what_telnyx_refuses(stage: Stage, body: dict[str, object], expected: tuple[int, str]) -> None:
    assert stage.code("POST", "/calls", dial(**body)) == expected
    assert stage.types() == []


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'"x"', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(stage: Stage, raw: bytes) -> None:
    assert stage.code("POST", "/calls", raw) == (400, "10015")


def test_unknown_paths_and_methods_are_not_found(stage: Stage) -> None:
    assert stage.code("GET", "/nothing") == (404, "10005")
    assert stage.code("DELETE", "/conferences") == (404, "10005")
    assert stage.code("POST", "/calls/x/actions/dance") == (404, "10005")
    assert stage.code("GET", "/calls/v3:none") == (404, "10005")
    assert stage.code("GET", "/connections/1/active_calls") == (404, "10005")


@pytest.mark.parametrize("action", ["update", "join", "leave", "hold", "mute", "end"])
def test_an_unknown_conference_does_not_exist(stage: Stage, action: str) -> None:
    body = {"call_control_id": "v3:x", "supervisor_role": "monitor"}
    assert stage.code("POST", f"/conferences/{UNKNOWN}/actions/{action}", body) == (404, "90058")


@pytest.mark.parametrize("action", ["update", "join", "leave", "hold", "mute", "end"])
def test_an_ended_conference_takes_no_commands(stage: Stage, billing: Billing, action: str) -> None:
    stage.ask("POST", f"{billing.path}/actions/end")
    body = {"call_control_id": billing.ana.call_control_id, "supervisor_role": "monitor"}
    assert stage.code("POST", f"{billing.path}/actions/{action}", body) == (422, "90019")


def test_update_names_what_is_wrong(stage: Stage, billing: Billing) -> None:
    update = f"{billing.path}/actions/update"
    assert stage.code("POST", update, {}) == (422, "10004")
    ana = {"call_control_id": billing.ana.call_control_id}
    assert stage.code("POST", update, ana) == (422, "10004")
    assert stage.code("POST", update, ana | {"supervisor_role": "spy"}) == (422, "10032")
    wrong_list = {"supervisor_role": "whisper", "whisper_call_control_ids": "v3:x"}
    assert stage.code("POST", update, ana | wrong_list) == (422, "10026")
    monitor = {"supervisor_role": "monitor"}
    assert stage.code("POST", update, {"call_control_id": "v3:x"} | monitor) == (422, "90015")
    kim = stage.supervisor()
    assert stage.code("POST", update, {"call_control_id": kim} | monitor) == (422, "90015")
    stage.ask("POST", f"/calls/{kim}/actions/hangup", {})
    assert stage.code("POST", update, {"call_control_id": kim} | monitor) == (422, "90018")


def test_a_leg_joins_once_and_only_when_answered(stage: Stage, billing: Billing) -> None:
    ringing = stage.ask("POST", "/calls", dial())[1]["data"]["call_control_id"]
    join = f"{billing.path}/actions/join"
    body = {"call_control_id": ringing, "supervisor_role": "monitor"}
    assert stage.code("POST", join, body) == (422, "90034")
    stage.wait(1)
    assert stage.ask("POST", join, body)[0] == 200
    assert stage.code("POST", join, body) == (422, "90044")


def test_a_leg_that_joins_elsewhere_leaves_first(stage: Stage, billing: Billing) -> None:
    from conferences.sandbox.telephony import membership

    other = membership.create(stage.world, name="Other", owner=billing.max)
    assert billing.max.call_control_id not in billing.conference.participants
    assert set(other.participants) == {billing.max.call_control_id}


def test_a_join_without_a_role_is_audible(stage: Stage, billing: Billing) -> None:
    kim = stage.supervisor()
    stage.ask("POST", f"{billing.path}/actions/join", {"call_control_id": kim})
    assert billing.conference.participants[kim].role == "none"


def test_leaving_parks_the_leg_alive(stage: Stage, billing: Billing) -> None:
    kim = stage.supervisor()
    for action in ("join", "leave"):
        body = {"call_control_id": kim, "supervisor_role": "monitor"}
        assert stage.ask("POST", f"{billing.path}/actions/{action}", body)[0] == 200
    assert stage.types()[-1] == "conference.participant.left"
    assert stage.ask("GET", f"/calls/{kim}")[1]["data"]["is_alive"] is True


def test_a_command_that_names_no_participant_applies_to_all(stage: Stage, billing: Billing) -> None:
    stage.ask("POST", f"{billing.path}/actions/mute", {"call_control_ids": []})
    assert all(participant.muted for participant in billing.conference.participants.values())
    stage.ask("POST", f"{billing.path}/actions/unmute", {})
    assert not any(participant.muted for participant in billing.conference.participants.values())
    assert stage.code("POST", f"{billing.path}/actions/unhold", {}) == (422, "10004")


def test_a_name_works_where_documented_and_end_wants_the_uuid(stage: Stage, billing: Billing) -> None:
    assert stage.ask("POST", "/conferences/Billing-4312/actions/mute", {})[0] == 200
    assert stage.code("POST", "/conferences/Billing-4312/actions/end", {}) == (404, "90058")


def test_ending_hangs_everybody_up(stage: Stage, billing: Billing) -> None:
    stage.events.clear()
    stage.ask("POST", f"{billing.path}/actions/end", {})
    assert sorted(set(stage.types())) == ["call.hangup", "conference.ended", "conference.participant.left"]
    read = stage.ask("GET", billing.path)[1]["data"]
    assert (read["status"], read["end_reason"]) == ("completed", "ended_via_api")
    assert stage.events[-1].payload["reason"] == "all_left"


def test_a_command_id_counts_once_for_sixty_seconds(stage: Stage, billing: Billing) -> None:
    inside = billing.conference.participants
    body = {"call_control_id": billing.ana.call_control_id, "supervisor_role": "monitor", "command_id": "c-1"}
    update = f"{billing.path}/actions/update"
    assert stage.ask("POST", update, body) == (200, {"data": {"result": "ok"}})
    assert stage.ask("POST", update, body | {"supervisor_role": "barge"}) == (200, {"data": {"result": "ok"}})
    assert inside[billing.ana.call_control_id].role == "monitor"
    stage.wait(60)
    stage.ask("POST", update, body | {"supervisor_role": "barge"})
    assert inside[billing.ana.call_control_id].role == "barge"


def test_a_dial_repeated_under_its_command_id_rings_once_and_returns_the_same_leg(stage: Stage) -> None:
    first, second = (stage.ask("POST", "/calls", dial(command_id="d-1")) for _ in range(2))
    assert first == second
    assert stage.types() == ["call.initiated"]


def test_a_refused_command_may_be_sent_again_under_its_id(stage: Stage, billing: Billing) -> None:
    ringing = stage.ask("POST", "/calls", dial())[1]["data"]["call_control_id"]
    body = {"call_control_id": ringing, "supervisor_role": "monitor", "command_id": "c-2"}
    assert stage.code("POST", f"{billing.path}/actions/join", body) == (422, "90034")
    stage.wait(1)
    assert stage.ask("POST", f"{billing.path}/actions/join", body)[0] == 200


def test_every_answer_counts_down_the_rate_limit_and_429_follows(stage: Stage) -> None:
    from conferences.sandbox.rest.router import Answer, RateLimit, Request

    stage.api.rate = RateLimit(limit=2)

    def ask() -> Answer:
        return stage.api.handle(Request("GET", "/conferences", {}, "Bearer nobody", b""))

    answers = [ask() for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]
    assert [dict(answer.headers)["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].body["errors"][0]["code"] == "10011"
    stage.wait(int(dict(answers[2].headers)["x-ratelimit-reset"]))
    assert ask().status == 401


def test_a_call_is_readable_for_ten_minutes_after_its_end(stage: Stage) -> None:
    kim = stage.supervisor()
    stage.wait(30)
    stage.ask("POST", f"/calls/{kim}/actions/hangup", {})
    read = stage.ask("GET", f"/calls/{kim}")[1]["data"]
    assert (read["is_alive"], read["call_duration"]) == (False, 31)
    assert stage.code("POST", f"/calls/{kim}/actions/hangup", {}) == (422, "90018")
    stage.wait(599)
    assert stage.ask("GET", f"/calls/{kim}")[0] == 200
    stage.wait(2)
    assert stage.code("GET", f"/calls/{kim}") == (404, "10005")


def test_dial_with_a_conference_config_joins_on_answer(stage: Stage, billing: Billing) -> None:
    config = {"id": billing.conference.id, "supervisor_role": "monitor"}
    kim = stage.supervisor(conference_config=config)
    assert billing.conference.participants[kim].role == "monitor"


def test_the_last_to_leave_ends_the_conference(stage: Stage, billing: Billing) -> None:
    for leg in (billing.customer, billing.ana, billing.max):
        stage.ask("POST", f"/calls/{leg.call_control_id}/actions/hangup", {})
    assert stage.types()[-2:] == ["conference.participant.left", "conference.ended"]
    assert stage.ask("GET", billing.path)[1]["data"]["end_reason"] == "all_left"


def test_a_host_who_leaves_hangs_the_others_up(stage: Stage, billing: Billing) -> None:
    host = stage.supervisor()
    body = {"call_control_id": host, "supervisor_role": "barge", "end_conference_on_exit": True}
    stage.ask("POST", f"{billing.path}/actions/join", body)
    stage.ask("POST", f"{billing.path}/actions/leave", {"call_control_id": host})
    assert stage.events[-1].payload["reason"] == "host_left"
    assert not billing.customer.alive
    assert stage.ask("GET", f"/calls/{host}")[1]["data"]["is_alive"] is True


def test_an_incoming_call_is_answered_by_command_and_an_outgoing_one_is_not(stage: Stage) -> None:
    from conferences.sandbox.telephony import calls

    leg = calls.incoming(stage.world, connection_id="2781903345512846337", from_="+13125550142", to="+18005550101")
    assert stage.ask("POST", f"/calls/{leg.call_control_id}/actions/answer", {"client_state": "e30="})[0] == 200
    stage.collect()
    assert (stage.events[-1].type, stage.events[-1].payload["client_state"]) == ("call.answered", "e30=")
    ringing = stage.ask("POST", "/calls", dial())[1]["data"]["call_control_id"]
    assert stage.code("POST", f"/calls/{ringing}/actions/answer", {}) == (422, "90102")


def test_an_answered_leg_opens_a_conference_under_a_name_that_is_free(stage: Stage, billing: Billing) -> None:
    waiting = str(stage.ask("POST", "/calls", dial(to="+15550100001"))[1]["data"]["call_control_id"])
    body = {"call_control_id": waiting, "name": "Test"}
    assert stage.code("POST", "/conferences", body) == (422, "90034")
    stage.wait(3)
    assert stage.code("POST", "/conferences", body | {"name": "Billing-4312"}) == (422, "90033")
    status, answer = stage.ask("POST", "/conferences", body)
    assert (status, answer["data"]["name"], answer["data"]["status"]) == (200, "Test", "in_progress")
    assert list(stage.world.conferences[answer["data"]["id"]].participants) == [waiting]


def test_words_spoken_to_one_participant_are_told_by_webhooks(stage: Stage, billing: Billing) -> None:
    body = {"payload": "Hello", "voice": "AWS.Polly.Joanna", "call_control_ids": [billing.ana.call_control_id]}
    stage.ask("POST", f"{billing.path}/actions/speak", body)
    stage.wait(2)
    told = [event for event in stage.events if ".speak." in event.type]
    assert [event.type.rpartition(".")[2] for event in told] == ["started", "ended"]
    assert {event.payload["call_control_id"] for event in told} == {billing.ana.call_control_id}
    assert stage.code("POST", f"{billing.path}/actions/speak", {"payload": "Hello"}) == (422, "10004")


def test_where_a_monitor_harms_the_call_customer_and_agent_do_not_hear_each_other(
    stage: Stage, billing: Billing
) -> None:
    from conferences.sandbox.telephony import hearing

    stage.world.semantics.monitor_harms_call = True
    kim = stage.supervisor()
    stage.ask("POST", f"{billing.path}/actions/join", {"call_control_id": kim, "supervisor_role": "monitor"})
    matrix = hearing.matrix(billing.conference, semantics=stage.world.semantics)
    assert matrix[billing.customer.call_control_id] == []
    assert billing.customer.call_control_id in matrix[kim]
