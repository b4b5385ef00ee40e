"""Checks who may see what, and what is left on a screen whose session has ended."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Invite, Visitor, sign_in
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen

LOGIN = re.compile(r"/accounts/login/")


def test_a_stranger_sees_an_empty_floor_and_no_conference(invite: Invite, kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-secret")
    hers = kim.visit()
    hers.see(call.name)
    path = hers.address(call.name)

    omar = invite("omar")
    his = omar.visit()
    his.is_live()

    expect(his.page.get_by_role("heading", name="You are in no team yet.")).to_be_visible()
    expect(his.row(call.name)).to_have_count(0)
    answer = his.page.goto(omar.url + path)
    assert answer
    assert answer.status == 404
    expect(his.page.get_by_role("heading", name="Page not found.")).to_be_visible()
    omar.forgive("status of 404")


def test_a_supervisor_of_other_teams_does_not_see_a_conference(kim: Visitor, sandbox: Sandbox) -> None:
    sandbox.script("Sales-1", team="Sales", agents=["Carla Mendes"])
    mine = sandbox.script("Billing-1")

    screen = kim.visit()

    screen.see(mine.name)
    expect(screen.row("Sales-1")).to_have_count(0)
    expect(screen.page.locator("#counters")).to_contain_text("1live calls", use_inner_text=False)


def test_who_is_signed_out_is_led_to_the_sign_in_and_back(invite: Invite, kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-back")
    hers = kim.visit()
    hers.see(call.name)
    path = hers.address(call.name)
    somebody = invite(None)

    screen = somebody.visit(path)

    expect(screen.page).to_have_url(LOGIN)
    expect(screen.page.locator("body")).not_to_contain_text(call.name)
    fill_in(screen.page)
    expect(screen.page).to_have_url(somebody.url + path)
    expect(screen.desk.get_by_role("heading", name=call.name)).to_be_visible()


def test_after_a_sign_out_elsewhere_the_page_says_so_and_shows_no_call(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-out")
    kim = invite(None)
    page = kim.context.new_page()
    sign_in(page, kim.url, "kim")
    first, second = Screen(page), kim.visit()
    first.see(call.name)
    first.is_live()

    second.my_menu.locator("summary").click()
    second.page.get_by_role("button", name="Sign out").click()
    expect(second.page).to_have_url(LOGIN)

    expect(
        first.page.get_by_text("You are signed out.").or_(first.page.get_by_role("heading", name="Sign in"))
    ).to_be_visible()
    expect(first.page.locator("body")).not_to_contain_text(call.name)
    kim.forgive("status of 401")


def fill_in(page: Page) -> None:
    page.get_by_label("User name").fill("kim")
    page.get_by_label("Password").fill("floorline-demo")
    page.get_by_role("button", name="Sign in").click()
