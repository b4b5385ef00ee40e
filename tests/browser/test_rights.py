"""Checks what rights change on an open page: a number shown to one person, and a call that is somebody's no longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Floor, Invite, Visitor, database_of
from tests.browser.sandbox import Sandbox

NUMBER = "+4930123456142"
KIMS = "WHERE user_id = (SELECT id FROM auth_user WHERE username = 'kim')"


@pytest.fixture
def memberships(floor: Floor, sandbox: Sandbox) -> Iterator[None]:
    """Give everybody back the rights that the test takes or gives, before the floor is looked at for the next one."""
    with database_of(floor) as database:
        columns = "id, user_id, team_id, may_monitor, may_whisper, may_barge, is_lead, may_see_numbers, may_note"
        kept = database.execute(f"SELECT {columns} FROM conferences_teammembership").fetchall()
    yield
    with database_of(floor) as database:
        database.execute("DELETE FROM conferences_teammembership")
        places = ", ".join("?" * len(columns.split(",")))
        database.executemany(f"INSERT INTO conferences_teammembership ({columns}) VALUES ({places})", kept)


@pytest.mark.usefixtures("memberships")
def test_a_number_is_shown_to_who_pressed_stays_while_the_call_goes_on_and_nobody_else_sees_it(
    kim: Visitor, invite: Invite, sandbox: Sandbox, floor: Floor
) -> None:
    call = sandbox.script("Billing-number", customer=NUMBER)
    with database_of(floor) as database:
        database.execute(f"UPDATE conferences_teammembership SET may_see_numbers = 1 {KIMS}")
    hers, other = kim.visit(), invite("admin").visit()
    hers.open(call.name)
    other.open(call.name)
    expect(hers.desk).not_to_contain_text(NUMBER)

    hers.desk.get_by_role("button", name="Show number").click()
    expect(hers.desk).to_contain_text(NUMBER)

    sandbox.join(call, agent="Max Falk")
    for screen in (hers, other):
        expect(screen.desk).to_contain_text("Max Falk")
    expect(hers.desk).to_contain_text(NUMBER)
    expect(other.page.locator("body")).not_to_contain_text(NUMBER)
    assert NUMBER not in hers.page.url
    hers.page.reload()
    expect(hers.desk).to_contain_text("Max Falk")
    expect(hers.desk).not_to_contain_text(NUMBER)


@pytest.mark.usefixtures("memberships")
def test_a_page_whose_call_is_somebody_elses_now_says_so_and_that_nobody_is_signed_out(
    kim: Visitor, sandbox: Sandbox, floor: Floor
) -> None:
    call = sandbox.script("Billing-lost")
    hers = kim.visit()
    hers.open(call.name)
    alone = kim.visit(hers.address(call.name))
    for screen in (hers, alone):
        expect(screen.desk.get_by_role("heading", name=call.name)).to_be_visible()
        screen.is_live()
    with database_of(floor) as database:
        database.execute(f"DELETE FROM conferences_teammembership {KIMS}")

    for screen in (hers, alone):
        expect(screen.desk.get_by_role("heading", name="You can no longer see this call.")).to_be_visible(timeout=15000)
        expect(screen.desk).to_contain_text("You are still signed in.")
        expect(screen.page.locator("body")).not_to_contain_text(call.name)
    hers.page.reload()
    expect(hers.page.get_by_role("heading", name="Page not found.")).to_be_visible()
    expect(hers.page.locator("body")).to_contain_text("a team that you do not supervise, or no longer do.")
    kim.forgive("status of 404")
