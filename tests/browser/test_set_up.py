"""The set-up walked by hand, from an empty database to a verified whisper: what is typed, and what is pressed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.servers import free_port
from conferences.sandbox.center import directory
from conferences.sandbox.webhooks.signing import public_key
from tests.browser.conftest import PASSWORD, sign_in
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.browser.test_pages import assert_accessible
from tests.sandbox.conftest import API_KEY, SEED, running
from tests.tooling.conftest import starting, without_settings
from tests.tooling.processes import ROOT, eventually, python

pytestmark = pytest.mark.slow

FIELDS, FIELDS_BY_POLLING = 8, 9  # polling also needs the place of the agent in client_state
MOST_PRESSES = 40


@dataclass
class Hand:
    """The person who sets up: counts the fields that are typed into, and everything else that is pressed or chosen."""

    page: Page
    url: str
    typed: int = 0
    pressed: int = 0

    def type(self, field: Locator, text: str) -> None:
        field.fill(text)
        self.typed += 1

    def press(self, what: Locator) -> None:
        what.click()
        self.pressed += 1

    def choose(self, field: Locator, option: str) -> None:
        field.select_option(option)
        self.pressed += 1

    def choose_found(self, row: Locator, name: str) -> None:
        """Choose what a field finds that searches: open it, press the name."""
        self.press(row.locator(".select2-selection"))
        self.press(self.page.locator(".select2-results__option", has_text=name))

    def save(self) -> None:
        self.press(self.page.get_by_role("button", name="Save", exact=True))
        expect(self.page.locator(".messagelist .success")).to_be_visible()

    def go_back(self) -> None:
        """Return to the guide."""
        self.page.goto(f"{self.url}/setup/")
        self.pressed += 1

    def step(self, name: str) -> Locator:
        return self.page.locator(f"[data-step={name}]")

    def follow(self, name: str) -> None:
        """Press the link of a step."""
        self.press(self.step(name).get_by_role("link"))

    def sees_done(self, *names: str) -> None:
        for name in names:
            expect(self.step(name)).to_have_attribute("data-state", "done")


Opened = Callable[..., tuple[Hand, Sandbox]]


@contextmanager
def empty_floor(folder: Path, *, port: int, telnyx: str) -> Iterator[str]:
    """Serve a new installation whose only person is an administrator, beside a Telnyx of its own."""
    environment = {
        **without_settings(folder),
        "PORT": str(port),
        "SECRET_KEY": "0123456789abcdef" * 4,
        "FIELD_KEYS": Fernet.generate_key().decode(),
        "TELNYX_API_BASE": f"{telnyx}/v2",
    }
    person = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SUPERUSER_EMAIL": "ada@example.com"}
    with starting(folder) as start:
        served = start(python("manage.py", "serve"), environment)
        assert eventually(lambda: "Floorline is open" in served.said(), within=90), served.said()
        command = python("manage.py", "createsuperuser", "--noinput", "--username", "ada")
        subprocess.run(command, cwd=ROOT, env={**environment, **person}, check=True, capture_output=True)
        yield f"http://localhost:{port}"


@pytest.fixture
def open_new(tmp_path: Path, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Return a function that opens a new installation; by polling, only webhooks of supervisors' phones come to it."""
    port = free_port()
    told = free_port() if getattr(request, "param", "") == "polling" else port
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    with (
        running("--calls", "0", "--webhook-url", f"http://localhost:{told}/webhooks/telnyx/") as telnyx,
        empty_floor(tmp_path, port=port, telnyx=telnyx.url) as url,
    ):
        page = context.new_page()
        sign_in(page, url, "ada")
        yield lambda: (Hand(page, url), Sandbox(telnyx.url))
        context.close()


def test_the_guide_leads_from_a_key_to_a_verified_whisper_by_webhooks(open_new: Opened) -> None:
    hand, sandbox = open_new()
    hand.press(hand.page.get_by_role("link", name="Set up: 10 left"))
    assert_accessible(hand.page, "empty setup")
    enter_account(hand, public_key=public_key(SEED))
    call = sandbox.script("Billing-first")
    hand.sees_done("api-key", "public-key", "feed", "caller-number")

    hand.follow("connections")
    hand.choose(hand.page.get_by_role("row").filter(has_text=directory.CALLS_CONNECTION_ID).locator("select"), "calls")
    hand.save()
    hand.go_back()
    hand.sees_done("connections")
    enter_people(hand)
    whisper(hand, call.name)
    assert (hand.typed, hand.pressed <= MOST_PRESSES) == (FIELDS, True), hand


@pytest.mark.parametrize("open_new", ["polling"], indirect=True)
def test_the_guide_leads_from_a_key_to_a_verified_whisper_by_polling(open_new: Opened) -> None:
    hand, sandbox = open_new()
    hand.press(hand.page.get_by_role("link", name="Set up: 10 left"))
    enter_account(hand, public_key=public_key(SEED), feed="polling", agent_path="agent")
    call = sandbox.script("Billing-first")
    hand.sees_done("api-key", "public-key", "feed", "caller-number", "connections")
    enter_people(hand)
    whisper(hand, call.name)
    assert (hand.typed, hand.pressed <= MOST_PRESSES) == (FIELDS_BY_POLLING, True), hand


def enter_account(hand: Hand, *, public_key: str, feed: str = "", agent_path: str = "") -> None:
    """Enter the account at the place that the first step leads to, and return."""
    hand.follow("api-key")
    hand.type(hand.page.get_by_label("API key:"), API_KEY)
    hand.type(hand.page.get_by_label("Public keys:"), public_key)
    if feed:
        hand.choose(hand.page.get_by_label("Feed:"), feed)
        hand.type(hand.page.get_by_label("Agent in client_state:"), agent_path)
    hand.type(hand.page.get_by_label("Ear application:"), directory.EAR_CONNECTION_ID)
    hand.type(hand.page.get_by_label("Number to dial from:"), directory.FROM_NUMBER)
    hand.save()
    hand.go_back()


def enter_people(hand: Hand) -> None:
    """Enter a team with a supervisor, the agent of the call, and the supervisor's phone."""
    page = hand.page
    hand.follow("people")
    hand.type(page.get_by_label("Name:"), "Billing")
    row = page.locator("#memberships-0")
    if not row.is_visible():
        hand.press(page.locator("#memberships-group .add-row a"))
    hand.choose_found(row, "ada")
    hand.press(row.locator("[name$=may_whisper]"))
    hand.save()
    hand.go_back()

    expect(hand.step("people")).to_contain_text("Unrecognised callers")
    hand.follow("people")
    hand.press(page.get_by_role("link", name="New agent"))
    hand.type(page.get_by_label("Name:"), "Ana Ruiz")
    hand.choose_found(page.locator(".field-team"), "Billing")
    hand.save()
    hand.go_back()

    hand.follow("people")
    hand.press(page.get_by_role("link", name="ada", exact=True))
    if not page.locator("#lines-0").is_visible():
        hand.press(page.locator("#lines-group .add-row a"))
    hand.type(page.locator("[name=lines-0-label]"), "My phone")
    hand.type(page.locator("[name=lines-0-address]"), directory.KIM_MOBILE.address)
    hand.save()
    hand.go_back()
    hand.sees_done("people")


def whisper(hand: Hand, call: str) -> None:
    """Have the phone rung, whisper to the agent, and find the guide done but for the probe."""
    hand.follow("phone")
    connect = hand.page.get_by_role("button", name="Connect my phone")
    hand.press(connect)
    expect(connect).to_be_hidden()  # leaving the page before the answer would lose the press
    hand.go_back()
    hand.sees_done("phone", "ear-application")
    hand.follow("whisper")
    screen = Screen(hand.page)
    screen.monitor(call)
    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    hand.pressed += 3
    hand.go_back()
    hand.sees_done("whisper")
    expect(hand.page.get_by_role("heading", name="1 of 10 steps left")).to_be_visible()
    expect(hand.step("probe")).to_have_attribute("data-state", "to-do")
