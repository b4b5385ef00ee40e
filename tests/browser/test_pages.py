"""Every page: fit for assistive technology in both themes, for a phone, and without a complaint of the browser's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Floor, Invite, Visitor
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.tooling.processes import eventually

PAGES = (
    "floor",
    "empty floor",
    "desk",
    "armed",
    "conference",
    "ended",
    "refused",
    "setup",
    "my ear",
    "audit",
    "my calls",
    "note",
    "views",
    "waiting",
    "small window",
    "too old",
    "404",
    "sign-in",
)
FORM_WITHOUT_TOKEN = """() => {
  const form = Object.assign(document.createElement("form"), { method: "post", action: "/accounts/logout/" });
  document.body.append(form);
  form.submit();
}"""
Show = Callable[[str], Page]


@pytest.fixture
def show(kim: Visitor, invite: Invite, sandbox: Sandbox) -> Show:
    """Return a function that brings one of the product's pages to the screen."""

    def show_one(name: str) -> Page:
        if name == "sign-in":
            return invite(None).visit("/accounts/login/").page
        if name == "setup":
            return kim.visit("/setup/").page
        if name == "my ear":
            return kim.visit("/ear/").page
        if name == "views":
            page = kim.visit().page
            page.locator(".views summary").click()
            return page
        if name == "my calls":
            call = sandbox.script("Billing-own")
            supervisor, page = kim.visit(), invite("ana").visit("/").page
            supervisor.monitor(call.name)
            expect(page.locator(".own-now")).to_contain_text("Kim W. is listening to your call")
            expect(page.locator(".audit")).to_contain_text("still listening")
            return page
        if name == "waiting":
            sandbox.wait("+4930123456142")
            page = kim.visit("/?waiting=1").page
            expect(page.get_by_role("region", name="Who is waiting")).to_contain_text("+49 •••• 142")
            return page
        if name == "small window":
            return kim.visit("/ear/small/").page
        if name == "too old":
            page = kim.visit().page
            page.evaluate(FORM_WITHOUT_TOKEN)
            expect(page.get_by_role("heading", name="This page has expired.")).to_be_visible()
            kim.forgive("status of 403")
            return page
        if name == "404":
            page = kim.visit("/conferences/00000000-0000-0000-0000-000000000000/").page
            kim.forgive("status of 404")
            return page
        if name == "empty floor":
            return kim.visit("/?q=nobody").page
        return call_on_screen(name).page

    def call_on_screen(name: str) -> Screen:
        call = sandbox.script("Billing-page", agents=["Ana Ruiz", "Max Falk"])
        sandbox.join(call, stranger="+4930555666")
        sandbox.act(call.legs["Ana Ruiz"], "speak")
        sandbox.act(call.legs["Max Falk"], "hold")
        screen = kim.visit()
        screen.see(call.name)
        expect(screen.row(call.name)).to_contain_text("1 unknown")
        if name == "floor":
            return screen
        screen.monitor(call.name)
        address = screen.address(call.name)
        if name == "armed":
            screen.role("Barge").click()
        elif name == "refused":
            sandbox.fault(status=401, code="10009")
            screen.role("Barge").click()
            screen.role("Barge").click()
            expect(screen.refusal).to_contain_text("Telnyx refuses the API key.")
            kim.forgive("status of 422")
        elif name == "audit":
            screen.verified("Monitor")
            screen.page.goto(f"{kim.url}/audit/")
            line = screen.page.locator(".audit > li").filter(has_text="still listening")
            expect(line).to_contain_text(f"Kim W. listened to {call.name}")
            line.locator("summary").click()
            expect(line.get_by_role("link", name="Open the call")).to_be_visible()
        elif name == "note":
            screen.page.goto(f"{kim.url}{address}?note=1")
            expect(screen.desk.get_by_role("heading", name=call.name)).to_be_visible()
        elif name in {"conference", "ended"}:
            screen.page.goto(kim.url + address)
            expect(screen.desk.get_by_role("heading", name=call.name)).to_be_visible()
            if name == "ended":
                sandbox.end(call)
                expect(screen.desk).to_contain_text("This call ended at")
        elif name != "desk":
            raise ValueError(f"no page is called {name}")
        return screen

    return show_one


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(show: Show, name: str) -> None:
    page = show(name)

    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert_accessible(page, theme)

    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert_accessible(page, "320 px")


def assert_accessible(page: Page, how: str) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, f"{how}: {found.generate_report()}"
    assert len(found.response["passes"]) > 10, "nothing was examined"


# A row that is pushed meanwhile begins anew, so its beginning is moved again and again.
LASTS_AN_HOUR = """() => setInterval(() => {
  const timer = document.querySelector("tr[aria-label='Billing-page'] .col-time > span");
  if (timer) timer.dataset.since = Date.now() - 5_025_000;
}, 50)"""


@pytest.mark.parametrize("width", [320, 700, 1100, 1280, 1440, 1600, 2560])
def test_a_row_shows_who_speaks_and_its_button_whole_at_every_width(show: Show, width: int) -> None:
    page = show("floor")
    page.set_viewport_size({"width": width, "height": 900})
    row = page.get_by_role("row", name="Billing-page")

    expect(row.get_by_text("Ana 0")).to_be_visible()
    page.evaluate(LASTS_AN_HOUR)
    expect(row).to_contain_text("1:23:")
    for whole in (row.get_by_role("button", name="Monitor"), row.get_by_role("link"), row.get_by_text("1:23:")):
        inside = "e => e.scrollWidth <= e.clientWidth + 1 && e.getBoundingClientRect().right <= innerWidth"
        assert whole.evaluate(inside)
        assert whole.evaluate("e => e.closest('td, th').scrollWidth <= e.closest('td, th').clientWidth")


WHOLE = """chip => {
  const cell = chip.closest("td").getBoundingClientRect(), box = chip.getBoundingClientRect();
  return chip.scrollWidth <= chip.clientWidth && chip.scrollHeight <= chip.clientHeight
    && box.left >= cell.left && box.right <= cell.right && box.top >= cell.top && box.bottom <= cell.bottom;
}"""


@pytest.mark.parametrize("width", [320, 700, 1100, 1280, 1440, 1600, 2560])
def test_a_row_shows_whole_who_supervises_and_keeps_its_height(
    invite: Invite, kim: Visitor, sandbox: Sandbox, width: int
) -> None:
    call = sandbox.script("Billing-supervised")
    mine, lenas = kim.visit(), invite("lena").visit()
    for screen in (mine, lenas):
        screen.page.set_viewport_size({"width": width, "height": 900})
        screen.see(call.name)
    height = "row => row.getBoundingClientRect().height"
    before = [screen.row(call.name).evaluate(height) for screen in (mine, lenas)]
    mine.monitor(call.name)
    mine.target("Ana Ruiz").check()
    mine.role("Whisper").click()
    mine.verified("Whisper")

    for screen, said, who in (
        (mine, "Your call · Whisper → Ana Ruiz ✓", "Your call"),
        (lenas, "Kim W. · whisper ✓", "Kim W."),
    ):
        chip = screen.row(call.name).locator(".chip:visible")
        expect(chip).to_have_text(said)
        assert eventually(partial(chip.evaluate, WHOLE), within=5)
        named = chip.get_by_text(who, exact=True).bounding_box()
        assert width < 1200 or (named and named["width"] > 15), "the name is not to be seen"
    assert [screen.row(call.name).evaluate(height) for screen in (mine, lenas)] == before


@pytest.mark.parametrize("width", [320, 700, 1100, 1280, 1440])
def test_my_own_chip_is_whole_also_beside_another_supervisor(
    invite: Invite, kim: Visitor, sandbox: Sandbox, width: int
) -> None:
    call = sandbox.script("Billing-shared")
    mine, lenas = kim.visit(), invite("lena").visit()
    for screen in (mine, lenas):
        screen.monitor(call.name)
        screen.verified("Monitor")
    mine.page.set_viewport_size({"width": width, "height": 900})

    others = mine.row(call.name).locator(".col-supervised > small")
    chip = mine.row(call.name).locator(".chip:visible")

    expect(others).to_have_text("+1")
    expect(chip).to_have_text("Your call · Monitor ✓")
    assert eventually(partial(chip.evaluate, WHOLE), within=5)
    words = chip.get_by_text("Your call", exact=True)
    assert words.evaluate("e => !e.offsetWidth || e.getClientRects().length === 1"), "“Your call” takes two lines"


def test_a_notice_on_the_desk_is_a_line(kim: Visitor, sandbox: Sandbox) -> None:
    call, other = sandbox.script("Billing-left"), sandbox.script("Billing-next")
    screen = kim.visit()
    for each in (call, other):
        screen.see(each.name)
    screen.monitor(call.name)
    screen.monitor(other.name)
    expect(screen.ear).to_contain_text(other.name)
    screen.open(call.name)

    notice = screen.audience.locator(".notice")
    expect(notice).to_contain_text("You moved to another call.")
    assert notice.evaluate("e => e.offsetHeight") < 60


def test_the_admin_is_accessible_and_says_that_it_is_a_sandbox(invite: Invite) -> None:
    """The lists are Django's own, whose bread crumbs do not pass; they only may not complain."""
    admin = invite("admin")
    page = admin.visit("/admin/").page

    expect(page.locator(".sandbox-mark")).to_contain_text("Sandbox")
    assert_accessible(page, "admin")
    for model in ("agent", "account", "leg", "command", "webhookevent"):
        page.goto(f"{admin.url}/admin/conferences/{model}/")
        expect(page.locator(".sandbox-mark")).to_be_visible()


def test_no_form_of_the_admin_and_no_page_of_the_sandbox_breaks_its_policy(
    invite: Invite, floor: Floor, sandbox: Sandbox
) -> None:
    """A browser's complaint fails the test, and so does a policy that a page breaks (COMPLAIN)."""
    call = sandbox.script("Billing-policy")
    admin = invite("admin")
    page = admin.visit().page
    expect(page.locator("#conferences")).to_contain_text(call.name)
    for model in ("account", "agent", "conference", "leg", "supervisorsession", "team"):
        page.goto(f"{admin.url}/admin/conferences/{model}/")
        first = page.locator("#result_list tbody th a").first
        if first.count():
            first.click()
            expect(page.locator("#content-main form")).to_be_visible()
    page.goto(f"{admin.url}/admin/auth/user/add/")
    page.goto(f"{floor.sandbox.url}/")
    expect(page.get_by_role("link", name=call.name)).to_be_visible()
    page.get_by_role("link", name=call.name).click()
    expect(page.locator("main")).to_contain_text(call.name)


def test_everything_can_be_reached_by_the_tab_key_and_shows_its_focus(show: Show) -> None:
    page = show("floor")
    reached = set()

    for _press in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.innerText.trim() || document.activeElement.id"))
        outlined = "e => getComputedStyle(e).outlineStyle !== 'none' || getComputedStyle(e).boxShadow !== 'none'"
        focused = page.locator(":focus")
        if focused.count():
            assert focused.evaluate(outlined), focused.evaluate("e => e.outerHTML")

    for wanted in ("Skip to the calls", "Billing-page", "Monitor", "q"):
        assert wanted in {text.split("\n")[0] for text in reached}, reached


def test_the_list_of_keys_opens_and_closes(kim: Visitor) -> None:
    screen = kim.visit()
    screen.is_live()
    page = screen.page

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    assert_accessible(page, "dialog")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the link with this name has the focus."""
    for _press in range(4):
        page.keyboard.press("Tab")
        if page.get_by_role("link", name=name).evaluate_all("all => all.includes(document.activeElement)"):
            return
    raise AssertionError(f"the Tab key does not reach “{name}”")


def test_the_tab_key_skips_to_the_calls_and_to_the_selected_one(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-skipped")
    screen = kim.visit()
    page = screen.page
    to_desk = page.get_by_role("link", name="Skip to the selected call")
    screen.see(call.name)
    expect(to_desk).to_have_count(0)  # nothing is selected

    screen.open(call.name)
    page.reload()
    tab_to(page, "Skip to the calls")
    tab_to(page, "Skip to the selected call")
    assert_accessible(page, "skipping")
    page.keyboard.press("Enter")
    expect(page.locator("#desk-title")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#desk') !== null")


@pytest.mark.parametrize("path", ["/setup/", "/ear/", "/accounts/password/"])
def test_a_page_without_calls_skips_to_its_content(kim: Visitor, path: str) -> None:
    page = kim.visit(path).page
    page.get_by_role("link", name="Skip to the content").press("Enter")
    expect(page.locator("#main")).to_be_focused()
