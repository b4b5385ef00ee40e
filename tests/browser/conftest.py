"""Real gunicorn, worker and sandbox, started once by the product's own launcher, and a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
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

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # For a test that hangs. The first one of a process also waits for the floor and for Chromium.
            item.add_marker(pytest.mark.timeout(240))


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
    sandbox: Sandbox | None = None
    """Its orders are told to Floorline before a page is opened."""
    complaints: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    """Patterns of what a test provokes on purpose."""

    def __post_init__(self) -> None:
        self.context.add_init_script(COMPLAIN)
        self.context.set_default_timeout(20_000)
        self.context.on("console", self._note)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def visit(self, path: str = "/", *, clock: bool = False) -> Screen:
        """Open a page that shows all that was ordered before; with `clock`, its time can be wound forward."""
        if self.sandbox is not None:
            self.sandbox.tell()
        page = self.context.new_page()
        if clock:
            page.clock.install()
        page.goto(self.url + path)
        return Screen(page)

    def forgive(self, pattern: str) -> None:
        """Leave out the complaints that a test has provoked on purpose, also those that are heard of later."""
        self.forgiven.append(pattern)

    @property
    def unforgiven(self) -> list[str]:
        """Return what the browser complained of and no test has provoked on purpose."""
        return [
            complaint
            for complaint in self.complaints
            if not any(re.search(pattern, complaint) for pattern in self.forgiven)
        ]

    def picture(self, name: str) -> None:
        """Keep what the pages show, for whoever looks into a failure."""
        for number, page in enumerate(self.context.pages):
            page.screenshot(path=RESULTS / f"{name}-{number}.png", full_page=True)
            (RESULTS / f"{name}-{number}.html").write_text(page.content())

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location['url']})")


def open_floor(
    folder: Path, start: Start, *, port: int, story: Sequence[str] = NO_CALLS, more: Mapping[str, str] | None = None
) -> Floor:
    """Serve a sandbox floor, ready, with more settings; without calls of its own where no story is told."""
    environment = {**without_settings(folder), "PORT": str(port), **(more or {})}
    served = start(python("manage.py", "serve", "--sandbox", *story), environment)
    eventually(lambda: "Floorline is open" in served.said() or served.process.poll() is not None, within=90)
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


def launch(playwright: Playwright, *, hide_scroll_bars: bool = True, page_cache: bool = False) -> Browser:
    """Start the Chromium that CHROMIUM names, else the one that is installed.

    With `page_cache` it keeps whole pages for its back button; Playwright lets it keep none.
    """
    path = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return playwright.chromium.launch(
        executable_path=path,
        args=["--no-sandbox", "--disable-dev-shm-usage"],
        ignore_default_args=[
            *([] if hide_scroll_bars else ["--hide-scrollbars"]),
            *(["--disable-back-forward-cache"] if page_cache else []),
        ],
    )


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def cookies(chromium: Browser, floor: Floor) -> Callable[[str], StorageState]:
    """Return a function that signs somebody in, and remembers their cookies as long as their session lasts."""
    known: dict[str, StorageState] = {}

    def is_signed_in(username: str) -> bool:
        keys = [
            cookie["value"] for cookie in known.get(username, {}).get("cookies", []) if cookie["name"] == "floorline"
        ]
        with database_of(floor) as database:
            query = "SELECT COUNT(*) FROM django_session WHERE session_key = ? AND expire_date > ?"
            return any(database.execute(query, [key, str(datetime.now(UTC))]).fetchone()[0] for key in keys)

    def cookies_of(username: str) -> StorageState:
        if not is_signed_in(username):
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
    expect(page).to_have_title(re.compile("(Floor|My calls) · Floorline"))
    page.wait_for_load_state()  # with its scripts: what is pressed before they run counts as another page's press


@pytest.fixture
def invite(
    chromium: Browser,
    floor: Floor,
    sandbox: Sandbox,
    cookies: Callable[[str], StorageState],
    request: pytest.FixtureRequest,
) -> Iterator[Invite]:
    """Return a function that opens a browser for somebody; what it complains of in the end fails the test.

    The pages are closed before the sandbox ends its calls: what ends on an open page fades there for a while, and the
    next test might still see it.
    """
    visitors: list[Visitor] = []

    def invite_one(username: str | None, *, url: str = floor.url, java_script: bool = True) -> Visitor:
        context = chromium.new_context(
            storage_state=cookies(username) if username else None,
            viewport={"width": 1280, "height": 900},
            java_script_enabled=java_script,
        )
        visitors.append(Visitor(context, url, sandbox))
        return visitors[-1]

    yield invite_one
    complaints = [complaint for visitor in visitors for complaint in visitor.unforgiven]
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
    """Give a floor of one's own making, and leave it as it was found: no calls, no faults, no ear, nothing to come."""
    yield floor.sandbox
    if request.node.stash.get(FAILED, False):
        RESULTS.mkdir(exist_ok=True)
        deliveries = "\n".join(str(delivery) for delivery in floor.sandbox.ask("/webhooks", since=0)["webhooks"][-100:])
        (RESULTS / f"{request.node.name}-webhooks.txt").write_text(deliveries)
    floor.sandbox.clear()

    def is_hung_up() -> bool:
        lines = lines_of(floor)
        for username, state in lines:
            if state != "ending":
                disconnect(chromium, floor, cookies(username))
        return not lines and not commands_under_way(floor)

    assert eventually(is_hung_up, within=40), (lines_of(floor), commands_under_way(floor))
    context = chromium.new_context(storage_state=cookies("kim"))

    def is_quiet() -> bool:
        page = context.request.get(floor.url).text()
        return "Phone not connected" in page and "No calls in your teams right now." in page

    assert eventually(is_quiet, within=20), context.request.get(floor.url).text()
    context.close()
    with database_of(floor) as database:
        # A stop makes void what the same person presses on another page within two seconds: here, in the next test.
        database.execute("DELETE FROM conferences_stop")


def lines_of(floor: Floor) -> list[tuple[str, str]]:
    """Return whose phones are connected or on the way there, and how far they are."""
    live = """SELECT username, state FROM auth_user JOIN conferences_ear ON conferences_ear.user_id = auth_user.id
        WHERE conferences_ear.ended_at IS NULL"""
    with database_of(floor) as database:
        return list(database.execute(live))


def commands_under_way(floor: Floor) -> int:
    """Return how many commands may still be sent again: in the next test, they would be nobody's."""
    with database_of(floor) as database:
        open_ones = "SELECT COUNT(*) FROM conferences_command WHERE state IN ('asked', 'accepted', 'unknown')"
        [(number,)] = database.execute(open_ones)
        return int(number)


def disconnect(chromium: Browser, floor: Floor, state: StorageState) -> None:
    """Hang up somebody's phone, as they would."""
    context = chromium.new_context(storage_state=state)
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "floorline-csrf")
    context.request.post(f"{floor.url}/ear/disconnect/", form={"csrfmiddlewaretoken": token})
    context.close()


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
