"""Checks what a browser still holds of a session that is over: nothing of a call, of a number or of a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import PASSWORD, Floor, database_of, launch, sign_in
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen

NUMBER = "+4930123456142"
DRAFT = f"Call back at {NUMBER}"
HELD = """async () => ({
  local: {...localStorage}, session: {...sessionStorage}, databases: await indexedDB.databases(),
  caches: await caches.keys(), workers: (await navigator.serviceWorker.getRegistrations()).length,
  cookies: document.cookie, state: history.state, name: window.name,
})"""
KEPT_COOKIES = {"floorline-csrf", "floorline-device", "floorline-tz"}


@pytest.fixture
def may_see_numbers(floor: Floor, sandbox: Sandbox) -> Iterator[None]:
    kims = "WHERE user_id = (SELECT id FROM auth_user WHERE username = 'kim')"
    with database_of(floor) as database:
        database.execute(f"UPDATE conferences_teammembership SET may_see_numbers = 1 {kims}")
    yield
    with database_of(floor) as database:
        database.execute(f"UPDATE conferences_teammembership SET may_see_numbers = 0 {kims}")


@pytest.fixture
def remembering(playwright: Playwright) -> Iterator[Browser]:
    """Return a Chromium that keeps whole pages for its back button, as people's do; Playwright's own keep none."""
    browser = launch(playwright, page_cache=True)
    yield browser
    browser.close()


def work_through(page: Page, url: str, sandbox: Sandbox, call: Scripted) -> None:
    """Sign in, listen, have a number shown, begin a note, and sign out."""
    sign_in(page, url, "kim")
    screen = Screen(page)
    screen.monitor(call.name)
    screen.desk.get_by_role("button", name="Show number").click()
    expect(screen.desk).to_contain_text(NUMBER)
    page.locator("#note").fill(DRAFT)
    assert DRAFT in json.dumps(page.evaluate(HELD))
    screen.my_menu.locator("summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.usefixtures("may_see_numbers")
def test_after_signing_out_a_browser_holds_nothing_of_what_was_seen_and_back_shows_none_of_it(
    remembering: Browser, floor: Floor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-left-behind", customer=NUMBER)
    sandbox.tell()
    context = remembering.new_context()
    page = context.new_page()
    kinds: set[str] = set()
    page.on(
        "response",
        lambda answer: kinds.add(answer.headers.get("cache-control", "")) if "/static/" not in answer.url else None,
    )
    work_through(page, floor.url, sandbox, call)

    held = json.dumps([page.evaluate(HELD), context.cookies()])
    told = [NUMBER, NUMBER[1:], NUMBER[3:], call.name, "Ana Ruiz", "Call back", *call.legs.values()]
    assert [word for word in [*told, PASSWORD] if word in held] == []
    assert {cookie["name"] for cookie in context.cookies()} == KEPT_COOKIES
    assert page.evaluate(HELD)["databases"] == page.evaluate(HELD)["caches"] == []
    assert {kind for kind in kinds if "no-store" not in kind} <= set()

    for _step in range(3):
        page.go_back()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert [word for word in told if word in page.content()] == []
    context.close()
