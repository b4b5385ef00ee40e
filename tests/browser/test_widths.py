"""The list at every width: nothing scrolls sideways, nothing is cut beside free space, nothing hides behind the bar."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.proxy import Proxy
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen
from tests.tooling.processes import eventually

SIZES = {
    1920: 1080,
    1440: 900,
    1280: 800,
    1180: 820,
    1024: 768,
    768: 1024,
    720: 450,  # 1440 × 900 at 200 %
    390: 844,
    320: 640,
}
E_MAIL = "maximiliana.featherstonehaugh@support.call-center.example.com"
TWO = ["Tomasz Zieliński", "Mateus Carvalho"]
# Room is free in a row where the cell of the reasons shows less than it could.
CUT_BESIDE_FREE_SPACE = """row => {
  const reasons = row.querySelector(".col-reasons");
  const used = [...reasons.children].reduce((sum, e) => sum + e.getBoundingClientRect().width, 0);
  const texts = [...row.querySelectorAll(".col-name a, .col-agents, .col-customer, .col-talk small"), reasons];
  const cut = texts.filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1);
  return reasons.clientWidth - used > 40 || cut.includes(reasons) ? cut.map((e) => e.outerHTML) : [];
}"""
BOX = "e => { const box = e.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; }"


# A script that follows the size of the window has done so in the next frame.
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    with suppress(Error):  # a page without scripts may just load again by itself, in the new size
        page.evaluate(TWO_FRAMES)


def box_of(page: Page, selector: str) -> Any:
    return page.locator(selector).evaluate(BOX)


@pytest.fixture
def call(kim: Visitor, sandbox: Sandbox) -> Scripted:
    """Return a call of two agents with long names, of whom one is on hold."""
    made = sandbox.script("Billing-widths", agents=TWO)
    sandbox.act(made.legs[TWO[1]], "speak")
    sandbox.act(made.legs[TWO[0]], "hold")
    return made


@pytest.fixture
def screen(kim: Visitor, call: Scripted) -> Screen:
    """Return the floor with that call."""
    opened = kim.visit()
    opened.see(call.name)
    opened.is_live()
    expect(opened.row(call.name).locator("mark").first).to_be_visible()
    return opened


def test_no_width_scrolls_sideways(screen: Screen, call: Scripted) -> None:
    for width in SIZES:
        resize(screen.page, width)
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= width, width
    screen.open(call.name)
    for width in SIZES:
        resize(screen.page, width)
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= width, f"{width} with an open call"


def test_no_name_and_no_reason_is_cut_beside_free_space(screen: Screen, call: Scripted) -> None:
    for width in SIZES:
        resize(screen.page, width)
        cut = screen.row(call.name).evaluate(CUT_BESIDE_FREE_SPACE)
        assert not cut, f"{width}: {cut}"


def test_the_bar_and_what_it_says_hide_nothing_of_the_scrolled_list(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    for number in range(30):
        sandbox.script(f"Billing-{number:02}")
    screen = behind.visit()
    screen.is_live()
    expect(screen.page.locator("#conferences > .conference")).to_have_count(30)
    proxy.stall()
    expect(screen.stale).to_be_visible(timeout=30_000)
    for width, height in SIZES.items():
        resize(screen.page, width)
        screen.page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        bar, said = box_of(screen.page, ".top"), box_of(screen.page, "#stale")
        assert bar[1] == 0, width
        assert said[1] >= bar[3], f"{width}: the banner is behind the bar"
        assert said[3] <= height, width
        head = screen.page.locator(".conferences thead")
        if head.is_visible():
            assert head.evaluate(BOX)[1] >= said[3] - 1, f"{width}: the head is behind the banner"


# In one go, so that no news of the call comes between writing the name and measuring it.
RUNS_OUT = """([card, names, name]) => {
  const edge = document.querySelector(card).getBoundingClientRect().right;
  return [...document.querySelectorAll(names)].filter((e) => {
    e.textContent = name;
    const spills = getComputedStyle(e).overflow === "visible" && e.scrollWidth > e.clientWidth;
    return spills || e.getBoundingClientRect().right > edge;
  }).length;
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_a_long_e_mail_as_a_name_stays_in_its_card(screen: Screen, call: Scripted, width: int) -> None:
    resize(screen.page, width)
    screen.open(call.name)
    for card, names in (("#audience", ".map .name"), (".legs", ".leg strong"), (".desk-pane", "#desk h2, .follow")):
        assert screen.page.evaluate(RUNS_OUT, [card, names, E_MAIL]) == 0, names


def test_a_hold_leaves_names_whole_on_the_desk(screen: Screen, call: Scripted) -> None:
    resize(screen.page, 1440)
    screen.open(call.name)
    expect(screen.desk.locator(".leg .chip").first).to_be_visible()
    for name in screen.desk.locator(".leg strong").all():
        assert name.evaluate("e => e.scrollWidth <= e.clientWidth && e.offsetHeight < 24"), name.inner_text()


@pytest.mark.parametrize("width", list(SIZES))
def test_search_and_filters_take_one_line(screen: Screen, width: int) -> None:
    resize(screen.page, width)
    left, top, right, bottom = box_of(screen.page, ".tools")
    assert bottom - top <= 44
    assert right - left <= width
    tools = screen.page.locator(".tools :is(.search-box, select, .toggle, summary, button):visible")
    # In one look: what is pushed may change a choice, and its width, between two.
    edges = tools.evaluate_all(f"all => all.map({BOX})")
    assert all(edge[0] >= left and edge[2] <= right + 1 for edge in edges)
    assert all(one[2] <= other[0] + 1 for one, other in pairwise(edges)), "two tools overlap"


def test_the_list_begins_in_the_upper_third_of_a_phone(screen: Screen) -> None:
    resize(screen.page, 390)
    assert box_of(screen.page, ".sheet")[1] <= 844 / 3


def test_filters_without_room_are_in_a_sheet_without_scripts_too(invite: Invite, screen: Screen) -> None:
    page = invite("kim", java_script=False).visit().page
    resize(page, 390)
    sort = page.get_by_label("Sort")
    expect(sort).to_be_hidden()

    def opens() -> bool:
        page.get_by_role("button", name="Filters").click()
        return sort.is_visible()

    assert eventually(opens, within=20), "the page loads again by itself, and closes the sheet"


def test_the_key_for_filters_opens_their_sheet_and_escape_closes_it_alone(screen: Screen, call: Scripted) -> None:
    screen.monitor(call.name)
    screen.role("Barge").click()
    screen.role("Barge").click()
    screen.verified("Barge")
    resize(screen.page, 768)
    screen.let_go()
    screen.page.keyboard.press("f")
    expect(screen.page.locator("#more-filters")).to_be_visible()
    screen.page.get_by_role("checkbox", name="By agent").focus()
    screen.page.keyboard.press("Escape")
    expect(screen.page.locator("#more-filters")).to_be_hidden()
    expect(screen.ear).to_contain_text("Barge")


@pytest.mark.parametrize("java_script", [True, False])
def test_low_rows_are_a_choice_that_stays(invite: Invite, screen: Screen, call: Scripted, java_script: bool) -> None:
    other = invite("kim", java_script=java_script).visit()
    height = "row => row.getBoundingClientRect().height"
    other.see(call.name)
    before = other.row(call.name).evaluate(height)

    def choose() -> None:
        with other.page.expect_event("load"):  # with its style sheets
            other.page.get_by_role("button", name="Compact rows").click()

    choose()
    expect(other.page.get_by_role("button", name="Compact rows")).to_have_attribute("aria-pressed", "true")
    assert other.row(call.name).evaluate(height) <= before - 8
    other.page.reload()
    other.see(call.name)
    assert other.row(call.name).evaluate(height) <= before - 8

    choose()
    expect(other.page.get_by_role("button", name="Compact rows")).to_have_attribute("aria-pressed", "false")
    assert other.row(call.name).evaluate(height) == before
