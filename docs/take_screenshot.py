"""Take docs/floor.png, the picture of the README: Kim whispers to an agent on the sandbox's floor, always the same one.

The calls, people and roles are the sandbox's, the page is the product's own, untouched. From the repository's folder:

    python -m docs.take_screenshot
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import launch, open_floor, sign_in
from tests.browser.screen import Screen
from tests.tooling.conftest import starting
from tests.tooling.processes import free_port

STORY = ("--calls", "40", "--seed", "4312")
PICTURE = Path(__file__).with_name("floor.png")


def main() -> None:
    with TemporaryDirectory() as name, starting(Path(name)) as start, sync_playwright() as playwright:
        floor = open_floor(Path(name), start, port=free_port(), story=STORY)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light", timezone_id="UTC")
        sign_in(page, floor.url, "kim")
        screen = Screen(page)
        rows = page.locator("#conferences > tr.conference")
        expect(rows.nth(12)).to_be_visible()
        # Somebody speaks within a few seconds in most calls; a picture before that would show an empty column.
        expect(page.locator("#conferences td:nth-child(5) small").nth(9)).to_be_visible(timeout=60_000)
        # The first comparison takes a moment too: until then it says so, in amber.
        expect(page.locator("#clock")).to_have_text(re.compile(r"^Live · .* behind$"), timeout=120_000)
        screen.monitor(rows.nth(3).get_by_role("link").inner_text())
        screen.desk.get_by_role("checkbox").first.check()
        screen.role("Whisper").click()
        screen.verified("Whisper")
        screen.let_go()
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
