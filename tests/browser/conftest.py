"""Real gunicorn, worker and sandbox, started once by the product's own launcher, and a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    StorageState,
    expect,
    sync_playwright,
)

from benchmarks.servers import free_port
from tests.browser.proxy import Proxy
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.tooling.conftest import Start, starting, without_settings
from tests.tooling.processes import Marked, eventually, python

PASSWORD = "floorline-demo"
BROKEN = r"ERR_|status of 502|htmx:error"
NO_CALLS = ("--calls", "0")
COMPLAIN = (
    "addEventListener('securitypolicyviolation', e => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`))"
)

Invite = Callable[..., "Visitor"]

RESULTS = Path("test-results")
FAILED = pytest.StashKey[bool]()

expect.set_options(timeout=12_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(60))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = report.failed or item.stash.get(FAILED, False)
    return report


@dataclass
class Floor:
    """A served floor: the processes, its address, and the sandbox behind it."""

    processes: Marked
    url: str
    sandbox: Sandbox


@dataclass
class Visitor:
    """A browser of one person, whose complaints fail the test."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.add_init_script(COMPLAIN)
        self.context.set_default_timeout(12_000)
        self.context.on("console", self._note)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def visit(self, path: str = "/", *, clock: bool = False) -> Screen:
        """Open a page; with `clock`, its time can be wound forward."""
        page = self.context.new_page()
        if clock:
            page.clock.install()
        page.goto(self.url + path)
        return Screen(page)

    def forgive(self, pattern: str) -> None:
        """Forget the complaints that a test has provoked on purpose."""
        self.complaints[:] = [complaint for complaint in self.complaints if not re.search(pattern, complaint)]

    def picture(self, name: str) -> None:
        """Keep what the pages show, for whoever looks into a failure."""
        for number, page in enumerate(self.context.pages):
            page.screenshot(path=RESULTS / f"{name}-{number}.png", full_page=True)
            (RESULTS / f"{name}-{number}.html").write_text(page.content())

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location['url']})")


def open_floor(folder: Path, start: Start, *, port: int, story: Sequence[str] = NO_CALLS) -> Floor:
    """Serve a sandbox floor, ready; without calls of its own where no story is told."""
    environment = {**without_settings(folder), "PORT": str(port)}
    served = start(python("manage.py", "serve", "--sandbox", *story), environment)
    eventually(lambda: "Floorline is open" in served.said() or served.process.poll() is not None, within=40)
    found = re.search(r"who hears whom: (http://[\d.:]+)/", served.said())
    assert found, served.said()
    return Floor(processes=served, url=f"http://localhost:{port}", sandbox=Sandbox(found[1]))


@pytest.fixture(scope="session")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    folder = tmp_path_factory.mktemp("floor")
    with starting(folder) as start:
        served = open_floor(folder, start, port=free_port())
        yield served
        served.processes.press_ctrl_c()
        eventually(lambda: not served.processes.others(), within=10)
        assert "Traceback" not in served.processes.said(), served.processes.said()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


def launch(playwright: Playwright, *, hide_scroll_bars: bool = True) -> Browser:
    """Start the Chromium that CHROMIUM names, else the one that is installed."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(
        executable_path=path,
        args=["--no-sandbox", "--disable-dev-shm-usage"],
        ignore_default_args=[] if hide_scroll_bars else ["--hide-scrollbars"],
    )


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def cookies(chromium: Browser, floor: Floor) -> Callable[[str], StorageState]:
    """Return a function that signs somebody in once, and remembers their cookies."""
    known: dict[str, StorageState] = {}

    def cookies_of(username: str) -> StorageState:
        if username not in known:
            context = chromium.new_context()
            sign_in(context.new_page(), floor.url, username)
            known[username] = context.storage_state()
            context.close()
        return known[username]

    return cookies_of


def sign_in(page: Page, url: str, username: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("Floor · Floorline")
    page.wait_for_load_state()  # with its scripts: what is pressed before they run counts as another page's press


@pytest.fixture
def invite(
    chromium: Browser, floor: Floor, cookies: Callable[[str], StorageState], request: pytest.FixtureRequest
) -> Iterator[Invite]:
    """Return a function that opens a browser for somebody; what it complains of in the end fails the test."""
    visitors: list[Visitor] = []

    def invite_one(username: str | None, *, url: str = floor.url, java_script: bool = True) -> Visitor:
        context = chromium.new_context(
            storage_state=cookies(username) if username else None,
            viewport={"width": 1280, "height": 900},
            java_script_enabled=java_script,
        )
        visitors.append(Visitor(context, url))
        return visitors[-1]

    yield invite_one
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for number, visitor in enumerate(visitors):
        if request.node.stash.get(FAILED, False):
            visitor.picture(f"{request.node.name}-{number}")
        visitor.context.close()
    assert complaints == []


@contextmanager
def database_of(floor: Floor) -> Iterator[sqlite3.Connection]:
    [path] = Path(floor.processes.environment["VAR_DIR"]).glob("*.sqlite3")
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        yield database


@pytest.fixture
def sandbox(
    floor: Floor, chromium: Browser, cookies: Callable[[str], StorageState], request: pytest.FixtureRequest
) -> Iterator[Sandbox]:
    """Give a floor of one's own making, and leave it as it was found: no calls, no faults, no ear."""
    yield floor.sandbox
    if request.node.stash.get(FAILED, False):
        RESULTS.mkdir(exist_ok=True)
        deliveries = "\n".join(str(delivery) for delivery in floor.sandbox.ask("/webhooks", since=0)["webhooks"][-100:])
        (RESULTS / f"{request.node.name}-webhooks.txt").write_text(deliveries)
    floor.sandbox.clear()
    context = chromium.new_context(storage_state=cookies("kim"))
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "floorline-csrf")
    context.request.post(f"{floor.url}/ear/disconnect/", form={"csrfmiddlewaretoken": token})

    def is_quiet() -> bool:
        page = context.request.get(floor.url).text()
        return "Phone not connected" in page and "No calls in your teams right now." in page

    assert eventually(is_quiet, within=10), context.request.get(floor.url).text()
    context.close()
    with database_of(floor) as database:
        # A stop makes void what the same person presses on another page within two seconds: here, in the next test.
        database.execute("DELETE FROM conferences_stop")


@pytest.fixture
def kim(invite: Invite, sandbox: Sandbox) -> Visitor:
    """Return Kim's browser, signed in."""
    return invite("kim")


@pytest.fixture
def proxy(floor: Floor) -> Iterator[Proxy]:
    between = Proxy(floor.url)
    yield between
    between.close()


@pytest.fixture
def behind(invite: Invite, proxy: Proxy, sandbox: Sandbox) -> Iterator[Visitor]:
    """Return Kim's browser, which reaches the server through the proxy; broken connections are no surprise here."""
    visitor = invite("kim", url=proxy.url)
    yield visitor
    visitor.forgive(BROKEN)
