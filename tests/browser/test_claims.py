"""Checks that five places of a page name the same listeners: sentence, picture, top bar, row chip, pressed button."""

from __future__ import annotations

from playwright.sync_api import APIResponse, Locator, Route, expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.sandbox import UPDATE, Sandbox
from tests.browser.screen import Screen

# Looks at every frame: a claim that differs between two places, or a row without the chip that its call must have.
WATCH = """() => {
  window.faults = [];
  window.said = [];
  const look = () => {
    const places = "#my-ear, #audience .sentence, #audience .map, #conferences .own, #desk [aria-pressed=true]";
    const found = [...document.querySelectorAll(places)];
    const claims = new Set(found.map((place) => `${place.dataset.heard} ${place.dataset.state}`));
    if (claims.size > 1) window.faults.push([...claims].join(" | "));
    const bar = document.getElementById("my-ear").dataset;
    const row = document.getElementById(`conference-${bar.conference}`);
    if (row && row.querySelectorAll(".own").length !== 1) window.faults.push("no chip in the row");
    const now = `${bar.heard} ${bar.state}`;
    if (window.said.at(-1) !== now) window.said.push(now);
    requestAnimationFrame(look);
  };
  look();
}"""


def told(screen: Screen, last: str) -> list[str]:
    """Wait until a frame has shown this claim; return all that frames have shown, in their order."""
    screen.page.wait_for_function("last => window.said.at(-1) === last", arg=last)
    return [str(said) for said in screen.page.evaluate("window.said")]


def chip(screen: Screen, name: str) -> Locator:
    return screen.row(name).locator(".chip.own")


def test_five_places_agree_in_every_frame_and_the_chip_never_flickers(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-claims", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    expect(chip(screen, call.name)).to_have_text("Your call · Monitor ✓")
    screen.page.evaluate(WATCH)
    screen.target("Ana Ruiz").check()
    for name in ("Whisper", "Monitor"):
        screen.role(name).click()
        for leg in call.legs.values():
            sandbox.act(leg, "speak")
        screen.verified(name)
    screen.barge()
    screen.verified("Barge")
    expect(chip(screen, call.name)).to_have_text("Your call · Barge ✓")
    assert {"chosen verified", "nobody verified"} <= set(told(screen, "everyone verified"))
    assert screen.page.evaluate("window.faults") == []


def test_an_accepted_monitor_is_no_silence_before_a_reading_shows_it(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-still")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    screen.barge()
    screen.verified("Barge")
    expect(screen.page).to_have_title("(!) Floor · Floorline")
    screen.page.evaluate(WATCH)
    screen.role("Monitor").click()
    screen.verified("Monitor")
    expect(screen.page).to_have_title("Floor · Floorline")
    claims = told(screen, "nobody verified")
    assert [said for said in claims if said.startswith("nobody")] == ["nobody verified"]
    assert screen.page.evaluate("window.faults") == []


def test_a_barge_without_an_answer_is_told_as_doubt_after_the_monitor_that_followed_it(
    kim: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-unsure")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    sandbox.fault(UPDATE, times=1, drop=True)
    screen.barge()
    expect(screen.role("Monitor")).to_have_attribute("data-heard", "maybe")
    expect(screen.role("Monitor")).to_have_attribute("aria-pressed", "true")
    expect(screen.ear).to_have_attribute("data-heard", "maybe")
    expect(screen.audience).to_contain_text("Careful: the customer and Ana Ruiz may hear you.")
    expect(screen.page).to_have_title("(!) Floor · Floorline")


def test_a_late_answer_puts_nothing_back_that_the_stream_has_brought_since(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-late-answer")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    expect(chip(screen, call.name)).to_have_text("Your call · Monitor ✓")
    screen.target("Ana Ruiz").check()
    held: list[tuple[Route, APIResponse]] = []
    screen.page.route("**/role/", lambda route: held.append((route, route.fetch())))

    screen.role("Whisper").click()
    expect(chip(screen, call.name)).to_have_text("Your call · Whisper → Ana Ruiz ✓")
    screen.verified("Whisper")
    [(route, answer)] = held
    screen.page.evaluate("document.addEventListener('htmx:finally:request', () => { window.answered = true })")
    route.fulfill(response=answer)
    screen.page.wait_for_function("window.answered")

    expect(chip(screen, call.name)).to_have_text("Your call · Whisper → Ana Ruiz ✓")
    screen.verified("Whisper")


def test_my_chip_goes_with_me_from_call_to_call_and_says_you_once(invite: Invite, sandbox: Sandbox) -> None:
    first, second = sandbox.script("Billing-first"), sandbox.script("Billing-second")
    screen = invite("kim").visit()
    screen.see(second.name)
    screen.monitor(first.name)
    expect(screen.row(first.name)).to_contain_text("Your call · Monitor ✓")
    screen.open(second.name)
    expect(screen.audience).to_contain_text(f"You are in {first.name}: nobody hears you there.")
    screen.audience.get_by_role("link", name=f"Show {first.name}").click()
    expect(screen.desk.get_by_role("heading", name=first.name)).to_be_visible()
    screen.monitor(second.name)
    expect(chip(screen, second.name)).to_have_text("Your call · Monitor ✓")
    expect(screen.row(second.name).locator(".chip:visible")).to_have_count(1)
    expect(chip(screen, first.name)).to_have_count(0)
    screen.leave.click()
    expect(chip(screen, second.name)).to_have_count(0)


def test_without_a_script_my_row_begins_with_my_chip(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-plain-chip")
    scripted = invite("kim").visit()
    scripted.see(call.name)
    scripted.monitor(call.name)
    plain = invite("kim", java_script=False).visit()
    expect(chip(plain, call.name)).to_have_text("Your call · Monitor ✓")
