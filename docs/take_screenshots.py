"""Renders every page in every width and theme from a live demo, to be looked at: `make screenshots`.

`make screenshots ARGS="--page floor --width 390 --theme dark"` renders a part; an option may stand several times. The
pictures lie in screenshots/, which git ignores, and are called page-width-theme.png.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.servers import free_port
from docs.take_pictures import AGENT, WIDE, settled
from tests.browser.conftest import Floor, launch, open_floor, sign_in
from tests.browser.screen import Screen
from tests.tooling.conftest import starting

SCREENSHOTS = Path("screenshots")
Theme = Literal["light", "dark", "forced"]
WIDTHS = {
    "1920": {"width": 1920, "height": 1080},
    "1440": {"width": 1440, "height": 900},
    "1280": {"width": 1280, "height": 800},
    "1180": {"width": 1180, "height": 820},
    "1024": {"width": 1024, "height": 768},
    "768": {"width": 768, "height": 1024},
    "390": {"width": 390, "height": 844},
    "320": {"width": 320, "height": 640},
    # What a browser of 1440 × 900 gives a page at 200 %.
    "zoom": {"width": 720, "height": 450},
}
THEMES: dict[Theme, dict[str, Any]] = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced": {"color_scheme": "light", "forced_colors": "active"},
}
NOWHERE = "/conferences/00000000-0000-0000-0000-000000000000/"


def _floor(screen: Screen, floor: Floor) -> None:
    screen.page.goto(floor.url)
    settled(screen.page)


def _compact(screen: Screen, floor: Floor) -> None:
    _floor(screen, floor)
    screen.page.get_by_role("button", name="Compact rows").click()
    expect(screen.page.get_by_role("button", name="Compact rows")).to_have_attribute("aria-pressed", "true")
    settled(screen.page)


def _scrolled(screen: Screen, floor: Floor) -> None:
    _floor(screen, floor)
    screen.page.evaluate("scrollTo(0, 400)")


def _desk(screen: Screen, floor: Floor) -> None:
    _floor(screen, floor)
    row = screen.page.locator("#conferences > tr.conference").filter(has_text=AGENT)
    screen.monitor(row.get_by_role("link").inner_text())
    screen.target(AGENT).check()
    screen.role("Whisper").click()
    screen.verified("Whisper")


def _call(screen: Screen, floor: Floor) -> None:
    _desk(screen, floor)
    screen.page.goto(floor.url + str(screen.page.locator("[data-my-conference]").get_attribute("href")))
    expect(screen.desk.get_by_role("heading", level=2)).to_be_visible()


def _keys(screen: Screen, floor: Floor) -> None:
    _floor(screen, floor)
    screen.page.keyboard.press("?")
    expect(screen.page.get_by_role("dialog")).to_be_visible()


def _audit(screen: Screen, floor: Floor) -> None:
    _desk(screen, floor)
    screen.role("Barge").click()
    screen.role("Barge").click()
    screen.verified("Barge")
    screen.page.goto(floor.url + "/audit/")
    screen.page.locator(".audit summary").filter(has_text="whispered").click()


def _my_calls(screen: Screen, floor: Floor) -> None:
    """Show an agent's own page, while a supervisor whispers to them in another browser."""
    browser: Any = screen.page.context.browser
    page = browser.new_context(viewport=WIDE, timezone_id="UTC").new_page()
    sign_in(page, floor.url, "kim")
    _desk(Screen(page), floor)
    expect(screen.page.locator(".own-now")).to_contain_text("whisper to you")


def _import(screen: Screen, floor: Floor) -> None:
    """Show the preview of a file of agents in which two rows are wrong."""
    screen.page.goto(f"{floor.url}/admin/conferences/team/directory/agents/")
    rows = [
        "Zoe Lind,Billing,gencredZoe,zoe",
        "Yan Ode,Sails,gencredYan,yan",
        "Ana Maria Ruiz,Billing,,ana",
        ",Billing,,x",
    ]
    content = "\n".join(["name,team,SIP credential,reference", *rows]).encode()
    file = screen.page.get_by_label("CSV or XLSX")
    file.set_input_files({"name": "agents.csv", "mimeType": "text/csv", "buffer": content})
    screen.page.get_by_role("button", name="Look at it first").click()
    expect(screen.page.get_by_text("2 rows are wrong.")).to_be_visible()


def _at(path: str) -> Callable[[Screen, Floor], None]:
    def go(screen: Screen, floor: Floor) -> None:
        screen.page.goto(floor.url + path)

    return go


PAGES: dict[str, Callable[[Screen, Floor], None]] = {
    "floor": _floor,
    "compact": _compact,
    "scrolled": _scrolled,
    "by-agent": _at("/?group=agent"),
    "nothing-found": _at("/?q=nobody"),
    "desk": _desk,
    "call": _call,
    "keys": _keys,
    "phone": _at("/ear/"),
    "audit": _audit,
    "audit-nothing": _at("/audit/?call=nothing&first_day=2026-08-21"),
    "setup": _at("/setup/"),
    "files": _at("/admin/conferences/team/directory/"),
    "file": _at("/admin/conferences/team/directory/supervisors/"),
    "import": _import,
    "not-found": _at(NOWHERE),
    "sign-in": _at("/accounts/login/"),
    "admin": _at("/admin/"),
    "admin-supervisors": _at("/admin/conferences/supervisor/"),
    # The last one: its supervisor stays in the call.
    "my-calls": _my_calls,
}
SIGNED_IN_AS = {
    "sign-in": "",
    "setup": "admin",
    "my-calls": "ana",
    "files": "admin",
    "file": "admin",
    "import": "admin",
    "admin": "admin",
    "admin-supervisors": "admin",
}


def main() -> None:
    """Serve a demo, and render what was asked for."""
    asked = _asked()
    SCREENSHOTS.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, starting(Path(name)) as start, sync_playwright() as playwright:
        floor = open_floor(Path(name), start, port=free_port(), story=("--seed", "4312"))
        browser = launch(playwright)
        for page_name in asked.page:
            with _signed_in(browser, floor, name=page_name) as page:
                PAGES[page_name](Screen(page), floor)
                _render(page, page_name, widths=asked.width, themes=asked.theme)
        browser.close()


def _asked() -> Namespace:
    parser = ArgumentParser(prog="make screenshots", description="Renders pages in widths and themes.")
    for option, known in (("page", PAGES), ("width", WIDTHS), ("theme", THEMES)):
        parser.add_argument(f"--{option}", action="append", choices=list(known), help="several times, if you like")
    asked = parser.parse_args()
    asked.page, asked.width = asked.page or list(PAGES), asked.width or list(WIDTHS)
    asked.theme = asked.theme or list(THEMES)
    return asked


@contextmanager
def _signed_in(browser: Browser, floor: Floor, *, name: str) -> Iterator[Page]:
    context = browser.new_context(viewport=WIDE, timezone_id="UTC")  # type: ignore[arg-type]
    page = context.new_page()
    if username := SIGNED_IN_AS.get(name, "kim"):
        sign_in(page, floor.url, username)
    yield page
    if page.locator("[data-leave]").count():
        page.locator("[data-leave]").click()
        expect(page.locator("[data-leave]")).to_have_count(0, timeout=30_000)
    context.close()


def _render(page: Page, name: str, *, widths: list[str], themes: list[Theme]) -> None:
    for width in widths:
        page.set_viewport_size(WIDTHS[width])  # type: ignore[arg-type]
        for theme in themes:
            page.emulate_media(**THEMES[theme], reduced_motion="reduce")
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{theme}.png", animations="disabled")


if __name__ == "__main__":
    main()
