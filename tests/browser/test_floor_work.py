"""A shift's work on the floor: narrowing it, keeping views, writing notes, following an agent, keys of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen
from tests.tooling.processes import eventually


def choose(screen: Screen, filter_: str, option: str) -> None:
    screen.page.get_by_label(filter_, exact=True).select_option(label=option)


def hang_up(sandbox: Sandbox, call: Scripted) -> None:
    """Let everybody but the supervisor put the phone down."""
    for leg in call.legs.values():
        sandbox.act(leg, "hangup")


def rows(screen: Screen) -> Locator:
    return screen.page.locator("#conferences tr.conference:not(.ended)")


# --- Narrowing the floor ----------------------------------------------------------------------------------------------


def test_a_floor_narrowed_to_a_queue_stays_narrow_live_and_after_a_reload(invite: Invite, sandbox: Sandbox) -> None:
    screen = invite("lena").visit()  # before there is anything to choose from
    screen.is_live()
    billing = sandbox.script("Billing-narrow")
    support = sandbox.script("Support-narrow", agents=["Tom Novak"], team="Support")
    screen.see(billing.name)
    screen.see(support.name)

    choose(screen, "Queue", "support")
    expect(screen.row(billing.name)).to_have_count(0)
    screen.see(support.name)
    expect(screen.page).to_have_url(re.compile(r"[?&]queue=q%3Asupport"))
    screen.let_go()

    later = sandbox.script("Support-later", agents=["Tom Novak"], team="Support")
    sandbox.script("Billing-later")
    screen.see(later.name)
    expect(rows(screen)).to_have_count(2)
    sandbox.end(support)
    expect(rows(screen)).to_have_count(1)

    screen.page.reload()
    screen.see(later.name)
    expect(rows(screen)).to_have_count(1)


def test_supervised_calls_are_one_press_away_and_leave_the_list_with_their_supervisor(
    kim: Visitor, invite: Invite, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-heard")
    sandbox.script("Billing-alone")
    at_work = kim.visit()
    at_work.see(call.name)
    at_work.monitor(call.name)

    lena = invite("lena").visit()
    lena.page.get_by_role("link", name="1 supervised now").click()
    expect(rows(lena)).to_have_count(1)
    lena.see(call.name)
    lena.let_go()

    at_work.leave.click()
    expect(rows(lena)).to_have_count(0)


def test_a_search_finds_by_agent_and_is_cleared_at_once(kim: Visitor, sandbox: Sandbox) -> None:
    anas, maxs = sandbox.script("Billing-ana"), sandbox.script("Billing-max", agents=["Max Falk"])
    screen = kim.visit()
    screen.see(anas.name)
    screen.see(maxs.name)

    screen.page.keyboard.press("/")
    screen.page.keyboard.type("max f")
    expect(screen.row(anas.name)).to_have_count(0)
    screen.see(maxs.name)
    screen.page.get_by_role("link", name="Clear filters").click()
    screen.see(anas.name)
    expect(screen.page.get_by_role("searchbox")).to_have_value("")


def test_a_number_is_searched_for_without_an_address_that_names_it(kim: Visitor, sandbox: Sandbox) -> None:
    wanted = sandbox.script("Billing-wanted", customer="+13125550142")
    other = sandbox.script("Billing-other", customer="+13125550143")
    screen = kim.visit()
    screen.see(other.name)
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.extend([request.url, request.headers.get("referer") or ""]))

    screen.page.keyboard.press("/")
    screen.page.keyboard.type("+1 (312) 555-0142", delay=120)
    expect(screen.row(other.name)).to_have_count(0)
    screen.see(wanted.name)
    expect(screen.page).to_have_url(re.compile(r"/\?number=[\w-]{22}$"))
    screen.is_live()  # by the stream of this window
    screen.page.reload()
    screen.see(wanted.name)
    expect(screen.row(other.name)).to_have_count(0)
    expect(screen.page.get_by_role("searchbox")).to_have_value("+1 (312) 555-0142")
    assert asked
    # The port and the names of static files hold any digits.
    assert not [address for address in asked if re.search(r"555|0142", urlsplit(address).query)]

    search = screen.page.get_by_role("searchbox")
    for guess in range(19):
        search.fill(f"+1312555{guess:04}")
        expect(screen.page.get_by_text(f"No live call matches “+1312555{guess:04}”")).to_be_visible()
    search.fill("+13125550143")
    expect(screen.page.get_by_text("You have searched for 20 numbers")).to_be_visible()
    expect(screen.row(other.name)).to_have_count(0)
    screen.page.get_by_role("link", name="Clear filters").click()
    screen.see(other.name)
    expect(screen.page.get_by_text("You have searched for 20 numbers")).to_have_count(0)
    kim.forgive("429")


def test_a_call_that_needs_somebody_says_why_and_one_key_goes_there(kim: Visitor, sandbox: Sandbox) -> None:
    monologue = sandbox.script("Billing-monologue")
    sandbox.act(monologue.legs["Ana Ruiz"], "speak")
    screen = kim.visit()
    screen.see(monologue.name)
    # Nobody else for forty seconds.
    expect(screen.row(monologue.name)).to_contain_text("same speaker for", timeout=60_000)
    later = sandbox.script("Billing-later")
    screen.see(later.name)
    expect(screen.page.get_by_role("link", name="1 need you")).to_be_visible()

    screen.page.keyboard.press("g")
    expect(screen.row(monologue.name).get_by_role("link")).to_be_focused()

    # Also where the window on the screen does not hold it.
    screen.page.goto(f"{kim.url}/?page=2")
    screen.is_live()
    screen.page.keyboard.press("g")
    expect(screen.row(monologue.name).get_by_role("link")).to_be_focused()
    expect(screen.page).to_have_url(re.compile(r"flag=needs"))


# --- Views ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lenas_view(invite: Invite) -> Iterator[Screen]:
    """Lena's floor with a view of hers, which goes with the test."""
    screen = invite("lena").visit("/?sort=newest&supervised=1")
    views = screen.page.locator("details.views")
    views.get_by_text("Views", exact=True).click()
    views.get_by_label("Save this view as").fill("Listened to")
    views.get_by_role("button", name="Save view").click()
    expect(screen.page.locator("details.views a", has_text="Listened to")).to_have_count(1)
    yield screen
    screen.page.goto(screen.page.url)
    screen.page.locator("details.views > summary").click()
    screen.page.get_by_label("Change Listened to").click()
    delete = screen.page.get_by_role("button", name="Delete Listened to")
    expect(delete).to_have_count(0)  # before it is asked for
    screen.page.get_by_text("Delete…", exact=True).click()
    expect(screen.page.get_by_text("Delete “Listened to”?")).to_be_visible()
    delete.click()
    expect(screen.page.locator("details.views a", has_text="Listened to")).to_have_count(0)


def test_a_saved_view_brings_its_filters_back_and_is_nobody_elses(lenas_view: Screen, kim: Visitor) -> None:
    page = lenas_view.page
    page.goto(page.url.partition("?")[0])
    page.locator("details.views > summary").click()
    page.locator("details.views a", has_text="Listened to").click()
    expect(page).to_have_url(re.compile(r"supervised=1"))
    expect(page).to_have_url(re.compile(r"sort=newest"))

    kims = kim.visit()
    kims.page.locator("details.views > summary").click()
    expect(kims.page.get_by_label("Save this view as")).to_be_visible()
    expect(kims.page.get_by_text("Listened to")).to_have_count(0)


def test_the_floor_opens_with_the_default_view_and_names_it(lenas_view: Screen) -> None:
    page = lenas_view.page
    menu = page.locator("details.views > summary")
    expect(menu).to_have_text(re.compile("Listened to"))
    menu.click()
    with page.expect_event("load"):  # a menu that is opened before is closed on the page that follows
        page.get_by_role("button", name="Open the floor with Listened to").click()
    menu.click()
    expect(page.get_by_role("button", name="Open the floor with Listened to")).to_have_attribute("aria-pressed", "true")

    page.goto(page.url.partition("?")[0])
    expect(page).to_have_url(re.compile(r"supervised=1"))
    page.get_by_role("link", name="live calls").click()
    expect(menu).to_have_text("Views")
    expect(page).not_to_have_url(re.compile(r"supervised=1"))
    page.reload()  # the address says that every call is meant
    expect(menu).to_have_text("Views")


# --- Notes ------------------------------------------------------------------------------------------------------------


def test_a_note_written_by_one_key_is_on_everybodys_open_desk_and_outlives_the_call(
    kim: Visitor, invite: Invite, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-note")
    kims, lenas = kim.visit(), invite("lena").visit()
    for screen in (kims, lenas):
        screen.see(call.name)
        screen.open(call.name)
        screen.is_live()
    address = lenas.address(call.name)

    kims.page.keyboard.press("c")
    kims.page.keyboard.type("Refund promised; call back on Monday.")
    kims.page.get_by_role("button", name="Save note").click()

    expect(lenas.desk.locator(".notes")).to_contain_text("Refund promised; call back on Monday.")
    expect(kims.desk.locator(".notes")).to_contain_text("Refund promised; call back on Monday.")
    expect(kims.desk.get_by_label("Note", exact=True)).to_have_value("")
    sandbox.end(call)
    expect(lenas.desk).to_contain_text("This call ended at")
    lenas.page.goto(kim.url + address)
    expect(lenas.desk.locator(".notes")).to_contain_text("Refund promised; call back on Monday.")


# --- Following an agent -----------------------------------------------------------------------------------------------


def test_an_ear_that_follows_an_agent_is_in_the_next_call_silently(kim: Visitor, sandbox: Sandbox) -> None:
    first = sandbox.script("Billing-first")
    screen = kim.visit()
    screen.see(first.name)
    screen.monitor(first.name)
    screen.desk.get_by_role("button", name="Follow Ana Ruiz on every call").click()
    expect(screen.desk).to_contain_text("You follow Ana Ruiz.")

    hang_up(sandbox, first)
    expect(screen.ear).to_contain_text("connected, not in a call")
    second = sandbox.script("Billing-second")

    assert eventually(lambda: sandbox.hearing(second) is not None, within=30)
    assert sandbox.hearing(second) == set()
    expect(screen.ear).to_contain_text(second.name)
    assert "Max Falk" not in sandbox.present(second)


def test_the_next_call_of_an_agent_is_one_call_only(kim: Visitor, sandbox: Sandbox) -> None:
    first = sandbox.script("Billing-first")
    screen = kim.visit()
    screen.see(first.name)
    screen.monitor(first.name)
    screen.desk.get_by_role("button", name="Follow Ana Ruiz: just the next one").click()
    expect(screen.desk).to_contain_text("You will join the next call of Ana Ruiz.")

    hang_up(sandbox, first)
    expect(screen.ear).to_contain_text("connected, not in a call")
    second = sandbox.script("Billing-second")
    assert eventually(lambda: sandbox.hearing(second) is not None, within=30)
    expect(screen.ear).to_contain_text(second.name)
    hang_up(sandbox, second)
    expect(screen.ear).to_contain_text("connected, not in a call")
    third = sandbox.script("Billing-third")
    screen.see(third.name)
    screen.is_live()
    expect(screen.ear).to_contain_text("connected, not in a call")
    assert sandbox.hearing(third) is None


# --- Keys -------------------------------------------------------------------------------------------------------------


SAVED = "Your keys are saved."  # on the page that follows: the one before already holds what was typed


@pytest.fixture
def keys_of_ones_own(kim: Visitor) -> Iterator[Screen]:
    """Kim's page about the ear, where the keys are; in the end they are the usual ones again."""
    screen = kim.visit("/ear/")
    yield screen
    screen.page.goto(kim.url + "/ear/")
    screen.page.get_by_role("button", name="Reset to default keys").click()
    expect(screen.page.get_by_text(SAVED)).to_be_visible()
    expect(screen.page.get_by_label("next call", exact=True)).to_have_value("j")


def test_a_changed_key_works_and_the_old_one_does_not(keys_of_ones_own: Screen, kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine")
    page = keys_of_ones_own.page
    page.get_by_label("next call", exact=True).fill("d")
    page.get_by_role("button", name="Save keys").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    expect(page.get_by_label("next call", exact=True)).to_have_value("d")

    page.goto(kim.url)
    keys_of_ones_own.see(call.name)
    link = keys_of_ones_own.row(call.name).get_by_role("link")
    page.keyboard.press("j")
    expect(link).not_to_be_focused()
    page.keyboard.press("d")
    expect(link).to_be_focused()


def test_keys_that_are_switched_off_do_nothing(keys_of_ones_own: Screen, kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-off")
    page = keys_of_ones_own.page
    page.get_by_label("Use keyboard shortcuts").uncheck()
    page.get_by_role("button", name="Save keys").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    expect(page.get_by_label("Use keyboard shortcuts")).not_to_be_checked()

    before = sandbox.newest_request()
    page.goto(kim.url)
    keys_of_ones_own.see(call.name)
    keys_of_ones_own.row(call.name).get_by_role("link").focus()
    for key in ("m", "?", "/", "c"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(keys_of_ones_own.ear).to_contain_text("Phone not connected")
    assert not [entry for entry in sandbox.requests(since=before) if entry["method"] == "POST"]


def test_keys_that_are_switched_off_are_promised_nowhere(
    keys_of_ones_own: Screen, kim: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-no-keys", agents=["Ana Ruiz", "Max Falk"])
    page = keys_of_ones_own.page
    page.goto(kim.url)
    keys_of_ones_own.see(call.name)
    hints, key = page.locator(".hints"), page.locator(".leg kbd").first
    expect(hints).to_be_visible()
    keys_of_ones_own.open(call.name)
    expect(key).to_have_text("1")
    expect(key).to_be_visible()

    page.goto(f"{kim.url}/ear/")
    page.get_by_label("Use keyboard shortcuts").uncheck()
    page.get_by_role("button", name="Save keys").click()
    expect(page.get_by_label("Use keyboard shortcuts")).not_to_be_checked()
    page.goto(kim.url)
    keys_of_ones_own.see(call.name)
    expect(hints).to_be_hidden()
    keys_of_ones_own.open(call.name)
    expect(keys_of_ones_own.target("Ana Ruiz")).to_be_visible()
    expect(key).to_be_hidden()
