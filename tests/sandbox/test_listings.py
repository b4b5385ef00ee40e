"""Listings of the REST API: their order, filters, pages and cursors."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Billing, Stage


def conferences(stage: Stage, count: int) -> list[str]:
    from conferences.sandbox.telephony import calls, membership

    names = []
    for number in range(count):
        leg = calls.incoming(stage.world, connection_id="2781903345512846337", from_="+13125550142", to="+18005550101")
        calls.answer(stage.world, leg)
        names.append(membership.create(stage.world, name=f"C-{number}", owner=leg).name)
    stage.collect()
    return names


def test_conferences_are_listed_newest_first_page_by_page(stage: Stage) -> None:
    names = conferences(stage, 5)
    seen = []
    for number in (1, 2, 3):
        answer = stage.ask("GET", f"/conferences?page[size]=2&page[number]={number}")[1]
        assert answer["meta"] == {"page_number": number, "page_size": 2, "total_pages": 3, "total_results": 5}
        seen += [item["name"] for item in answer["data"]]
    assert seen == names[::-1]
    assert stage.ask("GET", "/conferences?page[size]=2&page[number]=4")[1]["data"] == []


def test_conferences_are_filtered_by_name_and_status(stage: Stage) -> None:
    conferences(stage, 3)
    gone = stage.ask("GET", "/conferences?filter[name]=C-1")[1]["data"][0]["id"]
    stage.ask("POST", f"/conferences/{gone}/actions/end", {})

    def names(query: str) -> list[str]:
        return [item["name"] for item in stage.ask("GET", f"/conferences?{query}")[1]["data"]]

    assert names("filter[status]=in_progress") == ["C-2", "C-0"]
    assert names("filter[status]=completed") == ["C-1"]
    assert names("filter[status]=init") == []
    assert names("filter[name]=C-1&filter[status]=in_progress") == []
    assert names("filter[name]=c-1") == []
    assert stage.code("GET", "/conferences?filter[status]=over") == (422, "10032")


@pytest.mark.parametrize(
    ("query", "code"), [("page[size]=251", "10033"), ("page[number]=0", "10033"), ("page[size]=x", "10026")]
)
def test_a_page_out_of_range_is_refused(stage: Stage, query: str, code: str) -> None:
    assert stage.code("GET", f"/conferences?{query}") == (422, code)


def test_participants_are_filtered_and_those_who_left_stay_listed(stage: Stage, billing: Billing) -> None:
    kim = stage.supervisor()
    whisper = {"supervisor_role": "whisper", "whisper_call_control_ids": [billing.ana.call_control_id]}
    stage.ask("POST", f"{billing.path}/actions/join", {"call_control_id": kim} | whisper)
    stage.ask("POST", f"{billing.path}/actions/hold", {"call_control_ids": [billing.customer.call_control_id]})
    stage.ask("POST", f"{billing.path}/actions/mute", {"call_control_ids": [billing.ana.call_control_id]})
    stage.ask("POST", f"{billing.path}/actions/leave", {"call_control_id": billing.max.call_control_id})

    def who(query: str) -> set[tuple[str, str]]:
        listed = stage.ask("GET", f"{billing.path}/participants?{query}")[1]["data"]
        return {(item["call_control_id"], item["status"]) for item in listed}

    assert who("filter[whispering]=true") == {(kim, "joined")}
    assert who("filter[on_hold]=true") == {(billing.customer.call_control_id, "joined")}
    assert who("filter[muted]=true") == {(billing.ana.call_control_id, "joined")}
    assert (billing.max.call_control_id, "left") in who("")
    assert len(who("page[size]=2")) == 2


def test_active_calls_are_paged_by_cursor(stage: Stage) -> None:
    legs = [stage.supervisor() for _ in range(5)]
    stage.ask("POST", f"/calls/{legs[1]}/actions/hangup", {})
    alive = [legs[0], *legs[2:]]
    path = "/connections/2781903345512846583/active_calls"
    first = stage.ask("GET", f"{path}?page[limit]=3")[1]
    assert [item["call_control_id"] for item in first["data"]] == alive[:3]
    assert first["meta"]["total_items"] == 4
    assert first["meta"]["cursors"]["before"] is None
    second = stage.ask("GET", f"{path}?page[limit]=3&page[after]={first['meta']['cursors']['after']}")[1]
    assert [item["call_control_id"] for item in second["data"]] == alive[3:]
    assert second["meta"]["cursors"]["after"] is None
    back = stage.ask("GET", f"{path}?page[limit]=3&page[before]={second['meta']['cursors']['before']}")[1]
    assert [item["call_control_id"] for item in back["data"]] == alive[:3]
    assert stage.code("GET", f"{path}?page[after]=x") == (422, "10015")
