"""The strip of who spoke when: drawn from what was told, and moved on by the page while somebody speaks."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.sandbox import Sandbox

# Resolves once the running turn ends where the strip ends, and both have moved on since the first look.
GROWS = """async () => {
  const lane = () => document.querySelector(".speech-lane:has([data-runs])");
  const end = () => Number(lane()?.getAttribute("viewBox").split(" ")[2]);
  const running = () => {
    const bar = lane().querySelector("[data-runs]");
    return Number(bar.getAttribute("x")) + Number(bar.getAttribute("width"));
  };
  const first = end();
  while (!(end() > first + 1 && Math.abs(running() - end()) < 0.2)) await new Promise(requestAnimationFrame);
}"""


def test_the_strip_shows_each_speaker_and_the_running_turn_grows(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-strip")
    screen = kim.visit()
    screen.see(call.name)
    screen.open(call.name)
    sandbox.act(call.legs["Ana Ruiz"], "speak")
    lanes = screen.desk.locator(".speech-lane")
    expect(lanes).to_have_count(1)
    sandbox.act(call.legs["+4930123456142"], "speak")
    expect(lanes).to_have_count(2)
    expect(screen.desk.locator(".speech-lane.party-agent rect")).to_have_count(1)
    screen.page.evaluate(GROWS)
    screen.desk.get_by_text("Newest turns in words").click()
    turns = screen.desk.locator(".turns li")
    expect(turns.first).to_contain_text("Customer")
    sandbox.act(call.legs["Ana Ruiz"], "speak")
    expect(turns.first).to_contain_text("Ana Ruiz")  # open as it was, and up to date
