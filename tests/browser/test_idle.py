"""The end of a session in which nobody does anything: every page warns of it, any act answers, no page by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Floor, Invite, Visitor, database_of, sign_in
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.browser.test_pages import assert_accessible
from tests.browser.test_small_window import on_top_of
from tests.tooling.processes import eventually

STORED = "%Y-%m-%d %H:%M:%S.%f"
FULL = timedelta(minutes=59)


class Shift:
    """Kim's own session in this browser: how long it lasts, and how to bring its end near."""

    def __init__(self, visitor: Visitor, floor: Floor) -> None:
        self.visitor, self.floor = visitor, floor
        cookies = {cookie["name"]: cookie["value"] for cookie in visitor.context.cookies()}
        self.key = cookies["floorline"]

    @property
    def left(self) -> timedelta:
        query = "SELECT expire_date FROM django_session WHERE session_key = ?"
        with database_of(self.floor) as database:
            [(end,)] = database.execute(query, [self.key])
        return datetime.strptime(end, STORED).replace(tzinfo=UTC) - datetime.now(UTC)

    def is_the_only_one(self) -> None:
        """End every other session: whoever is signed in elsewhere keeps their phone."""
        with database_of(self.floor) as database:
            database.execute("DELETE FROM django_session WHERE session_key != ?", [self.key])

    def ends_in(self, seconds: float) -> None:
        """Bring the end near, as if nobody had done anything for that long."""
        end = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime(STORED)
        with database_of(self.floor) as database:
            database.execute("UPDATE django_session SET expire_date = ? WHERE session_key = ?", [end, self.key])

    @contextmanager
    def is_told_of_somebody(self) -> Iterator[None]:
        """Wait for the page's report of what is done meanwhile: it would move an end that is brought near after it."""
        self.ends_in(600)
        yield
        assert eventually(lambda: self.left > FULL, within=20)


@pytest.fixture
def shift(invite: Invite, floor: Floor, sandbox: Sandbox) -> Shift:
    """Return Kim, freshly signed in: the session is nobody else's."""
    visitor = invite(None)
    page = visitor.context.new_page()
    sign_in(page, floor.url, "kim")
    page.close()
    return Shift(visitor, floor)


def warning(screen: Screen) -> Locator:
    return screen.page.locator("#idle").get_by_text("Are you still there?")


ANSWERS: dict[str, Callable[[Screen], object]] = {
    "a key": lambda screen: screen.page.keyboard.press("Shift"),
    "a pointer that moves": lambda screen: screen.page.mouse.move(300, 300),
    "a press": lambda screen: screen.page.mouse.down(),
    "its own button": lambda screen: screen.page.get_by_role("button", name="Stay signed in").click(),
}


@pytest.mark.parametrize("answer", list(ANSWERS))
def test_any_key_press_or_move_on_one_page_answers_the_warning_of_all(
    shift: Shift, sandbox: Sandbox, answer: str
) -> None:
    other, screen = shift.visitor.visit(), shift.visitor.visit("/ear/")
    for page in (other, screen):
        page.is_live()
    screen.page.mouse.move(200, 200)
    shift.ends_in(100)
    for page in (other, screen):
        expect(warning(page)).to_be_visible()

    ANSWERS[answer](screen)

    for page in (screen, other):
        expect(warning(page)).to_have_count(0)
    assert shift.left > FULL
    expect(screen.page).to_have_url(shift.floor.url + "/ear/")


def test_what_moves_on_a_page_by_itself_is_no_answer(shift: Shift, sandbox: Sandbox) -> None:
    """A pointer that rests on a list which changes: browsers tell such a page of moves and of what is entered."""
    screen = shift.visitor.visit()
    screen.is_live()
    with shift.is_told_of_somebody():
        screen.page.mouse.move(600, 400)
        screen.page.mouse.move(600, 401)
    shift.ends_in(100)
    expect(warning(screen)).to_be_visible()
    for number in range(4):
        screen.see(sandbox.script(f"Billing-moves-{number}").name)
    expect(warning(screen)).to_be_visible()
    assert shift.left < timedelta(seconds=100)


def test_who_listens_is_warned_and_then_taken_out_of_the_call_and_the_screen(
    shift: Shift, floor: Floor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-idle")
    screen = shift.visitor.visit()
    screen.see(call.name)
    with shift.is_told_of_somebody():
        screen.monitor(call.name)
    shift.is_the_only_one()
    shift.ends_in(30)
    expect(warning(screen)).to_be_visible(timeout=25_000)
    expect(screen.page.get_by_text("Nothing was pressed here for 60 minutes.")).to_be_visible(timeout=60_000)
    expect(screen.page.locator("body")).not_to_contain_text(call.name)
    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=15)

    def is_told() -> bool:
        with database_of(floor) as database:
            told = "SELECT COUNT(*) FROM conferences_auditentry WHERE action = 'signed out: idle'"
            kept = "SELECT COUNT(*) FROM django_session WHERE session_key = ?"
            return bool(database.execute(told).fetchone()[0]) and not database.execute(kept, [shift.key]).fetchone()[0]

    assert eventually(is_told, within=15)
    screen.page.reload()
    expect(screen.page).to_have_url(re.compile("/accounts/login/"))


def test_a_page_without_scripts_that_loads_itself_again_keeps_no_session(
    invite: Invite, shift: Shift, floor: Floor
) -> None:
    plain = invite(None, java_script=False)
    plain.context.add_cookies([{"name": "floorline", "value": shift.key, "url": floor.url}])
    screen = plain.visit()
    assert shift.left > FULL
    shift.ends_in(100)
    # Not asked for anything meanwhile: Chromium takes what Playwright evaluates for an act of the person.
    screen.page.wait_for_event("load")
    expect(warning(screen)).to_be_visible()
    assert shift.left < timedelta(seconds=100)

    screen.page.get_by_role("button", name="Stay signed in").click()

    expect(warning(screen)).to_have_count(0)
    assert shift.left > FULL
    shift.ends_in(100)
    screen.page.get_by_role("link", name="Floorline", exact=True).click()
    assert eventually(lambda: shift.left > FULL, within=10)


def test_a_key_in_the_small_window_answers(shift: Shift) -> None:
    screen = shift.visitor.visit()
    screen.is_live()
    with shift.is_told_of_somebody():
        small = on_top_of(screen)
    shift.ends_in(100)
    expect(warning(small)).to_be_visible()

    small.page.keyboard.press("Shift")

    expect(warning(screen)).to_have_count(0)
    expect(warning(small)).to_have_count(0)
    assert shift.left > FULL


def test_what_is_typed_in_the_administration_keeps_the_session(invite: Invite, floor: Floor, sandbox: Sandbox) -> None:
    visitor = invite(None)
    page = visitor.context.new_page()
    sign_in(page, floor.url, "admin")
    shift = Shift(visitor, floor)
    page.goto(f"{floor.url}/admin/conferences/team/add/")
    page.wait_for_load_state()
    shift.ends_in(600)
    page.get_by_label("Name").press_sequentially("Night shift")
    assert eventually(lambda: shift.left > FULL, within=10)


def test_the_warning_is_read_in_both_themes_and_fits_every_width(shift: Shift) -> None:
    screen = shift.visitor.visit()
    screen.is_live()
    shift.ends_in(110)
    expect(warning(screen)).to_be_visible()
    for theme in ("light", "dark"):
        screen.page.emulate_media(color_scheme=theme)
        assert_accessible(screen.page, theme)
    for width in (1280, 768, 320):
        screen.page.set_viewport_size({"width": width, "height": 640})
        expect(warning(screen)).to_be_visible()
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= width
        screen.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(warning(screen)).to_be_in_viewport()
