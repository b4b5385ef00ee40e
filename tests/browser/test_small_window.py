"""The small window that stays on top: it says what the bar says, its stops work, and it shows no old claim."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.proxy import Proxy
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.browser.test_pages import assert_accessible
from tests.tooling.processes import eventually

IS_OPEN = "Boolean(documentPictureInPicture.window)"
NOT_LIVE = re.compile(r"Not live since \d\d:\d\d:\d\d")
# Looks at every frame: a small window that says something else than the bar.
WATCH = """() => {
  window.faults = [];
  const said = ({ dataset }, words) => `${dataset.heard} ${dataset.state} ${dataset.role} ${dataset.targets} ${words}`;
  const look = () => {
    const ears = [document, documentPictureInPicture.window.document].map(one => one.querySelector("#my-ear"));
    const claims = new Set(ears.map(ear => said(ear, ear.querySelector(".ear-hears")?.textContent)));
    if (claims.size > 1) window.faults.push([...claims].join(" | "));
    requestAnimationFrame(look);
  };
  look();
}"""
HEIGHT_OF_WORDS = """e => {
  const words = document.createRange();
  words.selectNodeContents([...e.childNodes].find((one) => one.nodeType === 3 && one.data.trim()));
  return words.getBoundingClientRect().height;
}"""
NOTE_CLICKS = """() => {
  window.clicked = [];
  document.addEventListener("click", (event) => window.clicked.push(event.target.outerHTML), true);
}"""
FILL_CONNECTIONS = """() => {
  for (let n = 0; n < 8; n++) fetch(`/healthz?n=${n}`, { priority: "low" }).catch(() => {});
}"""


def leave_of(small: Screen) -> Locator:
    return small.ear.get_by_role("button", name="Leave call")


def on_top_of(screen: Screen) -> Screen:
    """Open the small window of a page."""
    with screen.page.context.expect_page() as opened:
        screen.page.get_by_role("link", name="My call in a small window").click()
    assert eventually(lambda: bool(screen.page.evaluate(IS_OPEN)), within=20)
    return Screen(opened.value)


def test_the_small_window_says_in_every_frame_what_the_bar_says_and_its_stops_work(
    kim: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-small")
    screen = kim.visit()
    screen.see(call.name)
    small = on_top_of(screen)
    expect(small.ear).to_contain_text("Phone not connected")
    screen.page.evaluate(WATCH)
    screen.monitor(call.name)
    expect(small.ear.get_by_text("You are in Billing-small: nobody hears you there.")).to_be_visible()
    for theme in ("light", "dark"):
        small.page.emulate_media(color_scheme=theme)
        assert_accessible(small.page, theme)
    screen.barge()
    screen.verified("Barge")
    expect(small.ear.get_by_text("You are in Billing-small: everyone hears you there.")).to_be_visible()
    small.page.keyboard.press("Escape")
    screen.verified("Monitor")
    expect(small.ear).to_contain_text("nobody hears you there")
    screen.role("Barge").click()
    screen.verified("Barge")
    quieter = small.page.get_by_role("button", name="Back to Monitor")
    quieter.click()
    screen.verified("Monitor")
    expect(quieter).to_be_focused()  # though what it stands in was drawn anew
    leave_of(small).click()
    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=20)
    expect(small.ear).to_contain_text("not in a call")
    assert screen.page.evaluate("window.faults") == []


def test_its_stop_waits_behind_nothing(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-small-stop")
    screen = behind.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    screen.barge()
    screen.verified("Barge")
    small = on_top_of(screen)
    screen.hide()
    assert eventually(lambda: proxy.open_streams == 1, within=20)
    proxy.hold("GET /healthz")
    screen.page.evaluate(FILL_CONNECTIONS)
    assert eventually(lambda: (proxy.waiting, proxy.open_streams) == (5, 1), within=20)
    leave_of(small).click()
    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=20)
    proxy.release()


def test_a_small_window_that_is_not_live_says_since_when_and_shows_no_claim(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-small-old")
    screen = behind.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    small = on_top_of(screen)
    claim = small.ear.get_by_text("nobody hears you there")
    expect(claim).to_be_visible()
    screen.hide()
    proxy.stall()
    expect(small.stale).to_contain_text(NOT_LIVE, timeout=40_000)
    expect(claim).to_be_hidden()
    expect(small.ear.locator(".ear-where")).to_be_hidden()
    expect(small.ear.get_by_role("status")).to_have_count(0)  # nor is it read aloud
    expect(leave_of(small)).to_be_visible()
    proxy.flow()
    expect(claim).to_be_visible()
    expect(small.stale).to_be_hidden()


def test_a_click_on_the_call_opens_nothing_and_reload_loads_the_page(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-small-links")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    small = on_top_of(screen)
    screen.page.evaluate(NOTE_CLICKS)

    small.ear.locator(".ear-where").click()
    assert screen.page.evaluate("window.clicked") == []

    with screen.page.expect_event("load"):
        small.stale.locator("a").dispatch_event("click")
    screen.see(call.name)


def test_a_second_click_while_it_opens_changes_nothing(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-small-twice")
    screen = kim.visit()
    screen.see(call.name)
    with screen.page.context.expect_page() as opened:
        screen.page.get_by_role("link", name="My call in a small window").evaluate("e => { e.click(); e.click(); }")
    small = Screen(opened.value)
    expect(small.ear).to_contain_text("Phone not connected")
    screen.monitor(call.name)
    expect(small.ear).to_contain_text(call.name)


def test_it_stays_live_in_a_tab_behind_others(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-small-behind")
    screen = behind.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    small = on_top_of(screen)
    screen.hide()
    others = [behind.visit() for _ in range(2)]
    for other in others:
        expect(other.clock).to_have_text(re.compile(r"^Live"))
    others[0].ear.get_by_role("button", name="Leave").click()
    expect(small.ear).to_contain_text("not in a call")
    assert eventually(lambda: proxy.open_streams == 2, within=20)
    screen.page.evaluate("documentPictureInPicture.window.close()")
    expect(screen.clock).to_contain_text("Catching up…")


def test_it_closes_with_its_page_and_with_the_session(kim: Visitor, sandbox: Sandbox) -> None:
    screen = kim.visit()
    expect(screen.clock).to_have_class("clock live")
    on_top_of(screen)
    screen.page.evaluate("document.getElementById('page').replaceChildren()")  # as the stream does to who is signed out
    assert eventually(lambda: not screen.page.evaluate(IS_OPEN), within=20)
    screen.page.reload()
    on_top_of(screen)
    screen.page.goto(kim.url + "/ear/")
    assert not screen.page.evaluate(IS_OPEN)


@pytest.fixture
def without_windows_on_top(kim: Visitor) -> Visitor:
    """Kim's browser, as one that has no windows that stay on top."""
    kim.context.add_init_script("delete window.documentPictureInPicture")
    return kim


def test_a_browser_without_such_windows_opens_an_ordinary_one(
    without_windows_on_top: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-small-plain")
    screen = without_windows_on_top.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    with screen.page.expect_popup() as opened:
        screen.page.get_by_role("link", name="My call in a small window").click()
    small = Screen(opened.value)
    expect(small.ear).to_contain_text("You are in Billing-small-plain: nobody hears you there.")
    screen.barge()
    screen.verified("Barge")
    expect(small.ear).to_contain_text("everyone hears you there")
    small.page.keyboard.press("Escape")
    screen.verified("Monitor")
    leave_of(small).click()
    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=20)
    with small.page.expect_event("close"):
        screen.page.goto(without_windows_on_top.url + "/ear/")
    assert small.page.is_closed()


def test_it_says_also_in_words_that_my_phone_is_not_connected(kim: Visitor) -> None:
    small = kim.visit("/ear/small/")
    small.page.set_viewport_size({"width": 380, "height": 200})
    assert small.ear.get_by_text("Phone not connected").evaluate(HEIGHT_OF_WORDS) > 10


def test_the_small_page_needs_no_script(invite: Invite, kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-small-bare")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    page = invite("kim", java_script=False).visit().page
    page.goto(f"{kim.url}/ear/small/")
    expect(page.locator("#my-ear")).to_contain_text("nobody hears you there")
    page.get_by_role("button", name="Leave").click()
    expect(page).to_have_url(f"{kim.url}/ear/small/")
    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=20)


def test_the_small_window_says_why_something_was_refused(kim: Visitor, sandbox: Sandbox) -> None:
    sandbox.fault("/calls", status=429, code="10011")
    screen = kim.visit()
    small = on_top_of(screen)

    small.ear.get_by_role("button", name="Connect").click()

    expect(small.refusal).to_have_text("Telnyx received too many requests. Wait a few seconds and try again.")
    expect(small.refusal).to_be_visible()
    kim.forgive(r"status of 422 .*/ear/connect/")
