"""The keyboard and assistive technology: what Esc means, where the focus goes, what buttons say, what is spoken."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen
from tests.tooling.processes import eventually


def whispering(kim: Visitor, sandbox: Sandbox, name: str) -> tuple[Screen, Scripted]:
    """Let Kim whisper to Ana."""
    call = sandbox.script(name)
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    return screen, call


# --- Esc --------------------------------------------------------------------------------------------------------------


def test_esc_that_closes_something_does_not_silence_and_the_next_one_does(kim: Visitor, sandbox: Sandbox) -> None:
    screen, call = whispering(kim, sandbox, "Billing-esc")
    page, keys = screen.page, screen.page.keyboard
    before = sandbox.newest_request()

    for summary in (screen.my_menu.locator("summary").first, page.locator("details.views > summary")):
        summary.focus()
        keys.press("Enter")
        menu = page.locator("details[open]").filter(has=page.locator("summary:focus"))
        expect(menu).to_have_count(1)
        keys.press("Escape")
        expect(page.locator("details.user[open]")).to_have_count(0)
        expect(summary).to_be_focused()
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    assert [entry for entry in sandbox.requests(since=before) if entry["method"] == "POST"] == []
    assert sandbox.hearing(call) == {"Ana Ruiz"}

    keys.press("Escape")
    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()


def test_esc_silences_while_a_menu_is_open_that_the_focus_is_not_in(kim: Visitor, sandbox: Sandbox) -> None:
    screen, call = whispering(kim, sandbox, "Billing-open-menu")
    screen.my_menu.evaluate("details => details.open = true")
    screen.page.evaluate("document.activeElement.blur()")

    screen.page.keyboard.press("Escape")

    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()


@pytest.mark.parametrize("focused", [".filters-button", "table.conferences"])
def test_esc_silences_while_the_filters_are_open_and_the_focus_is_not_in_them(
    kim: Visitor, sandbox: Sandbox, focused: str
) -> None:
    call = sandbox.script("Billing-sheet")
    screen = kim.visit()
    screen.page.set_viewport_size({"width": 1180, "height": 820})
    screen.see(call.name)
    screen.monitor(call.name)
    screen.barge()
    screen.verified("Barge")
    screen.page.get_by_role("button", name="Filters").click()
    expect(screen.page.locator("#more-filters")).to_be_visible()
    screen.page.locator(focused).focus()

    screen.page.keyboard.press("Escape")

    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()


def test_the_filters_close_after_a_choice_and_where_the_page_has_room_for_them(kim: Visitor, sandbox: Sandbox) -> None:
    screen = kim.visit()
    page = screen.page
    page.set_viewport_size({"width": 1180, "height": 820})
    is_open = page.locator("#more-filters:popover-open")
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Sort", exact=True).select_option(label="Sort: newest")
    expect(page).to_have_url(re.compile("sort=newest"))
    expect(is_open).to_have_count(0)
    expect(page.locator("table.conferences")).to_be_focused()

    page.get_by_role("button", name="Filters").click()
    expect(is_open).to_have_count(1)
    page.set_viewport_size({"width": 1600, "height": 900})
    expect(is_open).to_have_count(0)


# --- The focus --------------------------------------------------------------------------------------------------------


def test_after_a_choice_the_focus_is_back_at_the_list_and_keys_work(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-chosen")
    screen = kim.visit()
    screen.see(call.name)
    screen.is_live()
    sort = screen.page.get_by_label("Sort", exact=True)

    sort.focus()
    sort.select_option(label="Sort: newest")
    expect(screen.page).to_have_url(re.compile("sort=newest"))
    expect(screen.page.locator("table.conferences")).to_be_focused()
    screen.page.keyboard.press("j")
    expect(screen.row(call.name).get_by_role("link")).to_be_focused()


def test_arrow_keys_in_a_select_keep_the_focus_until_enter(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-arrows")
    screen = kim.visit()
    screen.see(call.name)
    sort = screen.page.get_by_label("Sort", exact=True)

    sort.focus()
    screen.page.keyboard.press("ArrowDown")
    expect(screen.page).to_have_url(re.compile("sort=longest"))
    expect(sort).to_be_focused()
    screen.page.keyboard.press("ArrowDown")
    expect(screen.page).to_have_url(re.compile("sort=newest"))
    expect(sort).to_be_focused()
    screen.page.keyboard.press("Enter")
    expect(screen.page.locator("table.conferences")).to_be_focused()


IS_SEEN = """e => {
  const box = e.getBoundingClientRect();
  const middle = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return box.width >= 16 && box.height >= 16 && (e === middle || e.contains(middle) || middle?.contains(e));
}"""


def stops(page: Page) -> list[str]:
    """Tab through a page once; return what of it has the focus and is not to be seen."""
    unseen: list[str] = []
    page.locator(".skip").first.focus()
    for _press in range(80):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if not focused.count() or focused.evaluate("e => e === document.body"):
            break
        if not focused.evaluate(IS_SEEN):
            unseen.append(focused.evaluate("e => e.outerHTML"))
    assert _press > 20, "the focus did not go through the page"
    return unseen


def test_no_stop_of_the_focus_is_invisible(kim: Visitor, sandbox: Sandbox) -> None:
    screen, _call = whispering(kim, sandbox, "Billing-stops")
    screen.is_live()

    assert stops(screen.page) == []
    screen.role("Monitor").click()
    screen.verified("Monitor")
    assert stops(screen.page) == []


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_keys_follow_an_agent_open_the_views_and_hang_up_and_are_in_the_list(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-more-keys")
    screen = kim.visit()
    page, keys = screen.page, screen.page.keyboard
    screen.see(call.name)
    screen.monitor(call.name)

    keys.press("a")
    expect(screen.desk).to_contain_text("You follow Ana Ruiz.")
    keys.press("a")
    expect(screen.desk.get_by_role("button", name="Follow Ana Ruiz on every call")).to_be_visible()

    keys.press("v")
    expect(page.get_by_label("Save this view as")).to_be_visible()
    expect(page.locator("details.views > summary")).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_label("Save this view as")).to_be_hidden()

    keys.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    for key, does in (("a", "follow"), ("v", "views"), ("h", "hang up"), ("s", "say")):
        expect(listed.locator("dl > div", has=page.get_by_text(key, exact=True))).to_contain_text(does)
    keys.press("Escape")
    expect(listed).to_be_hidden()

    keys.press("h")
    expect(screen.ear).to_have_attribute("data-place", "away")
    assert eventually(lambda: sandbox.hearing(call) is None, within=10)


def test_the_key_for_monitor_works_where_a_call_is_only_named(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-named-twice", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit("/?group=agent")
    screen.page.locator("#conferences > .also a").focus()

    screen.page.keyboard.press("m")

    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()


def test_one_key_speaks_who_hears_me_in_which_call_as_what_and_since_when(kim: Visitor, sandbox: Sandbox) -> None:
    screen, call = whispering(kim, sandbox, "Billing-spoken")
    spoken = screen.page.locator("#spoken")
    expect(spoken).to_have_attribute("aria-live", "polite")
    expect(spoken).to_be_empty()

    screen.page.keyboard.press("s")
    expect(spoken).to_contain_text(call.name)
    expect(spoken).to_contain_text("Whisper → Ana Ruiz")
    expect(spoken).to_contain_text("Only Ana Ruiz hears you. The customer does not.")
    expect(spoken).to_contain_text(re.compile(r"since \d\d:\d\d:\d\d"))

    screen.leave.click()
    expect(screen.ear).to_contain_text("connected, not in a call")
    screen.page.keyboard.press("s")
    expect(spoken).to_contain_text("Nobody hears you.")
    expect(spoken).not_to_contain_text("Whisper")


def test_without_a_call_on_the_desk_the_key_speaks_of_my_phone(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-aside")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    screen.desk.get_by_role("link", name="Close").click()
    expect(screen.desk.get_by_role("heading", name=call.name)).to_have_count(0)

    screen.page.keyboard.press("s")
    expect(screen.page.locator("#spoken")).to_contain_text(f"{call.name}: Monitor ✓")


# --- Names ------------------------------------------------------------------------------------------------------------

NAMELESS = """name => [...document.querySelectorAll("#conferences button, #desk button, #desk a.close")]
  .filter((e) => !e.closest("[hidden]") && !/Follow|following|Next call/.test(e.ariaLabel ?? e.textContent))
  .map((e) => e.ariaLabel ?? e.textContent.trim()).filter((said) => !said.includes(name))"""


def test_every_button_says_which_call_it_is_for(kim: Visitor, sandbox: Sandbox) -> None:
    screen, call = whispering(kim, sandbox, "Billing-named")

    assert screen.page.evaluate(NAMELESS, call.name) == []
    expect(screen.row(call.name).get_by_role("button", name=f"Monitor {call.name}", exact=True)).to_be_visible()
    top, desk = screen.ear, screen.desk
    for region in (top, desk):
        expect(region.get_by_role("button", name=f"Leave call {call.name}", exact=True)).to_have_count(1)
    for name in ("Monitor", "Whisper", "Barge"):
        expect(desk.get_by_role("button", name=f"{name} {call.name}", exact=True)).to_be_visible()


# --- Forced colours ---------------------------------------------------------------------------------------------------

NEEDS = "e => { e.parentElement.classList.add('attention'); return ("
SHOWN = """e => {
  const style = getComputedStyle(e);
  return [style.borderLeftStyle, style.borderLeftWidth, style.borderLeftColor, style.outlineStyle].join(" ");
}"""


def test_forced_colours_keep_the_open_row_what_needs_somebody_and_the_chips(
    kim: Visitor, invite: Invite, sandbox: Sandbox
) -> None:
    calls = [sandbox.script(f"Billing-{number}") for number in range(3)]
    lena = invite("lena").visit()
    lena.see(calls[1].name)
    lena.monitor(calls[1].name)
    screen = kim.visit()
    for call in calls:
        screen.see(call.name)
    screen.open(calls[0].name)
    screen.let_go()

    screen.page.emulate_media(forced_colors="active")

    opened, calm = (screen.row(call.name).locator("th").evaluate(SHOWN) for call in calls[:2])
    # A reason takes forty seconds to come by itself; this class is all that the row would have of it.
    needing = screen.row(calls[2].name).locator("th").evaluate(NEEDS + SHOWN + ")(e); }")
    assert len({opened, calm, needing}) == 3, (opened, calm, needing)
    chip = screen.row(calls[1].name).locator(".chip")
    expect(chip).to_be_visible()
    assert "solid" in chip.evaluate(SHOWN)
    icon = "e => [getComputedStyle(e, '::before').backgroundColor, getComputedStyle(document.body).backgroundColor]"
    drawn, ground = chip.evaluate(icon)
    assert drawn != ground, "the icon is invisible"


def test_forced_colours_show_what_is_pressed(kim: Visitor) -> None:
    page = kim.visit().page
    compact = page.get_by_role("button", name="Compact rows")
    views = page.locator("details.views > summary")
    colours = "e => [getComputedStyle(e).borderTopColor, getComputedStyle(e).color]"
    page.emulate_media(forced_colors="active")
    before = [compact.evaluate(colours), views.evaluate(colours)]

    with page.expect_event("load"):  # with its style sheets
        compact.click()
    expect(compact).to_have_attribute("aria-pressed", "true")
    views.evaluate("e => e.classList.add('chosen')")
    after = [compact.evaluate(colours), views.evaluate(colours)]
    compact.click()
    expect(compact).to_have_attribute("aria-pressed", "false")

    assert all(one[0] != other[0] and one[1] != other[1] for one, other in zip(before, after, strict=True)), after
