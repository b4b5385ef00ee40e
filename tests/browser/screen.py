"""The screens by the words a person reads: rows, the desk, the ear in the top bar."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

SET_VISIBILITY = """state => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
VERIFIED = re.compile(r"Confirmed by Telnyx \d\d:\d\d:\d\d")


class Screen:
    """One page of Floorline, as somebody sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def hide(self) -> None:
        """Let the page believe that another tab or window is in front of it."""
        self.page.evaluate(SET_VISIBILITY, "hidden")

    def show(self) -> None:
        """Bring the page back in front."""
        self.page.evaluate(SET_VISIBILITY, "visible")

    def comes_to(self, holds: Callable[[], bool], *, within: float) -> bool:
        """Return whether something came true in time (seconds), for what the page's events tell.

        Playwright hands events out only while it is asked something itself.
        """
        deadline = time.monotonic() + within
        while not holds() and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
        return holds()

    def stop_time(self) -> None:
        """Let the page's own time stand still, a little later than now: it goes on until it is told."""
        self.page.clock.pause_at(self.page.evaluate("Date.now() / 1000 + 3"))

    def comes(self, wanted: Locator) -> bool:
        """Return whether something is shown while little of the page's own time passes: a swap waits for timers."""

        def is_there() -> bool:
            self.page.clock.run_for(5)
            return wanted.is_visible()

        return self.comes_to(is_there, within=20)

    # The floor

    def row(self, name: str) -> Locator:
        return self.page.get_by_role("row", name=name, exact=True)

    def see(self, name: str) -> None:
        """Wait until a conference has its row."""
        expect(self.row(name)).to_be_visible()

    def open(self, name: str) -> None:
        """Bring a conference to the desk."""
        self.row(name).get_by_role("link", name=name).click()
        expect(self.desk.get_by_role("heading", name=name)).to_be_visible()

    def address(self, name: str) -> str:
        """Return the path of a conference's own page."""
        return self.row(name).get_by_role("link", name=name).get_attribute("href") or ""

    def let_go(self) -> None:
        """Take pointer and focus off the list: while it is in use, nothing in it moves."""
        self.page.mouse.move(0, 0)
        self.page.evaluate("document.activeElement.blur()")

    @property
    def new_rows(self) -> Locator:
        return self.page.locator("#new-rows")

    @property
    def my_menu(self) -> Locator:
        return self.page.get_by_role("banner").locator("details")

    def monitor(self, name: str) -> None:
        """Press the Monitor button of a row, and wait until the ear is inside and verified."""
        self.row(name).get_by_role("button", name="Monitor").click()
        # Until the answer the desk may show another call, in which Monitor was verified before.
        expect(self.desk.get_by_role("heading", name=name)).to_be_visible()
        self.verified("Monitor")

    # The desk

    @property
    def desk(self) -> Locator:
        return self.page.locator("#desk")

    def role(self, name: str) -> Locator:
        group = self.page.get_by_role("group", name="Your role in this call")
        return group.get_by_role("button", name=re.compile(rf"^{name} "))

    def target(self, agent: str) -> Locator:
        return self.page.get_by_role("checkbox", name=agent, exact=True)

    @property
    def leave(self) -> Locator:
        return self.desk.get_by_role("button", name=re.compile("^Leave "))

    @property
    def audience(self) -> Locator:
        return self.page.get_by_role("region", name="Who hears you", exact=True)

    @property
    def verification(self) -> Locator:
        return self.audience.get_by_text(VERIFIED)

    @property
    def refusal(self) -> Locator:
        return self.page.locator("#refusal")

    def verified(self, role: str) -> None:
        """Wait until the desk says that this role was read back."""
        expect(self.role(role)).to_have_attribute("aria-pressed", "true")
        expect(self.audience).to_contain_text(VERIFIED)

    def barge(self) -> None:
        """Press twice, as a barge asks for."""
        self.role("Barge").click()
        expect(self.page.locator("#about-barge")).to_contain_text("will hear you. Press again.")
        self.role("Barge").click()

    # The top bar

    @property
    def ear(self) -> Locator:
        return self.page.locator("#my-ear")

    @property
    def clock(self) -> Locator:
        return self.page.locator("#clock")

    @property
    def unanswered(self) -> Locator:
        return self.page.locator("#unanswered")

    @property
    def stale(self) -> Locator:
        return self.page.locator("#stale")

    def is_live(self) -> None:
        """Wait for the first heartbeat of a stream."""
        expect(self.page.locator("#clock")).to_have_text(re.compile(r"^Live"))
