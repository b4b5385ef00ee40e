"""The whole job, from sign-in to Leave, checked against who really hears whom."""

from __future__ import annotations

from playwright.sync_api import Error, Locator, expect

from tests.browser.conftest import Invite, Visitor, sign_in
from tests.browser.sandbox import KIMS_PHONE, Sandbox
from tests.browser.screen import VERIFIED, Screen
from tests.tooling.processes import eventually

CUSTOMER = "+4930123456142"


def roles_sent(sandbox: Sandbox, *, since: int) -> list[str]:
    bodies = [entry["body"] or {} for entry in sandbox.requests(since=since) if entry["method"] == "POST"]
    return [body["supervisor_role"] for body in bodies if "supervisor_role" in body]


def test_kim_monitors_whispers_to_one_agent_barges_and_leaves(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-job", agents=["Ana Ruiz", "Max Falk"], customer=CUSTOMER)
    before = sandbox.newest_request()
    kim = invite(None)
    page = kim.context.new_page()
    sign_in(page, kim.url, "kim")
    screen = Screen(page)

    screen.monitor(call.name)
    expect(screen.audience).to_contain_text("Nobody hears you. You hear everyone.")
    assert sandbox.hearing(call) == set()

    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    expect(screen.audience).to_contain_text("Only Ana Ruiz hears you. The customer does not.")
    expect(screen.ear).to_contain_text("Whisper → Ana Ruiz")
    assert sandbox.hearing(call) == {"Ana Ruiz"}

    screen.role("Barge").click()
    expect(page.locator("#about-barge")).to_have_text("Customer, Ana and Max will hear you. Press again.")
    assert sandbox.hearing(call) == {"Ana Ruiz"}
    screen.role("Barge").click()
    screen.verified("Barge")
    expect(screen.audience).to_contain_text("Everyone hears you")
    assert sandbox.hearing(call) == {"Ana Ruiz", "Max Falk", CUSTOMER}

    screen.leave.click()
    expect(screen.ear).to_contain_text("connected, not in a call")
    expect(screen.audience).to_contain_text("Your phone is connected and in no call. Nobody hears you.")
    assert sandbox.hearing(call) is None
    assert sandbox.present(call) == {"Ana Ruiz", "Max Falk", CUSTOMER}
    assert roles_sent(sandbox, since=before) == ["monitor", "whisper", "barge"]


def test_from_a_cold_start_whisper_follows_by_itself(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-cold", agents=["Ana Ruiz", "Max Falk"])
    before = sandbox.newest_request()
    screen = kim.visit()
    screen.see(call.name)
    screen.open(call.name)

    screen.target("Ana Ruiz").check()
    sandbox.order("/phones", address=KIMS_PHONE, behaviour="no_answer")  # for as long as it takes to see it ring
    screen.role("Whisper").click()

    expect(screen.ear).to_contain_text("Ringing Kim’s desk phone")
    sandbox.order("/phones", address=KIMS_PHONE, behaviour="answers")
    screen.verified("Whisper")
    assert sandbox.hearing(call) == {"Ana Ruiz"}
    assert roles_sent(sandbox, since=before) == ["monitor", "whisper"]


def test_whisper_is_off_until_somebody_is_chosen(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-nobody", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit()
    screen.see(call.name)
    screen.open(call.name)

    expect(screen.role("Whisper")).to_be_disabled()
    screen.target("Max Falk").check()
    expect(screen.role("Whisper")).to_be_enabled()
    screen.target("Max Falk").uncheck()
    expect(screen.role("Whisper")).to_be_disabled()
    expect(screen.target(CUSTOMER)).to_have_count(0)


def test_an_armed_barge_is_forgotten_after_five_seconds(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-armed")
    screen = kim.visit(clock=True)
    screen.see(call.name)
    screen.monitor(call.name)
    about = screen.page.locator("#about-barge")

    screen.role("Barge").click()
    expect(about).to_contain_text("Press again")
    screen.page.clock.fast_forward(5_200)
    expect(about).to_have_text("everyone hears you")
    screen.role("Barge").click()

    expect(about).to_contain_text("Press again")
    assert sandbox.hearing(call) == set()


def test_for_a_minute_after_a_barge_one_press_is_enough(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-again")
    screen = kim.visit(clock=True)
    screen.see(call.name)
    screen.monitor(call.name)
    screen.barge()
    screen.verified("Barge")
    screen.role("Monitor").click()
    screen.verified("Monitor")

    screen.role("Barge").click()
    screen.verified("Barge")
    screen.role("Monitor").click()
    screen.verified("Monitor")
    screen.page.clock.fast_forward(60_200)
    screen.role("Barge").click()
    expect(screen.page.locator("#about-barge")).to_contain_text("Press again")
    assert sandbox.hearing(call) == set()


def test_arming_moves_nothing_under_the_pointer(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-still")
    screen = kim.visit()
    screen.see(call.name)
    screen.open(call.name)
    whisper, target = screen.role("Whisper").bounding_box(), screen.target("Ana Ruiz").bounding_box()

    screen.monitor(call.name)
    assert screen.role("Whisper").bounding_box() == whisper
    screen.role("Barge").click()
    expect(screen.page.locator("#armed-hint")).to_contain_text("Customer and Ana will hear you. Press again.")
    assert screen.target("Ana Ruiz").bounding_box() == target


def test_the_whole_job_by_keyboard_alone(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-keys", agents=["Ana Ruiz", "Max Falk"])
    kim = invite(None)
    page = kim.context.new_page()
    screen = Screen(page)
    keys = page.keyboard

    page.goto(kim.url)
    expect(page.get_by_label("User name")).to_be_focused()
    keys.type("kim")
    keys.press("Tab")
    keys.type("floorline-demo")
    keys.press("Enter")
    screen.see(call.name)
    screen.is_live()

    keys.press("j")
    expect(screen.row(call.name).get_by_role("link")).to_be_focused()
    keys.press("m")
    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()

    keys.press(key_of(screen, "Max Falk"))
    expect(screen.target("Max Falk")).to_be_checked()
    keys.press("w")
    screen.verified("Whisper")
    assert sandbox.hearing(call) == {"Max Falk"}

    keys.press("b")
    expect(page.locator("#about-barge")).to_contain_text("Press again")
    assert sandbox.hearing(call) == {"Max Falk"}
    keys.press("b")
    screen.verified("Barge")
    assert sandbox.hearing(call) == sandbox.present(call) - {"Kim’s desk phone"}

    keys.press("Escape")
    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()

    keys.press("x")
    expect(screen.ear).to_contain_text("connected, not in a call")
    assert sandbox.hearing(call) is None


def key_of(screen: Screen, agent: str) -> str:
    """Return the digit that the page shows for an agent."""
    key = screen.target(agent).get_attribute("data-key")
    assert key
    return key


def test_keys_do_nothing_while_somebody_types(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-typed")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    before = sandbox.newest_request()
    search = screen.page.get_by_role("searchbox")
    screen.is_live()

    screen.page.keyboard.press("/")
    expect(search).to_be_focused()
    screen.page.keyboard.type("bbwx1mjk?")

    expect(search).to_have_value("bbwx1mjk?")
    screen.page.keyboard.press("Escape")
    expect(search).not_to_be_focused()
    assert [entry for entry in sandbox.requests(since=before) if entry["method"] == "POST"] == []
    assert sandbox.hearing(call) == set()


def test_the_whole_job_without_javascript(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-plain", agents=["Ana Ruiz", "Max Falk"], customer=CUSTOMER)
    kim = invite("kim", java_script=False)
    screen = kim.visit()
    reload_until_shown(screen, screen.row(call.name))

    screen.row(call.name).get_by_role("button", name="Monitor").click()
    # Loads again by itself, every ten seconds.
    expect(screen.audience).to_contain_text(VERIFIED, timeout=45_000)
    assert sandbox.hearing(call) == set()

    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    reload_until_shown(screen, screen.audience.get_by_text("Only Ana Ruiz hears you."), screen.verification)
    assert sandbox.hearing(call) == {"Ana Ruiz"}

    screen.role("Barge").click()
    expect(screen.page.locator("#about-barge")).to_contain_text("Press again")
    assert sandbox.hearing(call) == {"Ana Ruiz"}
    screen.role("Barge").click()
    reload_until_shown(screen, screen.audience.get_by_text("Everyone hears you"), screen.verification)
    assert sandbox.hearing(call) == {"Ana Ruiz", "Max Falk", CUSTOMER}

    screen.leave.click()
    expect(screen.ear).to_contain_text("connected, not in a call", timeout=45_000)
    assert sandbox.hearing(call) is None
    assert sandbox.present(call) == {"Ana Ruiz", "Max Falk", CUSTOMER}


def reload_until_shown(screen: Screen, *wanted: Locator) -> None:
    """Load the page again, as its reader would, until it shows all of these."""

    def is_shown() -> bool:
        try:
            screen.page.reload()
            return all(locator.is_visible() for locator in wanted)
        except Error:
            return False  # the page was just then loading again by itself

    assert eventually(is_shown, within=30), screen.page.locator("main").inner_text()


def test_without_javascript_a_note_in_the_making_is_not_lost(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-slow-note")
    kim = invite("kim", java_script=False)
    screen = kim.visit()
    reload_until_shown(screen, screen.row(call.name))
    screen.row(call.name).get_by_role("link", name=call.name).click()
    expect(screen.page.get_by_label("Note", exact=True)).to_be_hidden()

    screen.page.get_by_role("link", name="Add a note").click()
    note = screen.page.get_by_label("Note", exact=True)
    note.fill("Asked for a refund twice.")
    screen.page.wait_for_timeout(11_000)  # longer than the other pages take to load again

    expect(note).to_have_value("Asked for a refund twice.")
    screen.page.get_by_role("button", name="Save note").click()
    expect(screen.desk).to_contain_text("Asked for a refund twice.")
