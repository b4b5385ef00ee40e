"""An agent's own page: who is in their call at this moment, and what it says where no answer comes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import BROKEN, Floor, Invite, Visitor, database_of
from tests.browser.proxy import Proxy
from tests.browser.sandbox import Sandbox


def test_an_agent_sees_at_once_who_listens_and_whispers_to_them_and_reads_it_later(
    kim: Visitor, invite: Invite, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-own", agents=["Ana Ruiz", "Max Falk"])
    supervisor, page = kim.visit(), invite("ana").visit().page
    now, log = page.locator(".own-now"), page.locator("#own-log")
    supervisor.see(call.name)
    expect(now).to_contain_text("Nobody from Floorline is in your call.")

    supervisor.monitor(call.name)
    supervisor.verified("Monitor")
    expect(now).to_contain_text("Kim W. is listening to your call")

    supervisor.target("Max Falk").check()
    supervisor.role("Whisper").click()
    supervisor.verified("Whisper")
    supervisor.target("Ana Ruiz").check()
    supervisor.role("Whisper").click()
    expect(now).to_contain_text("Kim W. can whisper to you")
    expect(log).not_to_contain_text("Max")
    expect(log).not_to_contain_text(call.name)

    supervisor.leave.click()
    expect(now).to_contain_text("Nobody from Floorline is in your call.")
    expect(log.locator(".audit > li").filter(has_text="whispered to you").first).not_to_contain_text("still listening")


def test_whoever_was_whispered_to_beside_others_has_another_call_untold(
    kim: Visitor, invite: Invite, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-others", agents=["Max Falk"])
    supervisor, page = kim.visit(), invite("ana").visit().page
    supervisor.monitor(call.name)
    supervisor.verified("Monitor")
    expect(page.locator(".own-now")).to_contain_text("You are in no call that Floorline knows of.")
    assert "is listening" not in page.locator("#own-log").inner_text()


def test_without_an_answer_the_page_says_within_fifteen_seconds_since_when(
    invite: Invite, proxy: Proxy, sandbox: Sandbox
) -> None:
    visitor = invite("ana", url=proxy.url)
    page = visitor.visit().page
    visitor.forgive(BROKEN)
    expect(page.locator(".own-now")).to_contain_text("as of")

    proxy.stall()
    expect(page.locator("#stale")).to_contain_text("Not live since", timeout=15_000)
    expect(page.locator("#stale")).not_to_contain_text("Leave call")

    proxy.flow()
    expect(page.locator("#stale")).to_be_hidden()


def test_a_hidden_page_asks_for_nothing_and_looks_at_once_when_it_is_shown(
    invite: Invite, proxy: Proxy, sandbox: Sandbox
) -> None:
    visitor = invite("ana", url=proxy.url)
    screen = visitor.visit("/", clock=True)
    visitor.forgive(BROKEN)
    expect(screen.page.locator(".own-now")).to_contain_text("as of")

    def asked() -> int:
        return sum("/my-calls/" in line for line in proxy.asked)

    screen.hide()
    before = asked()
    screen.page.clock.run_for(30_000)
    assert asked() == before

    screen.show()
    assert screen.comes_to(lambda: asked() > before, within=10)


def test_a_right_that_is_taken_away_clears_the_page(invite: Invite, floor: Floor, sandbox: Sandbox) -> None:
    visitor = invite("ana")
    page = visitor.visit().page
    expect(page.locator(".own-now")).to_be_visible()
    with database_of(floor) as database:
        [(user,)] = database.execute("SELECT user_id FROM conferences_agent WHERE user_id IS NOT NULL")
        database.execute("UPDATE conferences_agent SET user_id = NULL WHERE user_id = ?", (user,))
    try:
        expect(page.locator(".own-now")).to_have_count(0, timeout=10_000)
        expect(page).to_have_title("Floor · Floorline")
        visitor.forgive("status of 404")
    finally:
        with database_of(floor) as database:
            database.execute("UPDATE conferences_agent SET user_id = ? WHERE name = 'Ana Ruiz'", (user,))


@pytest.mark.parametrize("java_script", [True, False])
def test_an_agent_has_a_page_with_and_without_scripts(invite: Invite, sandbox: Sandbox, java_script: bool) -> None:
    page = invite("ana", java_script=java_script).visit().page
    expect(page.get_by_role("heading", name="Who listened to my calls")).to_be_visible()
    assert page.url.endswith("/my-calls/")
