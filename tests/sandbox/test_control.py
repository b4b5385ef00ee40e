"""The control API, the faults, and the page, over real HTTP."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Receiver, Running, dial, eventually

LATE_S = 2.0
"""Seconds by which a request is executed late: a loaded machine, too, looks at what is true before that."""


def people(sandbox: Running, name: str) -> dict[str, dict[str, Any]]:
    described = sandbox.control("GET", f"/matrix?conference={name}")
    return {person["label"]: person for person in described["participants"]}


def test_a_scripted_call_is_there_at_once_with_all_its_webhooks(sandbox: Running, receiver: Receiver) -> None:
    made = sandbox.script("Billing-1", customer="+4930123456142")
    inside = people(sandbox, "Billing-1")
    assert [(label, person["kind"]) for label, person in inside.items()] == [
        ("+4930123456142", "customer"),
        ("Ana Ruiz", "agent"),
        ("Max Falk", "agent"),
    ]
    assert sandbox.control("GET", f"/matrix?conference={made['conference']['id']}")["conference"]["alive"] is True
    assert eventually(lambda: len(receiver.told_of(made)) == 12)
    ordered = sorted(receiver.told_of(made), key=lambda event: event["data"]["occurred_at"])
    assert [event["data"]["event_type"] for event in ordered] == [
        "call.initiated",
        "call.answered",
        "call.enqueued",
        "call.initiated",
        "call.answered",
        "call.dequeued",
        "conference.created",
        "conference.participant.joined",
        "conference.participant.joined",
        "call.initiated",
        "call.answered",
        "conference.participant.joined",
    ]


def test_a_caller_waits_in_a_queue_until_somebody_hangs_up(sandbox: Running, receiver: Receiver) -> None:
    leg = sandbox.control("POST", "/waiting", {"team": "Support", "customer": "+4930123456142"})["call_control_id"]
    assert sandbox.control("GET", "/state")["waiting"] == 1
    sandbox.control("POST", f"/legs/{leg}/hangup")
    assert sandbox.control("GET", "/state")["waiting"] == 0

    def told() -> dict[str, dict[str, Any]]:
        events = [event["data"] for event in receiver.events()]
        return {event["event_type"]: event for event in events if event["payload"].get("call_control_id") == leg}

    assert eventually(lambda: {"call.enqueued", "call.hangup"} <= told().keys())
    assert told()["call.enqueued"]["payload"]["queue"] == "support"


def test_others_can_be_brought_in(sandbox: Running) -> None:
    made = sandbox.script("Join-1")["conference"]["id"]
    for who in ({"agent": "Priya Nair"}, {"customer": "+13125550177"}, {"stranger": "+13125550188"}):
        sandbox.control("POST", f"/conferences/{made}/join", who)
    kinds = {label: person["kind"] for label, person in people(sandbox, "Join-1").items()}
    assert kinds["Priya Nair"] == "agent"
    assert kinds["+13125550177"] == "customer"
    assert kinds["+13125550188"] == "unknown"
    sandbox.control("POST", f"/conferences/{made}/join", {}, status=400)


def test_legs_can_be_held_made_to_speak_and_hung_up(sandbox: Running, receiver: Receiver) -> None:
    made = sandbox.script("Legs-1")
    ana = made["legs"][1]["call_control_id"]
    for act in ("hold", "unhold", "speak", "dtmf", "hangup"):
        sandbox.control("POST", f"/legs/{ana}/{act}", {"digit": "5"})
    wanted = {"call.hold", "call.unhold", "conference.floor.changed", "call.dtmf.received", "call.hangup"}
    assert eventually(lambda: wanted <= {event["data"]["event_type"] for event in receiver.told_of(made)})
    assert "Ana Ruiz" not in people(sandbox, "Legs-1")
    sandbox.control("POST", f"/legs/{ana}/hold", status=404)


@pytest.mark.parametrize(("how", "left"), [("api", 0), ("hangup", 1)])
def test_a_conference_ends_by_command_or_by_its_callers(sandbox: Running, how: str, left: int) -> None:
    made = sandbox.script(f"End-{how}")["conference"]["id"]
    kim = sandbox.rest("POST", "/calls", dial()).json()["data"]["call_control_id"]
    body = {"call_control_id": kim, "supervisor_role": "monitor"}
    assert eventually(lambda: sandbox.rest("POST", f"/conferences/{made}/actions/join", body).ok)
    assert sandbox.control("POST", f"/conferences/{made}/end", {"how": how})["participants"] == left


def test_semantics_and_phones_are_switched(sandbox: Running) -> None:
    order = {
        "whisper": "deny-list",
        "monitor_reads_muted": False,
        "monitor_harms_call": True,
        "left_stay_listed": False,
    }
    before = sandbox.control("GET", "/state")["semantics"]
    assert sandbox.control("POST", "/semantics", order) == order
    assert sandbox.control("GET", "/state")["semantics"] == order
    sandbox.control("POST", "/semantics", before)  # the other tests share this sandbox
    sandbox.control("POST", "/semantics", {"whisper": "loud"}, status=400)
    sandbox.control("POST", "/phones", {"address": "sip:kim@sip.telnyx.com", "behaviour": "busy"})
    sandbox.control("POST", "/phones", {"address": "sip:kim@sip.telnyx.com", "behaviour": "answers"})
    sandbox.control("POST", "/phones", {"address": "sip:kim@sip.telnyx.com", "behaviour": "sleepy"}, status=400)
    sandbox.control("GET", "/nothing", status=404)
    sandbox.control("GET", "/matrix?conference=none", status=404)


def test_a_phone_that_rings_is_answered_when_it_is_ordered_to(sandbox: Running) -> None:
    made = sandbox.script("Ringing")["conference"]["id"]
    phone = {"address": "sip:kim@sip.telnyx.com"}
    sandbox.control("POST", "/phones", {**phone, "behaviour": "no_answer"})
    kim = sandbox.rest("POST", "/calls", dial()).json()["data"]["call_control_id"]
    body = {"call_control_id": kim, "supervisor_role": "monitor"}
    refused = sandbox.rest("POST", f"/conferences/{made}/actions/join", body)
    assert refused.json()["errors"][0]["code"] == "90034"

    sandbox.control("POST", "/phones", {**phone, "behaviour": "answers"})
    assert sandbox.rest("POST", f"/conferences/{made}/actions/join", body).ok


def test_the_request_log_goes_on_from_where_one_was(sandbox: Running) -> None:
    seen = sandbox.control("GET", "/requests")["requests"]
    last = seen[-1]["n"] if seen else 0
    sandbox.rest("POST", "/calls", dial(to="nonsense"))
    (entry,) = sandbox.control("GET", f"/requests?since={last}")["requests"]
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/calls", 422)
    assert entry["body"]["to"] == "nonsense"


def test_a_fault_refuses_without_effect_and_is_used_up(sandbox: Running) -> None:
    made = sandbox.script("Fault-1")
    conference, ana = made["conference"]["id"], made["legs"][1]["call_control_id"]
    sandbox.control(
        "POST", "/faults", {"method": "POST", "path": "/conferences/*/actions/update", "status": 422, "code": "90015"}
    )
    body = {"call_control_id": ana, "supervisor_role": "monitor"}
    refused = sandbox.rest("POST", f"/conferences/{conference}/actions/update", body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "90015")
    assert people(sandbox, "Fault-1")["Ana Ruiz"]["role"] == "none"
    assert sandbox.rest("POST", f"/conferences/{conference}/actions/update", body).ok
    assert people(sandbox, "Fault-1")["Ana Ruiz"]["role"] == "monitor"


@pytest.mark.parametrize(
    ("fault", "status", "role"),
    [
        ({"status": 200}, 200, "none"),
        ({"status": 503, "when": "after"}, 503, "monitor"),
        ({"drop": True}, None, "none"),
        ({"drop": True, "when": "after"}, None, "monitor"),
        ({"delay_s": 0.1}, 200, "monitor"),
        ({"delay_s": 0.1, "when": "after"}, 200, "monitor"),
    ],
)
def test_faults_lie_lose_answers_and_delay(
    sandbox: Running, fault: dict[str, Any], status: int | None, role: str
) -> None:
    name = f"Fault-{abs(hash(str(fault)))}"
    made = sandbox.script(name)
    body = {"call_control_id": made["legs"][1]["call_control_id"], "supervisor_role": "monitor"}
    sandbox.control("POST", "/faults", fault)
    began = time.monotonic()
    try:
        answer = sandbox.rest("POST", f"/conferences/{made['conference']['id']}/actions/update", body)
    except requests.ConnectionError:
        assert status is None
    else:
        assert answer.status_code == status
    assert time.monotonic() - began >= fault.get("delay_s", 0)
    assert people(sandbox, name)["Ana Ruiz"]["role"] == role


@pytest.mark.slow
def test_a_request_whose_caller_gave_up_still_executes_late(sandbox: Running) -> None:
    made = sandbox.script("Late-1")
    body = {"call_control_id": made["legs"][1]["call_control_id"], "supervisor_role": "monitor"}
    sandbox.control("POST", "/faults", {"delay_s": LATE_S})
    with pytest.raises(requests.ReadTimeout):
        sandbox.rest("POST", f"/conferences/{made['conference']['id']}/actions/update", body, timeout=0.5)
    assert people(sandbox, "Late-1")["Ana Ruiz"]["role"] == "none"
    assert eventually(lambda: people(sandbox, "Late-1")["Ana Ruiz"]["role"] == "monitor")


@pytest.mark.slow
def test_a_request_without_an_answer_may_execute_late(sandbox: Running) -> None:
    made = sandbox.script("Late-2")
    body = {"call_control_id": made["legs"][1]["call_control_id"], "supervisor_role": "monitor"}
    sandbox.control("POST", "/faults", {"when": "late", "delay_s": LATE_S})
    with pytest.raises(requests.ConnectionError):
        sandbox.rest("POST", f"/conferences/{made['conference']['id']}/actions/update", body)
    assert people(sandbox, "Late-2")["Ana Ruiz"]["role"] == "none"
    assert eventually(lambda: people(sandbox, "Late-2")["Ana Ruiz"]["role"] == "monitor")


@pytest.mark.slow
def test_a_slow_request_does_not_hold_up_others(sandbox: Running) -> None:
    sandbox.control("POST", "/faults", {"path": "/conferences", "delay_s": LATE_S})
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(requests.get, f"{sandbox.url}/v2/conferences", timeout=20)
        assert eventually(lambda: sandbox.control("GET", "/state")["faults"] == [])  # it has come, and waits
        assert sandbox.rest("GET", "/conferences").ok
        assert not slow.done()
        slow.result()


def test_a_senseless_fault_is_refused(sandbox: Running) -> None:
    for order in ({"stauts": 500}, {"when": "never"}):
        sandbox.control("POST", "/faults", order, status=400)
    assert sandbox.control("GET", "/state")["faults"] == []


# The page


def test_the_page_lists_and_finds_conferences(sandbox: Running) -> None:
    sandbox.script("Page-<b>1</b>")
    sandbox.script("Unrelated-1")
    answer = sandbox.session.get(f"{sandbox.url}/", params={"q": "page-"}, timeout=5)
    assert "Page-&lt;b&gt;1&lt;/b&gt;" in answer.text
    assert "Unrelated-1" not in answer.text
    assert "sandbox" in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "img-src data:" in answer.headers["content-security-policy"]
    assert '<link rel="icon" href="data:,">' in answer.text
    assert "style=" not in answer.text
    assert "<script" not in answer.text


def test_the_page_never_renders_the_whole_floor(sandbox: Running) -> None:
    for number in range(60):
        sandbox.script(f"Many-{number}", agents=["Ana Ruiz"])
    first = sandbox.session.get(f"{sandbox.url}/?q=Many-", timeout=5).text
    second = sandbox.session.get(f"{sandbox.url}/?q=Many-&page=2", timeout=5).text
    assert first.count('<th scope="row">') == 50
    assert second.count('<th scope="row">') == 10
    assert "older →" in first
    assert "← newer" in second


def test_the_page_shows_who_hears_a_whisper(sandbox: Running) -> None:
    made = sandbox.script("Shown-1")
    conference, ana = made["conference"]["id"], made["legs"][1]["call_control_id"]
    kim = sandbox.rest("POST", "/calls", dial()).json()["data"]["call_control_id"]
    body = {"call_control_id": kim, "supervisor_role": "whisper", "whisper_call_control_ids": [ana]}
    assert eventually(lambda: sandbox.rest("POST", f"/conferences/{conference}/actions/join", body).ok)
    page = sandbox.session.get(f"{sandbox.url}/conferences/{conference}", timeout=5).text
    row = page.split('<tr class="supervisor whisper">')[1].split("</tr>")[0]
    assert row.count('class="hears"') == 1
    assert row.count('class="deaf"') == 2
    assert "whisper to Ana Ruiz" in page
    assert "<code>join</code> whisper, 1 named" in page


def test_the_page_switches_semantics_and_refuses_other_sites(sandbox: Running) -> None:
    made = sandbox.script("Switch-1")["conference"]["id"]
    form = {"whisper": "deny-list", "back": f"/conferences/{made}"}
    url = f"{sandbox.url}/semantics"
    answer = sandbox.session.post(url, data=form, allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/conferences/{made}")
    assert sandbox.control("GET", "/state")["semantics"]["whisper"] == "deny-list"
    away = form | {"back": "//example.com"}
    answer = sandbox.session.post(url, data=away, allow_redirects=False, timeout=5)
    assert answer.headers["location"] == "/"
    foreign = sandbox.session.post(url, data=form, headers={"sec-fetch-site": "cross-site"}, timeout=5)
    assert foreign.status_code == 403
