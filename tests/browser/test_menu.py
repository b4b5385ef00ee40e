"""One place for each thing: the theme in one's own menu, and staying in a call out of the way."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.sandbox import Sandbox
from tests.tooling.processes import eventually

GROUND = "getComputedStyle(document.documentElement).backgroundColor"


def test_a_theme_is_chosen_in_the_menu_and_holds(kim: Visitor) -> None:
    screen = kim.visit("/?sort=newest")
    page = screen.page
    page.emulate_media(color_scheme="light")
    light = page.evaluate(GROUND)
    ground = page.locator("html")

    screen.my_menu.locator("summary").click()
    expect(page.get_by_role("button", name="System")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page).to_have_url(kim.url + "/?sort=newest")
    page.wait_for_load_state()  # with its style sheets
    expect(ground).not_to_have_css("background-color", light)
    page.goto(kim.url + "/ear/")
    expect(ground).not_to_have_css("background-color", light)

    screen.my_menu.locator("summary").click()
    page.get_by_role("button", name="System").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
    expect(ground).to_have_css("background-color", light)


def test_staying_in_the_call_is_behind_more_and_esc_there_silences(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-stay")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    stay = screen.desk.locator(".stay button")
    expect(stay).to_be_hidden()

    screen.desk.get_by_text("More", exact=True).click()
    stay.click()
    expect(screen.desk.locator(".stay")).to_contain_text("Press again")
    assert sandbox.hearing(call) == set()
    stay.click()
    expect(screen.ear).to_have_attribute("data-heard", "everyone")
    # The page says so as soon as it is asked for.
    assert eventually(lambda: sandbox.hearing(call) == {"Ana Ruiz", "+4930123456142"}, within=10)

    stay.focus()
    screen.page.keyboard.press("Escape")
    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()


def test_back_to_monitor_is_in_the_top_bar_as_long_as_somebody_hears_me(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-quieter")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    quieter = screen.ear.get_by_role("button", name=f"Back to Monitor in {call.name}")
    expect(quieter).to_be_hidden()
    leave = screen.ear.get_by_role("button", name=f"Leave call {call.name}").bounding_box()

    screen.barge()
    screen.verified("Barge")
    expect(quieter).to_be_visible()
    assert screen.ear.get_by_role("button", name=f"Leave call {call.name}").bounding_box() == leave
    quieter.click()
    screen.verified("Monitor")
    expect(quieter).to_be_hidden()
    assert sandbox.hearing(call) == set()


def test_what_is_armed_is_spoken_for_staying_in_the_call_as_for_barge(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-spoken")
    screen = kim.visit()
    screen.monitor(call.name)
    hint = screen.desk.get_by_role("status").filter(has_text="will hear you")
    screen.desk.get_by_text("More", exact=True).click()

    screen.desk.locator(".stay button").click()
    expect(hint).to_contain_text("Customer and Ana will hear you")
    expect(hint).to_have_count(0)  # after five seconds
    screen.role("Barge").click()
    expect(hint).to_contain_text("Customer and Ana will hear you")
