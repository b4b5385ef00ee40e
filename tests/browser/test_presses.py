"""Checks what a press carries, when the browser gives it up, and what the page says until it is answered."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Request, expect

from tests.browser.conftest import Floor, Invite, Visitor, sign_in
from tests.browser.proxy import Proxy
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen
from tests.tooling.processes import eventually

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NOT_YET = "Floorline has not answered yet. If you must not be heard, hang up your phone."
FILL_CONNECTIONS = """() => {
  for (let n = 0; n < 8; n++) fetch(`/healthz?n=${n}`, { priority: "low" }).catch(() => {});
}"""
LEAVE_AFTER_SLEEP = """() => {
  const now = Date.now;
  Date.now = () => now() + 3_600_000;
  document.querySelector("[data-leave]").click();
}"""


def is_press(request: Request) -> bool:
    """Return whether a request is a press: pages also post by themselves that somebody is there."""
    return request.method == "POST" and urlsplit(request.url).path != "/still-here/"


def presses_of(screen: Screen) -> list[dict[str, str]]:
    """Return a list that gets the form of every press that the page sends from now on."""
    forms: list[dict[str, str]] = []

    def note(request: Request) -> None:
        if is_press(request):
            forms.append(dict(parse_qsl(request.post_data or "")))

    screen.page.on("request", note)
    return forms


def is_since(form: dict[str, str], began: float) -> bool:
    """Return whether a press has the time of a moment since then; a page learns the time a little late."""
    return began - 2 < int(form["pressed_at"]) / 1000 < time.time() + 2


def test_presses_carry_the_page_a_rising_number_and_the_servers_time(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-pressed")
    screen = kim.visit()
    screen.is_live()
    forms = presses_of(screen)

    began = time.time()
    screen.monitor(call.name)
    assert is_since(forms[-1], began)
    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    screen.page.keyboard.press("Escape")
    screen.verified("Monitor")
    began = time.time()
    screen.leave.click()
    expect(screen.page.get_by_text("connected, not in a call")).to_be_visible()
    assert is_since(forms[-1], began)

    assert [form["press"] for form in forms] == ["1", "2", "3", "4"]
    assert len({form["page"] for form in forms}) == 1
    assert UUID.fullmatch(forms[0]["page"])
    assert [form.get("hop") for form in forms] == [None, None, None, None]


def test_presses_are_counted_in_a_tab_across_its_page_loads(kim: Visitor, sandbox: Sandbox) -> None:
    screen = kim.visit()
    forms = presses_of(screen)
    bar = screen.page.get_by_role("banner")
    bar.get_by_role("button", name="Connect").click()
    expect(screen.page.get_by_text("connected, not in a call")).to_be_visible()

    screen.page.reload()
    bar.get_by_role("button", name="Hang up my phone").click()
    expect(bar.get_by_text("Phone not connected")).to_be_visible()

    assert [form["press"] for form in forms] == ["1", "2"]
    assert forms[0]["page"] == forms[1]["page"]


def test_signing_out_is_a_press_too(invite: Invite, floor: Floor) -> None:
    screen = Screen(invite(None).context.new_page())
    sign_in(screen.page, floor.url, "lena")
    screen.is_live()
    forms = presses_of(screen)

    screen.my_menu.locator("summary").click()
    began = time.time()
    screen.page.get_by_role("button", name="Sign out").click()
    expect(screen.page.get_by_label("Password")).to_be_visible()

    assert forms[0]["press"] == "1"
    assert is_since(forms[0], began)


def test_a_press_while_the_ear_may_be_on_its_way_elsewhere_says_so(kim: Visitor, sandbox: Sandbox) -> None:
    here, there = sandbox.script("Billing-here"), sandbox.script("Billing-there")
    screen = kim.visit()
    screen.monitor(here.name)
    forms = presses_of(screen)

    sandbox.fault("/conferences/*/actions/leave", times=2, delay_s=4.0, when="after")
    screen.row(there.name).get_by_role("button", name="Monitor").click()
    screen.page.keyboard.press("Escape")

    assert screen.comes_to(lambda: len(forms) == 2, within=10)
    assert [form.get("hop") for form in forms] == [None, "1"]


def test_without_a_heartbeat_a_press_has_no_time(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-timeless")
    screen = kim.visit()
    screen.see(call.name)
    for path in ("**/stream/**", "**/snapshot/**"):
        kim.context.route(path, lambda route: route.abort())
    screen.page.reload()
    forms = presses_of(screen)

    screen.row(call.name).get_by_role("button", name="Monitor").click()

    assert eventually(lambda: "Kim’s desk phone" in sandbox.present(call), within=30)
    assert screen.comes_to(lambda: len(forms) == 1, within=10)
    assert forms[0]["press"] == "1"
    assert "pressed_at" not in forms[0]
    screen.page.close()
    kim.forgive("ERR_FAILED")


def test_after_sleep_the_servers_time_is_learned_anew(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-slept")
    screen = kim.visit()
    screen.monitor(call.name)
    screen.is_live()
    forms = presses_of(screen)

    screen.page.evaluate(LEAVE_AFTER_SLEEP)
    expect(screen.page.get_by_text("connected, not in a call")).to_be_visible()
    assert "pressed_at" not in forms[0]

    began = time.time()

    def tells_its_time() -> bool:
        screen.row(call.name).get_by_role("button", name="Monitor").click()
        screen.verified("Monitor")
        return "pressed_at" in forms[-1]

    assert eventually(tells_its_time, within=40), "no heartbeat was heard"
    assert is_since(forms[-1], began)


def inside(visitor: Visitor, sandbox: Sandbox, name: str) -> tuple[Screen, Scripted]:
    """Return the page of a call that Kim monitors, with somebody chosen for a whisper."""
    call = sandbox.script(name)
    floor = visitor.visit()
    floor.see(call.name)
    screen = visitor.visit(floor.address(call.name))
    floor.page.close()
    screen.role("Monitor").click()
    screen.verified("Monitor")
    screen.target("Ana Ruiz").check()
    return screen, call


def busy(screen: Screen, proxy: Proxy) -> None:
    """Let every connection of the browser but the page's own stream wait for an answer."""
    assert eventually(lambda: proxy.open_streams == 1, within=15)
    proxy.hold("GET /healthz")
    screen.page.evaluate(FILL_CONNECTIONS)
    assert eventually(lambda: (proxy.waiting, proxy.open_streams) == (5, 1), within=15)


def says(screen: Screen, words: str) -> None:
    """Wait for a sentence about a press; of what is hidden, the inner text is everything."""
    expect(screen.unanswered).to_be_visible()
    expect(screen.unanswered).to_contain_text(words, use_inner_text=True)


def test_a_stop_gives_up_the_pages_own_connection_where_all_others_are_busy(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    screen, call = inside(behind, sandbox, "Billing-busy")
    busy(screen, proxy)

    screen.leave.click()

    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=10)
    proxy.release()
    screen.is_live()


def test_an_unanswered_stop_is_told_after_two_seconds_until_it_is_answered(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    screen, call = inside(behind, sandbox, "Billing-stalled")

    proxy.stall()
    screen.leave.click()
    says(screen, NOT_YET)
    proxy.flow()

    expect(screen.unanswered).to_be_hidden()
    assert eventually(lambda: "Kim’s desk phone" not in sandbox.present(call), within=15)


def test_a_louder_press_that_waited_five_seconds_is_given_up_and_never_sent(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    screen, _call = inside(behind, sandbox, "Billing-waited")
    busy(screen, proxy)

    screen.role("Whisper").click()
    says(screen, "It took too long and was not sent. Press again.")
    asked = len(proxy.asked)
    proxy.release()
    assert eventually(lambda: len([one for one in proxy.asked[asked:] if "healthz" in one]) >= 3, within=15)

    assert not [line for line in proxy.asked[asked:] if "/role/" in line]
    screen.role("Whisper").click()
    screen.verified("Whisper")
    expect(screen.unanswered).to_be_hidden()


@pytest.mark.parametrize("press", ["Escape", "x"])
def test_a_stop_takes_back_the_louder_press_that_still_waits(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox, press: str
) -> None:
    screen, _call = inside(behind, sandbox, "Billing-taken-back")
    busy(screen, proxy)
    asked = len(proxy.asked)

    screen.role("Whisper").click()
    screen.page.keyboard.press(press)

    assert eventually(lambda: any("POST /" in line for line in proxy.asked[asked:]), within=10)
    proxy.release()
    assert eventually(lambda: len([one for one in proxy.asked[asked:] if "healthz" in one]) >= 8, within=15)
    assert not [line for line in proxy.asked[asked:] if "/role/" in line]


HANG_UP = "If you wanted to leave or go back to Monitor, hang up your phone: that always works."


def answering(screen: Screen, path: str, status: int) -> None:
    """Let Floorline answer each press on this path with an error from now on."""
    screen.page.route(path, lambda route: route.fulfill(status=status, body="no"))


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_press_that_is_answered_with_an_error_is_told_as_not_done(
    kim: Visitor, sandbox: Sandbox, status: int
) -> None:
    call, other = sandbox.script("Billing-error"), sandbox.script("Billing-other")
    screen = kim.visit()
    screen.monitor(call.name)

    answering(screen, "**/monitor/", status)
    screen.row(other.name).get_by_role("button", name="Monitor").click()
    says(screen, "It may not have been done. Reload the page, then try again.")
    answering(screen, "**/leave/", status)
    screen.leave.click()
    says(screen, HANG_UP)

    screen.page.unroute("**/leave/")
    screen.leave.click()
    expect(screen.page.get_by_text("connected, not in a call")).to_be_visible()
    expect(screen.unanswered.get_by_text(HANG_UP)).to_be_hidden()
    kim.forgive(f"status of {status}")


def test_a_failed_leave_is_told_also_where_the_page_is_scrolled_down(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-below")
    screen = kim.visit()
    screen.monitor(call.name)
    screen.page.set_viewport_size({"width": 800, "height": 260})
    screen.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert screen.page.evaluate("scrollY") > 60
    answering(screen, "**/leave/", 500)

    screen.page.keyboard.press("x")

    says(screen, HANG_UP)
    expect(screen.unanswered).to_be_in_viewport(ratio=1)
    kim.forgive("status of 500")


def test_a_failed_monitor_out_of_a_barge_is_told_as_a_failed_stop(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-still-heard")
    screen = kim.visit()
    screen.monitor(call.name)
    screen.barge()
    screen.verified("Barge")
    for path in ("**/monitor/", "**/role/"):
        answering(screen, path, 500)

    screen.row(call.name).get_by_role("button", name="Monitor").click()
    says(screen, HANG_UP)
    screen.leave.click()
    expect(screen.unanswered).to_be_hidden()

    kim.forgive("status of 500")


def ends_of(screen: Screen) -> tuple[list[str], list[str]]:
    """Return two lists that get the paths of presses from now on: of the answered ones, and of those given up."""
    answered: list[str] = []
    given_up: list[str] = []

    def note(ends: list[str]) -> Callable[[Request], None]:
        return lambda request: ends.append(urlsplit(request.url).path) if is_press(request) else None

    screen.page.on("requestfinished", note(answered))
    screen.page.on("requestfailed", note(given_up))
    return answered, given_up


def test_a_stop_gives_up_the_report_that_somebody_is_there(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-reported")
    screen = behind.visit()
    screen.is_live()
    screen.page.route("**/still-here/", lambda route: route.abort())  # so that the next act is reported at once
    screen.monitor(call.name)
    screen.page.unroute("**/still-here/")
    behind.forgive("still-here")
    reports: list[float] = []
    given_up: list[float] = []

    def note(ends: list[float]) -> Callable[[Request], None]:
        return lambda request: ends.append(time.monotonic()) if request.url.endswith("/still-here/") else None

    screen.page.on("request", note(reports))
    screen.page.on("requestfailed", note(given_up))
    proxy.hold("POST /")

    def is_reported() -> bool:
        screen.page.keyboard.press("Shift")
        return len(reports) == 1

    assert screen.comes_to(is_reported, within=10)
    screen.leave.click()
    assert screen.comes_to(lambda: len(given_up) == 1, within=10)
    assert given_up[0] - reports[0] < 6  # before it would have given up itself
    proxy.release()
    expect(screen.page.get_by_text("connected, not in a call")).to_be_visible()


def test_the_third_quick_monitor_press_is_sent_and_wins(behind: Visitor, proxy: Proxy, sandbox: Sandbox) -> None:
    calls = [sandbox.script(f"Billing-quick-{letter}") for letter in "abc"]
    screen = behind.visit()
    screen.is_live()
    for call in calls:
        screen.see(call.name)
    forms = presses_of(screen)

    proxy.hold("POST /monitor/")
    for call in calls:
        screen.row(call.name).get_by_role("button", name="Monitor").click()
    assert screen.comes_to(lambda: len(forms) == 3, within=10)
    proxy.release()

    screen.verified("Monitor")
    expect(screen.ear).to_contain_text(calls[-1].name)
    assert eventually(lambda: "Kim’s desk phone" in sandbox.present(calls[-1]), within=10)


def test_monitor_in_the_own_row_is_sent_behind_other_monitor_presses_and_no_later_one_takes_its_place(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    mine = sandbox.script("Billing-own-row")
    others = [sandbox.script(f"Billing-row-{letter}") for letter in "abc"]
    screen = behind.visit()
    screen.is_live()
    screen.monitor(mine.name)
    own = re.sub(r".*/conferences/|/$", "", screen.address(mine.name))
    forms = presses_of(screen)
    answered, given_up = ends_of(screen)

    proxy.hold("POST /monitor/")
    for call in (*others[:2], mine):
        screen.row(call.name).get_by_role("button", name="Monitor").click()
    assert screen.comes_to(lambda: [form["monitor"] for form in forms][2:] == [own], within=10)
    screen.row(others[2].name).get_by_role("button", name="Monitor").click()
    assert screen.comes_to(lambda: len(forms) == 4, within=10)
    proxy.release()

    # The two before the stop are given up, the stop itself is not.
    assert screen.comes_to(lambda: (len(given_up), len(answered)) == (2, 2), within=10)


def test_a_monitor_press_right_behind_a_follow_gives_up_neither(
    behind: Visitor, proxy: Proxy, sandbox: Sandbox
) -> None:
    call, other = sandbox.script("Billing-followed"), sandbox.script("Sales-behind", agents=["Max Falk"])
    screen = behind.visit()
    screen.is_live()
    screen.see(other.name)
    screen.open(call.name)
    forms = presses_of(screen)
    answered, given_up = ends_of(screen)

    proxy.hold("POST /ear/follow/")
    screen.desk.get_by_role("button", name="Follow Ana Ruiz on every call").click()
    screen.row(other.name).get_by_role("button", name="Monitor").click()
    assert screen.comes_to(lambda: len(forms) == 2, within=10)
    proxy.release()

    assert screen.comes_to(lambda: sorted(answered) == ["/ear/follow/", "/monitor/"], within=10)
    assert given_up == []
    behind.forgive("status of 422 .*/ear/follow/")  # it was held back until the later press had come
