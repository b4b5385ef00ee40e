"""Under a storm of events nothing is taken out of a person's hands: not the text, not the focus, not a tick."""

from __future__ import annotations

from itertools import cycle

from playwright.sync_api import expect

from tests.browser.conftest import Invite, Visitor
from tests.browser.sandbox import Sandbox, Scripted


def storm(sandbox: Sandbox, call: Scripted, *, number: int) -> None:
    """Let people speak, hold, come and go; let another call begin and an older one end."""
    for leg in call.legs.values():
        sandbox.act(leg, "speak")
    sandbox.act(call.legs["Max Falk"], "hold" if number % 2 else "unhold")
    sandbox.join(call, customer=f"+4930999{number:04}")
    sandbox.script(f"Billing-storm-{number}", agents=[["Priya Nair"], ["Grace Okafor"]][number % 2])
    if number > 1:
        sandbox.order(f"/conferences/Billing-storm-{number - 2}/end", how="hangup")


def test_text_in_the_search_box_survives(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit()
    screen.see(call.name)
    search = screen.page.get_by_role("searchbox")
    search.focus()
    typed = "Billing-mine"

    for number, character in enumerate(typed):
        screen.page.keyboard.type(character)
        if number % 2:
            storm(sandbox, call, number=number // 2)

    expect(screen.row(call.name)).to_contain_text("+49 •••• 005")
    expect(search).to_have_value(typed)
    expect(search).to_be_focused()
    assert search.evaluate("box => box.selectionStart") == len(typed)


def test_new_calls_wait_behind_a_pill_while_the_list_is_in_use(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit(clock=True)
    screen.see(call.name)
    screen.is_live()
    screen.stop_time()  # after some seconds a focus that rests is no use any more
    screen.row(call.name).get_by_role("link").focus()

    sandbox.script("Billing-next")
    sandbox.script("Billing-after")

    assert screen.comes(screen.new_rows.get_by_text("2 new calls"))
    expect(screen.row("Billing-next")).to_have_count(0)
    screen.page.keyboard.press("n")
    assert screen.comes(screen.row("Billing-next"))
    assert screen.comes(screen.row("Billing-after"))
    expect(screen.new_rows).to_be_hidden()


def test_focus_ticks_and_an_open_menu_survive(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine", agents=["Ana Ruiz", "Max Falk", "Priya Nair"])
    screen = kim.visit()
    screen.see(call.name)
    screen.open(call.name)
    screen.target("Ana Ruiz").check()
    link = screen.row(call.name).get_by_role("link")
    link.focus()
    row = screen.row(call.name).element_handle()
    menu = screen.my_menu
    menu.evaluate("details => details.open = true")

    for number in range(7):
        storm(sandbox, call, number=number)

    expect(screen.desk).to_contain_text("+49 •••• 006")
    expect(link).to_be_focused()
    expect(screen.target("Ana Ruiz")).to_be_checked()
    expect(screen.target("Max Falk")).not_to_be_checked()
    expect(menu).to_have_attribute("open", "")
    # The very same element: whatever holds on to it, a screen reader or a pointer, still holds it.
    assert row.evaluate("(row, now) => row === now", screen.row(call.name).element_handle())


def test_opened_evidence_stays_open_and_learns_of_who_joins(invite: Invite, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-known")
    screen = invite("lena").visit()  # staff alone see it
    screen.see(call.name)
    screen.open(call.name)
    evidence = screen.desk.locator(".evidence")
    expect(evidence).not_to_contain_text("joined by webhook", use_inner_text=True)

    evidence.get_by_text("Details for support").click()
    expect(evidence).to_contain_text("joined by webhook", use_inner_text=True)
    sandbox.join(call, agent="Max Falk")
    expect(evidence.get_by_text("Max Falk")).to_be_visible()


def test_a_tick_made_during_the_storm_is_what_is_sent(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)

    storm(sandbox, call, number=0)
    screen.target("Max Falk").check()
    # Somebody new is in the call; who has not seen that would be refused a whisper.
    expect(screen.desk).to_contain_text("+49 •••• 000")
    for leg in call.legs.values():
        sandbox.act(leg, "speak")
    screen.role("Whisper").click()

    screen.verified("Whisper")
    expect(screen.audience).to_contain_text("Only Max Falk hears you.")
    assert sandbox.hearing(call) == {"Max Falk"}


def test_rows_keep_their_order_and_place_while_calls_begin_and_speak(kim: Visitor, sandbox: Sandbox) -> None:
    """The longest come first, so a new call goes below and nothing above it moves."""
    calls = [sandbox.script(f"Billing-{number}", agents=["Ana Ruiz", "Max Falk"]) for number in range(4)]
    screen = kim.visit("/?sort=longest")
    screen.see(calls[-1].name)
    before = [screen.row(call.name).bounding_box() for call in calls]

    for number, call in zip(range(6), cycle(calls), strict=False):
        storm(sandbox, call, number=number)

    screen.see("Billing-storm-5")
    for box, call in zip(before, calls, strict=True):
        after = screen.row(call.name).bounding_box()
        assert box
        assert after
        assert (after["y"], after["height"]) == (box["y"], box["height"]), call.name


# Notes the page once the first of two rows has ended, and for how long it stays: a test may look too late.
WATCH_AN_END = """([ended, below]) => {
  const row = () => document.getElementById(ended);
  window.ended = null;
  document.addEventListener("htmx:after:swap", () => {
    if (window.ended && !row()) window.ended.stayed ??= performance.now() - window.ended.at;
    if (window.ended || !row()?.classList.contains("ended")) return;
    const { x, y, width, height } = document.getElementById(below).getBoundingClientRect();
    const buttons = row().querySelectorAll("button").length;
    window.ended = { at: performance.now(), words: row().innerText, buttons, place: { x, y, width, height } };
  });
}"""


def test_an_ended_call_stays_in_its_place_for_a_moment_and_tells_so(kim: Visitor, sandbox: Sandbox) -> None:
    call, below = sandbox.script("Billing-ends"), sandbox.script("Billing-below")
    screen = kim.visit()
    screen.see(call.name)
    screen.see(below.name)
    place = screen.row(below.name).bounding_box()
    ids = [screen.row(each.name).get_attribute("id") for each in (call, below)]
    screen.page.evaluate(WATCH_AN_END, ids)

    sandbox.end(call, how="hangup")

    screen.page.wait_for_function("() => window.ended?.stayed")
    ended = screen.page.evaluate("window.ended")
    assert "ended" in ended["words"]
    assert "Ana Ruiz" in ended["words"]
    assert ended["buttons"] == 0
    assert ended["place"] == place
    assert ended["stayed"] > 1_000
    screen.see(below.name)
