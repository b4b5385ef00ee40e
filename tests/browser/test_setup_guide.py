"""The guide of the set-up, beside a served floor and its sandbox: each usual mistake is recognised, and its mend."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import APIRequestContext, Browser, Locator, Page, expect

from benchmarks.servers import free_port
from conferences.sandbox.center import directory
from conferences.sandbox.webhooks.signing import public_key
from tests.browser.conftest import Floor, database_of, lines_of, open_floor, sign_in
from tests.browser.sandbox import KIMS_PHONE
from tests.browser.test_pages import assert_accessible
from tests.tooling.conftest import starting
from tests.tooling.processes import eventually

pytestmark = pytest.mark.slow

ANOTHER_KEY = public_key("ab" * 32)
DIALS = (
    ({"status": 403, "code": "10010", "detail": "Connection has no Outbound Profile assigned D38."}, "(D38)"),
    ({"status": 403, "code": "10010", "detail": "Dialed number is not included in whitelisted countries D13"}, "(D13)"),
    ({"status": 403, "code": "90041"}, "All channels of the Telnyx account were in use."),
    ({"status": 403, "code": "90042"}, "All channels of the outbound voice profile were in use."),
    ({"status": 422, "code": "10015"}, "Telnyx does not accept the id of the ear application."),
)
PHONES = (
    ("not_registered", "A supervisor's phone is not registered at Telnyx."),
    ("no_sip_calling", "SIP URI calling is off"),
)


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """Serve a floor of its own: its account is changed here."""
    folder = tmp_path_factory.mktemp("guided")
    with starting(folder) as start:
        yield open_floor(folder, start, port=free_port())


@pytest.fixture(scope="module")
def page(guided: Floor, chromium: Browser) -> Iterator[Page]:
    """Return the guide as the administrator looks at it; nothing here reloads it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    sign_in(opened, guided.url, "admin")
    opened.goto(f"{guided.url}/setup/")
    yield opened
    context.close()


@pytest.fixture(scope="module")
def ring(guided: Floor, chromium: Browser) -> Iterator[Callable[[], None]]:
    """Return a function that has Kim's phone rung, as the button does, once it is hung up."""
    context = chromium.new_context()
    sign_in(context.new_page(), guided.url, "kim")

    def post(requests: APIRequestContext, path: str) -> None:
        token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "floorline-csrf")
        requests.post(f"{guided.url}{path}", form={"csrfmiddlewaretoken": token})

    def ring_afresh() -> None:
        post(context.request, "/ear/disconnect/")
        assert eventually(lambda: not lines_of(guided), within=20)
        post(context.request, "/ear/connect/")

    yield ring_afresh
    context.close()


def step(page: Page, name: str) -> Locator:
    return page.locator(f"[data-step={name}]")


def change_account(floor: Floor, column: str, value: str) -> None:
    with database_of(floor) as database:
        database.execute(f"UPDATE conferences_account SET {column} = ?", [value])


def change_application(floor: Floor, **fields: object) -> None:
    """Change the center's application, as somebody does in the portal."""
    [path] = Path(floor.processes.environment["VAR_DIR"]).glob("sandbox.json")
    answer = requests.patch(
        f"{floor.sandbox.url}/v2/call_control_applications/{directory.CALLS_CONNECTION_ID}",
        json={"application_name": "Calls", "webhook_event_url": f"{floor.url}/webhooks/telnyx/", **fields},
        headers={"authorization": f"Bearer {json.loads(path.read_text())['api_key']}"},
        timeout=20,
    )
    assert answer.ok, answer.text


def some_webhooks(floor: Floor) -> None:
    """Let somebody call and hang up again."""
    floor.sandbox.act(floor.sandbox.wait("+4930123456142"), "hangup")


def wait_for_keys(floor: Floor, key: str) -> None:
    """Give the account another public key, and wait until webhooks are held against it."""
    change_account(floor, "public_keys", key)

    def is_in_force() -> bool:
        some_webhooks(floor)
        sent = floor.sandbox.ask("/webhooks", since=0)["webhooks"]
        answered = [webhook["last_status"] for webhook in sent if webhook["last_status"] is not None]
        return bool(answered) and answered[-1] == (401 if key else 200)

    assert eventually(is_in_force, within=20, pause=0.5)


def test_a_dial_that_is_refused_says_what_is_wrong_with_the_ear_application(
    guided: Floor, page: Page, ring: Callable[[], None]
) -> None:
    for fault, said in DIALS:
        guided.sandbox.fault("/calls", **fault)
        ring()
        expect(step(page, "ear-application")).to_contain_text(said)
        expect(step(page, "ear-application")).to_have_attribute("data-state", "problem")


def test_a_phone_that_cannot_be_reached_is_told_apart_from_one_that_is_not_called(
    guided: Floor, page: Page, ring: Callable[[], None]
) -> None:
    for behaviour, said in PHONES:
        guided.sandbox.order("/phones", address=KIMS_PHONE, behaviour=behaviour)
        ring()
        expect(step(page, "phone")).to_contain_text(said)
    guided.sandbox.order("/phones", address=KIMS_PHONE, behaviour="answers")
    ring()
    expect(step(page, "phone")).to_have_attribute("data-state", "done")
    expect(step(page, "ear-application")).to_have_attribute("data-state", "done")


@pytest.mark.parametrize(
    ("kind", "said"), [("1", "Webhooks of API version 1 arrive."), ("texml", "Webhooks of TeXML arrive.")]
)
def test_webhooks_of_another_format_are_recognised(guided: Floor, page: Page, kind: str, said: str) -> None:
    guided.sandbox.order("/posting", format=kind)
    some_webhooks(guided)
    expect(step(page, "feed")).to_contain_text(said)
    guided.sandbox.order("/posting", format="2")


def test_a_wrong_public_key_is_recognised_until_a_webhook_is_verified(guided: Floor, page: Page) -> None:
    wait_for_keys(guided, ANOTHER_KEY)
    expect(step(page, "public-key")).to_contain_text("Webhooks arrive that another key has signed.")
    wait_for_keys(guided, "")
    expect(step(page, "public-key")).to_have_attribute("data-state", "done")


def test_another_region_and_bridged_calls_are_recognised(guided: Floor, page: Page) -> None:
    change_account(guided, "region", "Europe")
    call = guided.sandbox.script("Billing-region")
    leg = guided.sandbox.wait("+4930123456142")
    guided.sandbox.order(f"/legs/{leg}/bridge", seconds_ago=90)
    expect(step(page, "feed")).to_contain_text("does not know 1 live call", timeout=100_000)
    expect(step(page, "feed")).to_contain_text("Calls are bridged without a conference.", timeout=100_000)
    assert_accessible(page, "setup with problems")
    change_account(guided, "region", "")
    expect(step(page, "feed")).not_to_contain_text("does not know 1 live call")
    guided.sandbox.end(call)


def test_the_center_s_application_is_looked_at_when_somebody_asks(guided: Floor, page: Page) -> None:
    """Telnyx tells of these two settings only where it is asked for them."""
    change_application(guided, first_command_timeout=True, webhook_event_failover_url="https://other.example.com/")
    page.get_by_role("button", name="Look at the applications at Telnyx").click()
    expect(step(page, "connections")).to_contain_text("first-command time-out")
    expect(step(page, "connections")).to_contain_text("“Calls” has a failover address")

    change_application(guided, first_command_timeout=False, webhook_event_failover_url=None)
    page.get_by_role("button", name="Look at the applications at Telnyx").click()
    expect(step(page, "connections")).to_have_attribute("data-state", "done")


def test_a_wrong_clock_is_recognised_before_and_after_signatures_are_refused(guided: Floor, page: Page) -> None:
    guided.sandbox.order("/posting", clock_s=20)

    def is_told() -> bool:
        some_webhooks(guided)  # several: one may be sent again, and says nothing about the clock
        return "s behind Telnyx'." in step(page, "feed").inner_text()

    assert eventually(is_told, within=20, pause=1.1)
    guided.sandbox.order("/posting", clock_s=400)
    some_webhooks(guided)
    expect(step(page, "public-key")).to_contain_text("Webhooks arrive whose signature is too old or too new.")
    guided.sandbox.order("/posting", clock_s=0)
