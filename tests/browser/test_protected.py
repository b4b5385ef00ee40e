"""Checks what the floor offers on a call that nobody may listen to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Floor, Visitor, database_of
from tests.browser.sandbox import Sandbox

SENTENCE = "Nobody may listen to calls of this agent. Talks with the works council are private."
PROTECT = """INSERT INTO conferences_protection (kind, agent_id, pattern, reason)
    SELECT 'agent', id, '', 'Talks with the works council are private.'
    FROM conferences_agent WHERE name = 'Max Falk'"""


@pytest.fixture
def max_is_protected(floor: Floor, sandbox: Sandbox) -> Iterator[None]:
    with database_of(floor) as database:
        database.execute(PROTECT)
    yield
    with database_of(floor) as database:
        database.execute("DELETE FROM conferences_protection")


@pytest.mark.usefixtures("max_is_protected")
def test_monitor_is_off_in_the_row_says_why_and_comes_back_with_the_end_of_the_reason(
    kim: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-private", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit()
    button = screen.row(call.name).get_by_role("button", name="Monitor")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(SENTENCE)

    screen.row(call.name).get_by_role("link", name=call.name).focus()
    screen.page.keyboard.press("m")
    expect(screen.desk.get_by_role("heading", name=call.name)).to_be_visible()
    expect(screen.desk).to_contain_text(SENTENCE)
    expect(screen.role("Monitor")).to_be_disabled()

    sandbox.act(call.legs["Max Falk"], "hangup")
    expect(button).to_be_enabled()
    screen.monitor(call.name)
