"""Several pages of one browser, and proxies that pass no stream on: HTTP/1.1 has six connections for all of them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.proxy import Fate, Proxy
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.tooling.processes import eventually

EVERY_FEW_SECONDS = re.compile(r"^Live · updates every few seconds$")


def streams(proxy: Proxy, number: int) -> bool:
    """Return whether so many streams are open, at the latest in a while."""
    return eventually(lambda: proxy.open_streams == number, within=20)


def tries_the_stream_again(screen: Screen, proxy: Proxy) -> None:
    """Let the page's time pass until it asks for a stream once more, and no longer: the answer takes real time."""

    def tried() -> int:
        return len([line for line in proxy.asked if line.startswith("GET /stream/")])

    before = tried()
    for _ in range(15):
        screen.page.clock.run_for(5_000)
        if eventually(lambda: tried() > before, within=1):
            return
    pytest.fail("The page did not try to stream again.")


def test_with_seven_pages_open_a_leave_out_of_a_whisper_arrives_at_once(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-seven")
    screens = [kim.visit() for _ in range(7)]
    for screen in screens:
        screen.is_live()
    first = screens[0]
    first.monitor(call.name)
    first.target("Ana Ruiz").check()
    first.role("Whisper").click()
    first.verified("Whisper")

    screens[-1].ear.get_by_role("button", name=f"Leave call {call.name}").click()

    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=10)


def test_a_hidden_page_ends_its_stream_and_comes_back_with_a_snapshot(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    hidden, seen = behind.visit(), behind.visit()
    hidden.is_live()
    seen.is_live()
    assert streams(proxy, 2)

    hidden.hide()
    assert streams(proxy, 1)
    call = sandbox.script("Billing-unseen")
    seen.see(call.name)
    assert hidden.row(call.name).count() == 0
    hidden.show()

    hidden.see(call.name)
    hidden.is_live()
    assert streams(proxy, 2)


def test_the_only_page_goes_on_streaming_while_it_is_hidden(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    screen = behind.visit()
    screen.is_live()
    asked = len(proxy.asked)

    screen.hide()
    screen.see(sandbox.script("Billing-behind").name)

    assert proxy.open_streams == 1
    assert not [line for line in proxy.asked[asked:] if "GET /stream/" in line]


def test_when_the_last_seen_page_is_closed_a_hidden_one_shows_the_server_that_a_page_is_open(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    older, hidden, seen = behind.visit(), behind.visit(), behind.visit()
    for screen in (older, hidden):
        screen.hide()
    seen.is_live()
    assert streams(proxy, 1)

    seen.page.close()
    call = sandbox.script("Billing-closed")

    hidden.see(call.name)
    assert streams(proxy, 1)
    assert older.row(call.name).count() == 0


def test_a_third_page_that_is_seen_polls_and_says_so(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    first = behind.visit()
    first.is_live()
    others = [behind.visit(), behind.visit()]
    for screen in others:
        screen.is_live()

    expect(first.clock).to_have_text(EVERY_FEW_SECONDS)
    assert streams(proxy, 2)
    call = sandbox.script("Billing-third")
    first.see(call.name)
    others[0].page.close()

    expect(first.clock).not_to_have_text(EVERY_FEW_SECONDS)
    first.is_live()
    assert streams(proxy, 2)


def test_behind_a_proxy_that_buffers_the_page_polls_and_no_requests_pile_up(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    proxy.streams = Fate.BUFFER
    gone = sandbox.script("Billing-gone")
    screen = behind.visit(clock=True)
    screen.see(gone.name)

    screen.page.clock.run_for(11_000)
    expect(screen.clock).to_have_text(EVERY_FEW_SECONDS)
    new = sandbox.script("Billing-polled")
    screen.see(new.name)
    sandbox.end(gone)
    expect(screen.row(gone.name)).to_have_count(0)
    expect(screen.stale).to_be_hidden()

    tries_the_stream_again(screen, proxy)
    assert proxy.open_streams <= 1

    proxy.streams = Fate.PASS
    tries_the_stream_again(screen, proxy)
    expect(screen.clock).not_to_have_text(EVERY_FEW_SECONDS)
    screen.is_live()


def test_a_hidden_page_behind_a_proxy_that_buffers_is_paced_by_the_answers(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    proxy.streams = Fate.BUFFER
    screen = behind.visit(clock=True)
    screen.page.clock.run_for(11_000)
    expect(screen.clock).to_have_text(EVERY_FEW_SECONDS)

    def paced_polls() -> int:
        return len([line for line in proxy.asked if "GET /snapshot/" in line and "wait=" in line])

    screen.hide()
    screen.page.clock.run_for(5_000)
    assert eventually(lambda: paced_polls() >= 1, within=20)
    screen.stop_time()  # no timer runs any more

    assert eventually(lambda: paced_polls() >= 3, within=40)


def test_a_session_that_ended_is_noticed_by_a_page_that_polls(behind: Visitor, proxy: Proxy) -> None:
    proxy.streams = Fate.BUFFER
    screen = behind.visit(clock=True)
    screen.page.clock.run_for(11_000)
    expect(screen.clock).to_have_text(EVERY_FEW_SECONDS)

    behind.context.clear_cookies()
    screen.page.clock.run_for(5_000)

    expect(screen.page.get_by_label("Password")).to_be_visible()
    behind.forgive("status of 401")
