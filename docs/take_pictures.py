"""Takes every picture of the documentation anew from a live demo: `make pictures`.

The calls, people and roles are the demo's, the page is the product's own, untouched. Each picture is taken only once
the page agrees with itself: the sentence, the pressed button, the top bar and the chip in the row make one claim.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Locator, Page, expect, sync_playwright

from benchmarks.servers import free_port
from tests.browser.conftest import Floor, launch, open_floor, sign_in
from tests.browser.screen import Screen
from tests.tooling.conftest import starting
from tests.tooling.processes import eventually

PICTURES = Path(__file__).with_name("pictures")
WIDE = {"width": 1440, "height": 900}
AGENT = "Ana Ruiz"
"""In the call that needs somebody; the demo opens with her (conferences/sandbox/center/show.py)."""
AS_MANY_AS_MARKED = """() => {
  const tile = document.querySelector("#counters .needs strong");
  return !tile || Number(tile.innerText) === document.querySelectorAll("tr.attention:not(.ended)").length;
}"""


def main() -> None:
    """Serve a demo as a newcomer gets it, and walk through a first shift."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, starting(Path(name)) as start, sync_playwright() as playwright:
        floor = open_floor(Path(name), start, port=free_port(), story=("--seed", "4312"))
        browser = launch(playwright)
        page = browser.new_page(viewport=WIDE, color_scheme="light", timezone_id="UTC")  # type: ignore[arg-type]
        _first_shift(page, floor)
        browser.close()


def _first_shift(page: Page, floor: Floor) -> None:
    page.goto(f"{floor.url}/accounts/login/")
    _take(page, "sign-in")
    sign_in(page, floor.url, "kim")
    screen = Screen(page)
    row = page.locator("#conferences > tr.conference").filter(has_text=AGENT)
    expect(row).to_have_count(1)
    settled(page)
    _take(page, "floor")

    call = row.get_by_role("link").inner_text()
    screen.open(call)
    screen.let_go()
    _take(page, "call")

    screen.monitor(call)
    _agrees(screen, row, role="Monitor", sentence="Nobody hears you. You hear everyone.")
    _take(page, "monitor")

    screen.target(AGENT).check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    _agrees(screen, row, role="Whisper", sentence=f"Only {AGENT} hears you. The customer does not.")
    _take(page, "desk")
    screen.desk.screenshot(path=PICTURES / "desk-close.png")

    screen.role("Barge").click()
    expect(page.locator("#about-barge")).to_contain_text("Press again")
    _take(page, "barge")

    expect(page.locator("#armed-hint")).to_be_empty(timeout=30_000)
    screen.desk.get_by_role("button", name="Leave call").click()
    expect(row.locator(".chip:not([hidden])")).to_have_count(0, timeout=30_000)
    expect(screen.ear).not_to_contain_text("Leaving")
    _supervised(page, 1)
    screen.let_go()
    _take(page, "left")


def settled(page: Page) -> None:
    """Wait until the floor is live and most calls have named who speaks; before that a column would be empty."""
    expect(page.locator("#conferences .col-talk small").nth(9)).to_be_visible(timeout=60_000)
    expect(page.locator("#clock")).to_have_text(re.compile(r"^Live$"), timeout=120_000)
    expect(page.locator("#conferences")).to_contain_text("Mara L. · whisper", timeout=60_000)


def _agrees(screen: Screen, row: Locator, *, role: str, sentence: str) -> None:
    """Wait until sentence, button, top bar and chip say the same."""
    expect(screen.audience).to_contain_text(sentence)
    expect(screen.role(role)).to_have_attribute("aria-pressed", "true")
    expect(screen.ear).to_contain_text(role)
    expect(row.locator(".chip:not([hidden])")).to_contain_text(re.compile(role, re.IGNORECASE))
    _supervised(screen.page, 2)
    screen.let_go()


def _supervised(page: Page, count: int) -> None:
    """Wait until the tile counts the colleague, and whoever else supervises."""
    expect(page.locator("#counters a").filter(has_text="supervised now")).to_contain_text(str(count), timeout=20_000)


def _take(page: Page, name: str) -> None:
    """Take it once the tile counts exactly the rows that are marked."""
    if not eventually(lambda: page.evaluate(AS_MANY_AS_MARKED), within=10):
        sys.exit(f"{name}: the tile counts other calls than the rows mark.")
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
