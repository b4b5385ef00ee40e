"""Checks that a banner about a stop that went another way than usual ends when that has ended, and not before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from benchmarks.servers import free_port
from tests.browser.conftest import BROKEN, Floor, Invite, Visitor, database_of, open_floor, sign_in
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen
from tests.tooling.conftest import starting
from tests.tooling.processes import eventually

HANG_UP_SAID = re.compile("[Hh]ang up your phone")
LEAVE = "/conferences/*/actions/leave"
HANG_UP = "/calls/*/actions/hangup"
# The heartbeats of the page's stream: each comes out of the database.
COUNT_BEATS = """() => {
  window.beats = 0;
  const Real = window.EventSource;
  window.EventSource = class extends Real {
    constructor(...all) {
      super(...all);
      this.addEventListener("heartbeat", () => { window.beats += 1; });
    }
  };
}"""


@contextmanager
def locked(floor: Floor) -> Iterator[None]:
    """Let nothing be stored meanwhile."""
    with database_of(floor) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.rollback()


def in_a_whisper(visitor: Visitor, sandbox: Sandbox, name: str) -> tuple[Screen, Scripted]:
    call = sandbox.script(name)
    visitor.context.add_init_script(f"({COUNT_BEATS})()")
    screen = visitor.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    return screen, call


def beats(screen: Screen) -> int:
    return int(screen.page.evaluate("window.beats"))


def hear_again(screen: Screen, *, how_often: int) -> None:
    """Wait for so many more heartbeats."""
    before = beats(screen)
    assert eventually(lambda: beats(screen) >= before + how_often, within=45)


def banner(screen: Screen) -> Locator:
    return screen.page.locator("#stopped")


@pytest.fixture
def own_floor(tmp_path: Path) -> Iterator[Floor]:
    """Serve a floor for one test alone: the log of one whose database is locked is full of errors."""
    with starting(tmp_path) as start:
        yield open_floor(tmp_path, start, port=free_port())


@pytest.fixture
def kim_there(invite: Invite, own_floor: Floor) -> Iterator[Visitor]:
    """Return Kim's browser on that floor."""
    visitor = invite(None, url=own_floor.url)
    page = visitor.context.new_page()
    sign_in(page, own_floor.url, "kim")
    page.close()
    yield visitor
    visitor.forgive(BROKEN)


def test_you_are_out_is_told_until_the_database_answers_and_shows_it(kim_there: Visitor, own_floor: Floor) -> None:
    sandbox = own_floor.sandbox
    screen, call = in_a_whisper(kim_there, sandbox, "Billing-taken-out")

    with locked(own_floor):
        screen.leave.click()
        expect(banner(screen)).to_contain_text("You are out of the call.", timeout=30_000)
        assert sandbox.hearing(call) is None
        # Longer than the banner would need to end, by the page's own clock.
        screen.page.wait_for_function("since => performance.now() > since + 4000", arg=now_of(screen))
        expect(banner(screen)).to_contain_text("You are out of the call.")

    expect(screen.ear).to_have_attribute("data-place", re.compile("parked|away"), timeout=40_000)
    hear_again(screen, how_often=2)
    expect(banner(screen)).to_be_empty()


def test_hang_up_your_phone_is_told_until_the_phone_is_down(kim_there: Visitor, own_floor: Floor) -> None:
    sandbox = own_floor.sandbox
    screen, call = in_a_whisper(kim_there, sandbox, "Billing-unconfirmed")
    for path in (LEAVE, HANG_UP):
        sandbox.fault(path, times=100, status=500, code="10007")

    with locked(own_floor):
        screen.leave.click()
        expect(banner(screen)).to_contain_text(HANG_UP_SAID, timeout=30_000)
    # The database answers again, and the phone is still in the call.
    hear_again(screen, how_often=2)
    assert sandbox.hearing(call) is not None
    expect(banner(screen)).to_contain_text(HANG_UP_SAID)

    sandbox.act(phone_of(sandbox, call), "hangup")
    expect(screen.ear).to_have_attribute("data-place", "away", timeout=40_000)
    expect(banner(screen)).to_be_empty(timeout=30_000)


def now_of(screen: Screen) -> float:
    return float(screen.page.evaluate("performance.now()"))


def phone_of(sandbox: Sandbox, call: Scripted) -> str:
    people = sandbox.ask("/matrix", conference=call.id)["participants"]
    return next(str(person["call_control_id"]) for person in people if person["label"] == "Kim’s desk phone")


def test_a_leave_that_reached_nobody_is_told_until_the_phone_is_down(
    behind: Visitor, invite: Invite, sandbox: Sandbox
) -> None:
    screen, call = in_a_whisper(behind, sandbox, "Billing-unanswered")
    screen.page.context.set_offline(True)
    screen.leave.click()
    expect(screen.unanswered).to_contain_text(HANG_UP_SAID, use_inner_text=True)

    screen.page.context.set_offline(False)
    hear_again(screen, how_often=2)
    expect(screen.ear).to_have_attribute("data-place", "in-conference")
    expect(screen.unanswered).to_contain_text(HANG_UP_SAID, use_inner_text=True)

    sandbox.act(phone_of(sandbox, call), "hangup")
    expect(screen.ear).to_have_attribute("data-place", "away", timeout=30_000)
    expect(screen.unanswered).to_be_hidden()
