"""The official SDK drives a running sandbox: all endpoints parse, and its verifier accepts our webhooks."""

from __future__ import annotations

import uuid
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.conftest import API_KEY, PUBLIC_KEY, Receiver, Running, eventually

if TYPE_CHECKING:
    from telnyx import Telnyx

pytestmark = pytest.mark.slow  # importing the SDK takes seconds
EAR = "2781903345512846583"
CALLS = "2781903345512846337"


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    """Import it once; that alone takes seconds."""
    import telnyx

    return telnyx


@pytest.fixture
def client(sdk: ModuleType, sandbox: Running) -> Telnyx:
    made: Telnyx = sdk.Telnyx(api_key=API_KEY, base_url=f"{sandbox.url}/v2", max_retries=0)
    return made


def strictly(model: Any) -> Any:
    """Hold an answer against the SDK's own types: it parses leniently unless asked."""
    type(model).model_validate(model.model_dump(by_alias=True))
    return model


def dialled(client: Telnyx, to: str = "sip:kim@sip.telnyx.com", **more: Any) -> str:
    answer = client.calls.dial(connection_id=EAR, from_="+18005550199", to=to, **more)
    strictly(answer)
    assert answer.data is not None
    assert answer.data.is_alive is False
    return answer.data.call_control_id


def answered(client: Telnyx, leg: str) -> bool:
    data = strictly(client.calls.retrieve_status(leg)).data
    return bool(data.is_alive and data.start_time)


def joined_supervisor(client: Telnyx, sandbox: Running, conference: str) -> str:
    leg = dialled(client, command_id=str(uuid.uuid4()))
    refusals: list[str] = []

    def joins() -> bool:
        from telnyx import UnprocessableEntityError

        try:
            strictly(
                client.conferences.actions.join(
                    conference, call_control_id=leg, supervisor_role="monitor", beep_enabled="never"
                )
            )
        except UnprocessableEntityError as error:
            refusals.append(str(error.body))
            return False
        return True

    assert eventually(joins)
    assert all("90034" in refusal for refusal in refusals)
    return leg


def test_conferences_are_listed_and_retrieved(client: Telnyx, sandbox: Running) -> None:
    made = sandbox.script("Sdk-1")["conference"]
    page = client.conferences.list(page_size=1)
    assert strictly(page.data[0]).id == made["id"]
    by_name = client.conferences.list(extra_query={"filter[name]": "Sdk-1", "filter[status]": "in_progress"})
    assert [item.id for item in by_name.data] == [made["id"]]
    conference = strictly(client.conferences.retrieve(made["id"])).data
    assert (conference.name, conference.status, conference.connection_id) == ("Sdk-1", "in_progress", CALLS)


def test_the_sdk_walks_over_all_pages(client: Telnyx, sandbox: Running) -> None:
    made = {sandbox.script(f"Walk-{number}")["conference"]["id"] for number in range(3)}
    assert made <= {item.id for item in client.conferences.list(page_size=1)}
    participants = client.conferences.list_participants(made.pop(), page_size=2)
    assert len([strictly(item) for item in participants]) == 3


def test_what_nobody_took_in_stands_in_the_log_of_deliveries(client: Telnyx, sandbox: Running) -> None:
    def failed() -> list[Any]:
        log = client.webhook_deliveries.list(filter={"status": {"eq": "failed"}})
        return [strictly(one) for one in log if one.webhook and (one.webhook.payload or {}).get("to") == "sip:nobody@x"]

    dialled(client, to="sip:nobody@x", webhook_url=f"{sandbox.url}/gone")
    eventually(failed)
    (first, *_) = failed()
    assert (first.status, first.webhook.event_type) == ("failed", "call.initiated")
    assert not client.webhook_deliveries.list(filter={"started_at": {"gte": "2099-01-01T00:00:00Z"}}).data


def test_what_the_account_has_set_up_is_listed(client: Telnyx, sandbox: Running) -> None:
    applications = {item.id: strictly(item) for item in client.call_control_applications.list(page_size=1)}
    assert {CALLS, EAR} <= applications.keys()
    assert applications[EAR].webhook_api_version == "2"
    connections = [strictly(item) for item in client.credential_connections.list(page_size=2)]
    assert {item.sip_uri_calling_preference for item in connections} == {"internal"}
    credentials = [strictly(item) for item in client.telephony_credentials.list()]
    assert {item.resource_id for item in credentials} == {"connection:2781903345512846412"}
    numbers = [strictly(item) for item in client.phone_numbers.list()]
    assert ("+18005550199", CALLS) in {(item.phone_number, item.connection_id) for item in numbers}
    profiles = [strictly(item) for item in client.outbound_voice_profiles.list()]
    assert [item.concurrent_call_limit for item in profiles] == [10]


def test_an_application_is_created_with_telnyx_defaults_changed_and_dialled_on(
    client: Telnyx, sdk: ModuleType, sandbox: Running
) -> None:
    made = strictly(
        client.call_control_applications.create(application_name="New", webhook_event_url="https://floor.example.com/")
    ).data
    assert (made.webhook_api_version, made.outbound.outbound_voice_profile_id) == ("1", None)
    dial = {"connection_id": made.id, "from_": "+18005550199", "to": "sip:kim@sip.telnyx.com"}
    with pytest.raises(sdk.PermissionDeniedError, match="D38"):
        client.calls.dial(**dial)
    (profile,) = client.outbound_voice_profiles.list()
    changed = client.call_control_applications.update(
        made.id,
        application_name="New",
        webhook_event_url="https://floor.example.com/",
        webhook_api_version="2",
        outbound={"outbound_voice_profile_id": str(profile.id)},
    )
    assert strictly(changed).data.webhook_api_version == "2"
    strictly(client.calls.dial(**dial))
    with pytest.raises(sdk.UnprocessableEntityError):
        client.call_control_applications.create(application_name="", webhook_event_url="https://floor.example.com/")
    with pytest.raises(sdk.NotFoundError):
        client.call_control_applications.update("1", application_name="New", webhook_event_url="https://x.example.com/")


def test_a_phones_registration_is_told(client: Telnyx, sdk: ModuleType, sandbox: Running) -> None:
    read = client.sip_registration_status.list
    found = strictly(read(credential_type="sip_credential_connection", username="kim"))
    assert (found.registered, found.sip_registration_details.expires) == (True, 3600)
    (credential, *_) = client.telephony_credentials.list()
    assert strictly(read(credential_type="telephony_credential", username=str(credential.sip_username))).registered
    with pytest.raises(sdk.NotFoundError):
        read(credential_type="telephony_credential", username="nobody")


def test_a_supervisor_monitors_whispers_barges_and_leaves(client: Telnyx, sandbox: Running) -> None:
    made = sandbox.script("Sdk-2")
    conference, ana = made["conference"]["id"], made["legs"][1]["call_control_id"]
    kim = joined_supervisor(client, sandbox, conference)

    def heard_by() -> list[str]:
        people = sandbox.control("GET", "/matrix?conference=Sdk-2")["participants"]
        (mine,) = [person["heard_by"] for person in people if person["call_control_id"] == kim]
        return list(mine)

    assert heard_by() == []
    update = client.conferences.actions.update
    answer = update(
        conference,
        call_control_id=kim,
        supervisor_role="whisper",
        whisper_call_control_ids=[ana],
        command_id=str(uuid.uuid4()),
    )
    assert strictly(answer).data.result == "ok"
    assert heard_by() == [ana]
    update(conference, call_control_id=kim, supervisor_role="barge")
    assert len(heard_by()) == 3
    strictly(client.conferences.actions.leave(conference, call_control_id=kim, beep_enabled="never"))
    left = {item.call_control_id: item.status for item in client.conferences.list_participants(conference)}
    assert left[kim] == "left"
    assert answered(client, kim)
    assert strictly(client.calls.actions.hangup(kim)).data.result == "ok"


def test_hold_mute_and_end_parse(client: Telnyx, sandbox: Running) -> None:
    made = sandbox.script("Sdk-3")
    conference, customer = made["conference"]["id"], made["legs"][0]["call_control_id"]
    actions = client.conferences.actions
    for act in (actions.hold, actions.mute):
        assert strictly(act(conference, call_control_ids=[customer])).data.result == "ok"
    (read,) = [item for item in client.conferences.list_participants(conference) if item.call_control_id == customer]
    assert (read.muted, read.on_hold) == (True, True)
    for undo in (actions.unhold, actions.unmute):
        strictly(undo(conference, call_control_ids=[customer]))
    strictly(actions.end_conference(conference))
    ended = client.conferences.retrieve(conference).data
    assert ended is not None
    assert (ended.status, ended.end_reason) == ("completed", "ended_via_api")


def test_a_phone_is_asked_to_press_1(client: Telnyx, sandbox: Running, receiver: Receiver) -> None:
    leg = dialled(client)

    def asked() -> bool:
        from telnyx import UnprocessableEntityError

        try:
            client.calls.actions.gather_using_speak(
                leg, payload="Press 1.", voice="female", valid_digits="1", maximum_digits=1
            )
        except UnprocessableEntityError:
            return False
        return True

    assert eventually(asked)
    sandbox.control("POST", f"/legs/{leg}/dtmf", {"digit": "1"})
    strictly(client.calls.actions.speak(leg, payload="Hello", voice="female"))
    gathered = eventually(
        lambda: [event for event in receiver.events() if event["data"]["event_type"] == "call.gather.ended"]
    )
    assert gathered[0]["data"]["payload"]["digits"] == "1"
    strictly(client.calls.actions.gather(leg, maximum_digits=1))


def test_active_calls_parse_and_can_be_walked(client: Telnyx, sandbox: Running) -> None:
    legs = [item["call_control_id"] for name in ("Sdk-4", "Sdk-5") for item in sandbox.script(name)["legs"]]
    listed = [item.call_control_id for item in client.connections.list_active_calls(CALLS, page_size=2)]
    assert set(legs) <= set(listed)
    assert len(set(listed)) == len(listed)


def test_refusals_become_the_errors_of_the_sdk(client: Telnyx, sdk: ModuleType, sandbox: Running) -> None:
    with pytest.raises(sdk.NotFoundError):
        client.conferences.retrieve(str(uuid.uuid4()))
    with pytest.raises(sdk.UnprocessableEntityError):
        client.calls.actions.hangup("v3:unknown")
    with pytest.raises(sdk.AuthenticationError):
        client.with_options(api_key="another").conferences.list()
    sandbox.control("POST", "/faults", {"path": "/conferences", "status": 429, "code": "10011"})
    with pytest.raises(sdk.RateLimitError) as limited:
        client.conferences.list()
    assert limited.value.response.headers["x-ratelimit-remaining"] == "0"


def test_the_verifier_of_the_sdk_accepts_our_webhooks(sdk: ModuleType, sandbox: Running, receiver: Receiver) -> None:
    from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

    sandbox.script("Signed-1", customer="+4930123456142", agents=["Tomasz Zieliński"])
    assert eventually(lambda: len(receiver.received) >= 8)
    for headers, body in receiver.received:
        verify_webhook_signature(body, headers, PUBLIC_KEY)
    headers, body = receiver.received[0]
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(body + b" ", headers, PUBLIC_KEY)


def test_the_sdk_unwraps_our_webhooks_into_its_types(sandbox: Running, receiver: Receiver, sdk: ModuleType) -> None:
    from telnyx.types import ConferenceCreatedWebhookEvent, ConferenceParticipantJoinedWebhookEvent

    made = sandbox.script("Typed-1")
    assert eventually(lambda: len(receiver.told_of(made)) == 12)
    by_type = {event["data"]["event_type"]: event for event in receiver.told_of(made)}
    created = ConferenceCreatedWebhookEvent.model_validate(by_type["conference.created"])
    joined = ConferenceParticipantJoinedWebhookEvent.model_validate(by_type["conference.participant.joined"])
    for parsed in (created, joined):
        assert parsed.data is not None
        assert parsed.data.payload is not None
        assert parsed.data.payload.conference_id == made["conference"]["id"]
