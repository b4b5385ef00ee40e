"""The page heals by itself, and says so meanwhile: whatever stops, stalls, sleeps or jumps."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from benchmarks.servers import free_port
from tests.browser.conftest import BROKEN, Floor, Invite, Visitor, database_of, open_floor, sign_in
from tests.browser.proxy import Fate, Proxy
from tests.browser.sandbox import Sandbox
from tests.browser.screen import Screen
from tests.browser.test_pages import assert_accessible
from tests.tooling.conftest import starting
from tests.tooling.processes import eventually, status_of

GUNICORN = "gunicorn.conf.py"
WITHOUT_STREAM = re.compile(r"As of|updates every few seconds$")  # it polls after some tries


def seconds_shown(screen: Screen, name: str) -> int:
    """Return what a row's timer reads."""
    hours, minutes, seconds = ["0", *screen.row(name).locator("[data-since]").first.inner_text().split(":")][-3:]
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


@pytest.mark.parametrize("fate", [Fate.BAD_GATEWAY, Fate.CUT], ids=["502", "reset"])
def test_a_stream_that_could_not_connect_at_first_heals(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox, fate: Fate
) -> None:
    proxy.streams = fate
    screen = behind.visit()
    call = sandbox.script("Billing-first")
    expect(screen.clock).to_have_text(WITHOUT_STREAM)

    proxy.streams = Fate.PASS

    screen.see(call.name)
    screen.is_live()
    expect(screen.clock).not_to_have_text(WITHOUT_STREAM)
    expect(screen.page.locator("body")).not_to_contain_text("Bad gateway")


def test_a_cut_stream_connects_again_with_what_was_missed(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    gone, kept = sandbox.script("Billing-gone"), sandbox.script("Billing-kept")
    screen = behind.visit()
    screen.see(gone.name)
    screen.see(kept.name)
    screen.is_live()

    proxy.streams = Fate.CUT
    proxy.cut()
    sandbox.end(gone)
    new = sandbox.script("Billing-new")
    proxy.streams = Fate.PASS

    screen.see(new.name)
    expect(screen.row(gone.name)).to_have_count(0)
    screen.see(kept.name)


def test_a_stalled_server_is_told_and_stops_the_timers(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-stall")
    screen = behind.visit(clock=True)
    screen.see(call.name)
    screen.is_live()
    expect(screen.stale).to_be_hidden()

    proxy.stall()
    screen.page.clock.run_for(15_000)
    expect(screen.stale).to_contain_text(re.compile(r"Not live since \d\d:\d\d:\d\d"))
    expect(screen.page.locator("#clock")).to_have_text("Not live")
    before = seconds_shown(screen, call.name)
    screen.page.clock.run_for(2_000)
    assert seconds_shown(screen, call.name) == before

    proxy.flow()
    expect(screen.stale).to_be_hidden()
    screen.is_live()


def test_without_the_server_who_hears_me_is_told_as_last_known_not_as_a_fact(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-known")
    screen = behind.visit(clock=True)
    screen.see(call.name)
    screen.monitor(call.name)
    screen.is_live()
    expect(screen.audience).not_to_contain_text("As last known", use_inner_text=True)

    proxy.stall()
    screen.page.clock.run_for(15_000)
    expect(screen.stale).to_be_visible()
    expect(screen.audience).to_contain_text(re.compile("As last known:.*Nobody hears you", re.S), use_inner_text=True)
    expect(screen.ear).to_contain_text("as last known", use_inner_text=True)
    pressed = screen.page.locator("#desk .role.role-monitor")
    assert pressed.evaluate("e => getComputedStyle(e).borderStyle") == "dashed"
    screen.page.keyboard.press("s")
    screen.page.clock.run_for(100)
    expect(screen.page.locator("#spoken")).to_contain_text("As last known:")

    proxy.flow()
    expect(screen.stale).to_be_hidden()
    expect(screen.audience).not_to_contain_text("As last known", use_inner_text=True)


def test_a_press_that_reached_nobody_says_so_until_one_is_answered(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-pressed")
    screen = behind.visit()
    screen.see(call.name)
    unanswered = screen.page.locator("#unanswered")

    def press() -> None:
        screen.row(call.name).get_by_role("button", name="Monitor").click()

    screen.page.context.set_offline(True)
    press()
    expect(unanswered).to_be_visible()
    expect(unanswered).to_contain_text(
        "It may not have been done. Reload the page, then try again.", use_inner_text=True
    )
    expect(unanswered).not_to_contain_text("hang up your phone", use_inner_text=True)

    screen.page.context.set_offline(False)
    press()
    screen.verified("Monitor")
    expect(unanswered).to_be_hidden()


def test_a_connection_that_went_dead_is_replaced(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    screen = behind.visit(clock=True)
    screen.is_live()

    proxy.freeze()
    new = sandbox.script("Billing-dead")
    screen.page.clock.run_for(15_000)

    screen.see(new.name)
    expect(screen.stale).to_be_hidden()


def test_a_laptop_that_slept_says_so_and_catches_up(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    gone = sandbox.script("Billing-nap")
    screen = behind.visit(clock=True)
    screen.see(gone.name)
    screen.is_live()

    proxy.streams = Fate.CUT
    proxy.hold("GET /snapshot/")  # a poll would make it live again
    proxy.cut()
    sandbox.end(gone)
    new = sandbox.script("Billing-woke")
    screen.page.clock.fast_forward("08:00:00")
    expect(screen.stale).to_be_visible()
    assert seconds_shown(screen, gone.name) < 600

    proxy.streams = Fate.PASS
    proxy.release()
    screen.see(new.name)
    expect(screen.row(gone.name)).to_have_count(0)
    expect(screen.stale).to_be_hidden()


@pytest.mark.parametrize("hours", [-2, 2], ids=["slow", "fast"])
def test_a_wrong_clock_does_not_make_calls_older(kim: Visitor, sandbox: Sandbox, hours: int) -> None:
    call = sandbox.script("Billing-wrong")
    screen = Screen(kim.context.new_page())
    screen.page.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    screen.page.goto(kim.url)
    screen.see(call.name)
    screen.is_live()

    assert seconds_shown(screen, call.name) < 600
    expect(screen.stale).to_be_hidden()


def test_a_hidden_tab_stays_true(kim: Visitor, sandbox: Sandbox) -> None:
    screen = kim.visit()
    screen.is_live()

    screen.hide()
    call = sandbox.script("Billing-hidden")
    screen.see(call.name)
    screen.show()
    sandbox.end(call)

    expect(screen.row(call.name)).to_have_count(0)
    expect(screen.stale).to_be_hidden()


def test_a_frozen_tab_catches_up_when_it_thaws(kim: Visitor, sandbox: Sandbox) -> None:
    screen = kim.visit()
    screen.is_live()
    browser = kim.context.new_cdp_session(screen.page)

    browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    call = sandbox.script("Billing-frozen")
    browser.send("Page.setWebLifecycleState", {"state": "active"})

    screen.see(call.name)
    expect(screen.stale).to_be_hidden()


@pytest.mark.parametrize(
    ("feed", "words"),
    [("copies", r"^Live by copies"), ("polling", r"^Live by polling")],
)
def test_the_floor_says_to_staff_which_feed_it_lives_from(
    kim: Visitor, invite: Invite, floor: Floor, sandbox: Sandbox, feed: str, words: str
) -> None:
    screen, admins = kim.visit(), invite("admin").visit()
    screen.is_live()
    with fed_by(floor, feed):
        expect(admins.page.locator("#clock")).to_have_text(re.compile(words))
        expect(screen.page.locator("#clock")).to_have_text(re.compile(r"^Live(?! by)"))
        expect(admins.page.locator("#stale")).to_be_hidden()
        admins.page.set_viewport_size({"width": 320, "height": 640})
        assert admins.page.evaluate("document.documentElement.scrollWidth") <= 320
    expect(admins.page.locator("#clock")).to_have_text(re.compile(r"^Live(?! by)"))


def test_after_an_outage_the_floor_is_not_live_until_everything_is_compared(
    kim: Visitor, sandbox: Sandbox, floor: Floor
) -> None:
    call = sandbox.script("Billing-before")
    screen = kim.visit()
    screen.see(call.name)
    sandbox.end(call)
    expect(screen.row(call.name)).to_have_count(0)
    expect(screen.stale).to_be_hidden()

    since = datetime.now(UTC) - timedelta(minutes=5)
    remember_an_outage(floor, since)

    expect(screen.stale).to_contain_text("Not checked with Telnyx since")
    expect(screen.page.locator("#clock")).to_have_text("Not live")
    expect(screen.stale).to_be_hidden(timeout=45_000)  # two listings later, by itself
    screen.is_live()


@contextmanager
def fed_by(floor: Floor, feed: str) -> Iterator[None]:
    """Feed the floor otherwise for a moment."""
    with database_of(floor) as database:
        database.execute("UPDATE conferences_account SET feed = ?", [feed])
    try:
        yield
    finally:
        with database_of(floor) as database:
            database.execute("UPDATE conferences_account SET feed = 'webhooks'")


def remember_an_outage(floor: Floor, since: datetime) -> None:
    """Leave the rows as an outage leaves them: something was read before it, nothing is certain since."""
    with database_of(floor) as database:
        at = since.strftime("%Y-%m-%d %H:%M:%S")
        database.execute("UPDATE conferences_conference SET participants_read_at = ? WHERE ended_at NOT NULL", [at])
        database.execute("UPDATE conferences_account SET unsure_since = ?", [at])


def kill_the_worker(floor: Floor) -> None:
    """Kill the process that serves; gunicorn's master starts another."""
    for worker in floor.processes.workers(GUNICORN):
        os.kill(worker, signal.SIGKILL)


def reload_the_worker(floor: Floor) -> None:
    """Replace the process that serves, as a deployment does."""
    os.kill(floor.processes.master(GUNICORN), signal.SIGHUP)


@pytest.mark.parametrize("replace", [kill_the_worker, reload_the_worker], ids=["killed", "reloaded"])
def test_a_page_survives_a_new_server_process(
    kim: Visitor, sandbox: Sandbox, floor: Floor, replace: Callable[[Floor], None]
) -> None:
    screen = kim.visit()
    screen.is_live()
    before = set(floor.processes.workers(GUNICORN))
    assert before

    replace(floor)
    assert eventually(lambda: bool(set(floor.processes.workers(GUNICORN)) - before), within=30)
    # A webhook that nobody takes is sent again after one, three and nine seconds.
    assert eventually(lambda: status_of(f"{floor.url}/healthz") == 200, within=30)
    call = sandbox.script("Billing-deploy")

    screen.see(call.name)
    screen.is_live()
    expect(screen.stale).to_be_hidden()
    kim.forgive(BROKEN)


def test_a_server_that_was_down_comes_back_without_ghosts(invite: Invite, tmp_path: Path) -> None:
    port = free_port()
    with starting(tmp_path) as start:
        first = open_floor(tmp_path, start, port=port)
        kim = invite(None, url=first.url)
        page = kim.context.new_page()
        sign_in(page, first.url, "kim")
        screen = Screen(page)
        ghost = first.sandbox.script("Billing-ghost")
        screen.see(ghost.name)
        screen.is_live()

        first.processes.clear_away()
        expect(screen.stale).to_be_visible(timeout=40_000)
        second = open_floor(tmp_path, start, port=port)
        call = second.sandbox.script("Billing-alive")

        screen.see(call.name)
        expect(screen.row(ghost.name)).to_have_count(0)
        expect(screen.stale).to_be_hidden()
        kim.forgive(BROKEN)


def test_a_floor_that_is_not_live_yet_tells_staff_why(invite: Invite, sandbox: Sandbox) -> None:
    admin = invite("admin")
    problem = "Telnyx refuses the API key."

    def answer_as_unread(route: Route) -> None:
        real = route.fetch()
        beat = json.loads(real.headers["floorline-heartbeat"]) | {"truth": None, "stopped": None, "problem": problem}
        route.fulfill(response=real, headers={**real.headers, "floorline-heartbeat": json.dumps(beat)})

    admin.context.route("**/stream/**", lambda route: route.abort())
    admin.context.route("**/snapshot/**", answer_as_unread)
    screen = admin.visit()

    expect(screen.stale.get_by_text("Not live yet.")).to_be_visible(timeout=20_000)
    expect(screen.stale.locator("[data-why=first]").get_by_text(problem)).to_be_visible()
    screen.page.close()
    admin.forgive("ERR_FAILED")


def test_a_page_that_is_not_live_can_be_read_in_both_themes(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-readable")
    screen = behind.visit()
    screen.is_live()
    screen.monitor(call.name)

    proxy.stall()
    expect(screen.stale).to_be_visible(timeout=20_000)
    for theme in ("light", "dark"):
        screen.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert_accessible(screen.page, theme)
    proxy.flow()
