"""The list of who waits in a queue, opened by its tile and kept true by the stream."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.sandbox import Sandbox


@pytest.fixture
def callers(sandbox: Sandbox) -> list[str]:
    """Two who wait for Billing, the first for longer."""
    return [sandbox.wait(number) for number in ("+4930123456142", "+4930123456143")]


def callers_in(queue: Locator) -> Locator:
    return queue.get_by_role("listitem").locator(".cut")


def test_the_tile_opens_who_waits_and_the_list_follows_them(kim: Visitor, callers: list[str], sandbox: Sandbox) -> None:
    screen = kim.visit()
    expect(screen.clock).to_have_class("clock live")
    tile = screen.page.get_by_role("link", name="2 waiting")
    tile.focus()
    screen.page.keyboard.press("Enter")
    queues = screen.page.get_by_role("region", name="Who is waiting")
    expect(queues.locator("h3")).to_contain_text("billing")
    expect(callers_in(queues)).to_have_text(["+49 •••• 142", "+49 •••• 143"])
    expect(screen.page.locator("#counters a:focus")).to_contain_text("waiting")

    sandbox.act(callers[0], "hangup")
    expect(callers_in(queues)).to_have_text(["+49 •••• 143"])
    sandbox.wait("+4930123456144")
    expect(callers_in(queues)).to_have_text(["+49 •••• 143", "+49 •••• 144"])

    screen.page.reload()
    expect(callers_in(queues)).to_have_count(2)
    screen.page.get_by_role("link", name="Close the list of who is waiting").click()
    expect(queues).to_have_count(0)


def test_a_long_list_scrolls_by_itself(kim: Visitor, sandbox: Sandbox) -> None:
    for number in range(6):
        sandbox.wait(f"+4930123456{number:03}")
    screen = kim.visit("/?waiting=1")
    screen.page.set_viewport_size({"width": 1280, "height": 400})
    queues = screen.page.get_by_role("region", name="Who is waiting")
    expect(queues).to_contain_text("6 waiting")
    assert queues.evaluate("e => e.scrollHeight > e.clientHeight && e.offsetHeight <= innerHeight * .4")


def test_the_list_needs_no_script(invite: Invite, callers: list[str]) -> None:
    page = invite("kim", java_script=False).visit().page
    page.get_by_role("link", name=re.compile("2 waiting")).click()
    queues = page.get_by_role("region", name="Who is waiting")
    expect(callers_in(queues)).to_have_text(["+49 •••• 142", "+49 •••• 143"])
