"""Nothing moves under the hand: no button of the desk, no row below a pointer, not the place on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, StorageState, expect

from tests.browser.conftest import Visitor, launch
from tests.browser.sandbox import Sandbox
from tests.tooling.processes import eventually

REST = 3_100  # a little longer than a pointer rests before the list is let go (static/js/hold.js)


@pytest.fixture
def with_scroll_bars(playwright: Playwright, kim: Visitor) -> Iterator[Visitor]:
    """Return Kim's browser with scroll bars that take room, as on most desktops."""
    browser: Browser = launch(playwright, hide_scroll_bars=False)
    cookies: StorageState = kim.context.storage_state()
    context = browser.new_context(storage_state=cookies, viewport={"width": 1280, "height": 500})
    yield Visitor(context, kim.url, kim.sandbox)
    browser.close()


def test_who_joins_moves_no_button_of_the_desk(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-third")
    screen = kim.visit()
    screen.see(call.name)
    screen.open(call.name)
    before = [screen.role(name).bounding_box() for name in ("Monitor", "Whisper", "Barge")]
    target = screen.target("Ana Ruiz").bounding_box()

    for agent in ("Max Falk", "Priya Nair"):
        sandbox.join(call, agent=agent)
        expect(screen.target(agent)).to_be_visible()

    assert [screen.role(name).bounding_box() for name in ("Monitor", "Whisper", "Barge")] == before
    assert screen.target("Ana Ruiz").bounding_box() == target


def test_a_refusal_moves_no_button_that_was_pressed(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-refused")
    screen = kim.visit()
    screen.see(call.name)
    screen.monitor(call.name)
    before = screen.role("Barge").bounding_box()
    sandbox.fault(status=401, code="10009")

    screen.barge()
    expect(screen.refusal).to_contain_text("Telnyx refuses the API key.")

    assert screen.role("Barge").bounding_box() == before
    kim.forgive("status of 422")


def test_scroll_bars_that_come_move_neither_the_desk_nor_what_is_on_it(
    with_scroll_bars: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-short")
    screen = with_scroll_bars.visit()
    screen.see(call.name)
    pane = screen.page.locator(".desk-pane")
    alone, empty = pane.bounding_box(), screen.desk.bounding_box()

    for number in range(12):
        sandbox.script(f"Billing-more-{number}")
    screen.see("Billing-more-11")
    assert screen.page.evaluate("document.documentElement.scrollHeight > innerHeight"), "the page needs no bar"
    screen.open(call.name)
    assert pane.evaluate("pane => pane.scrollHeight > pane.clientHeight"), "the desk needs no bar"

    crowded, full = pane.bounding_box(), screen.desk.bounding_box()
    assert alone
    assert crowded
    assert empty
    assert full
    assert (crowded["x"], crowded["width"]) == (alone["x"], alone["width"])
    assert (full["x"], full["width"]) == (empty["x"], empty["width"])


# After every change of the page, not in every frame: a busy machine leaves frames out.
SAYS = """() => {
  window.said = [];
  const look = () => {
    const now = document.querySelector("#my-ear strong")?.textContent.trim();
    if (now && window.said.at(-1) !== now) window.said.push(now);
  };
  new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true });
  look();
}"""


def test_a_hop_says_one_thing_on_the_way(kim: Visitor, sandbox: Sandbox) -> None:
    first, second = sandbox.script("Billing-first"), sandbox.script("Billing-second", agents=["Max Falk"])
    screen = kim.visit()
    screen.see(second.name)
    screen.monitor(first.name)
    expect(screen.ear.locator("strong")).to_have_text("Monitor ✓")
    screen.page.evaluate(SAYS)

    screen.row(second.name).get_by_role("button", name="Monitor").click()
    expect(screen.ear).to_contain_text(second.name)
    expect(screen.ear.locator("strong")).to_have_text("Monitor ✓")

    said = screen.page.evaluate("window.said")
    # Out of one call, then into the other: each is said once. In between the phone is in neither, which may be seen.
    leaving, parked = [words for words in said if words.startswith("Leaving")], "Kim’s desk phone"
    assert [words for words in said if words not in {*leaving, parked}] == ["Monitor ✓", "Joining…", "Monitor ✓"], said
    assert len(leaving) <= 1, said
    assert said.count(parked) <= 1, said


def test_the_next_page_opens_at_its_top(kim: Visitor, sandbox: Sandbox) -> None:
    for number in range(48):
        sandbox.script(f"Billing-{number}")
    screen = kim.visit("/?sort=name")
    screen.page.set_viewport_size({"width": 1280, "height": 400})
    onward = screen.page.locator("#window a[rel=next]")
    expect(screen.page.get_by_text("1–40 of 48")).to_be_visible()

    onward.click()
    expect(screen.page.get_by_text("41–48 of 48")).to_be_visible()
    first = screen.page.locator("#conferences tr").first
    top = screen.page.get_by_role("banner").bounding_box()
    assert top

    def is_seen() -> bool:
        box = first.bounding_box()
        return box is not None and top["height"] <= box["y"] <= 400 - box["height"]

    assert eventually(is_seen, within=15), first.bounding_box()

    # By keys the focus comes along: the first row is the next thing that they reach.
    back = screen.page.locator("#window a[rel=prev]")
    back.focus()
    screen.page.keyboard.press("Enter")
    expect(screen.page.get_by_text("1–40 of 48")).to_be_visible()
    expect(first.get_by_role("link")).to_be_focused()
    assert eventually(is_seen, within=15), first.bounding_box()


def test_a_pointer_that_rests_on_the_list_does_not_freeze_it(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine")
    screen = kim.visit(clock=True)
    screen.see(call.name)
    screen.is_live()
    screen.stop_time()
    box = screen.row(call.name).bounding_box()
    assert box
    screen.page.mouse.move(box["x"] + 300, box["y"] + 20)
    screen.page.mouse.move(box["x"] + 305, box["y"] + 22)

    sandbox.script("Billing-next")
    assert screen.comes(screen.new_rows.get_by_text("1 new call"))
    expect(screen.row("Billing-next")).to_have_count(0)
    screen.page.clock.run_for(REST)
    assert screen.comes(screen.row("Billing-next"))
    # It still rests: what comes now comes at once.
    sandbox.script("Billing-after")
    assert screen.comes(screen.row("Billing-after"))

    screen.page.mouse.move(box["x"] + 310, box["y"] + 20)
    sandbox.script("Billing-held")
    assert screen.comes(screen.new_rows.get_by_text("1 new call"))
    expect(screen.row("Billing-held")).to_have_count(0)


def test_a_focus_that_rests_on_the_list_lets_it_go_too_and_stays(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine")
    screen = kim.visit(clock=True)
    screen.see(call.name)
    screen.is_live()
    screen.stop_time()
    screen.page.keyboard.press("j")
    link = screen.row(call.name).get_by_role("link")
    expect(link).to_be_focused()

    sandbox.script("Billing-next")
    assert screen.comes(screen.new_rows.get_by_text("1 new call"))
    screen.page.clock.run_for(REST)
    assert screen.comes(screen.row("Billing-next"))
    expect(link).to_be_focused()


# As soon as a row stands elsewhere, or some milliseconds later, clicks where its button is now, as a pointer does.
CLICK_WHEN_MOVED = """([id, waits]) => {
  const row = () => document.getElementById(id);
  const before = row().getBoundingClientRect().top;
  const click = () => {
    const button = row().querySelector("td:last-child button");
    const box = button.getBoundingClientRect();
    const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    hit.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 }));
    return button.contains(hit);
  };
  window.taken = new Promise((resolve) => {
    const look = () => {
      if (row().getBoundingClientRect().top === before) return;
      document.removeEventListener("htmx:after:swap", look);
      setTimeout(() => resolve(click()), waits);
    };
    document.addEventListener("htmx:after:swap", look);
  });
}"""


def test_a_row_that_has_just_moved_takes_no_click(kim: Visitor, sandbox: Sandbox) -> None:
    calls = [sandbox.script(f"Billing-{number}") for number in range(2)]
    screen = kim.visit("/?sort=newest")
    for call in calls:
        screen.see(call.name)
    before = sandbox.newest_request()
    row_id = screen.row(calls[0].name).get_attribute("id")
    screen.page.evaluate(CLICK_WHEN_MOVED, [row_id, 0])

    sandbox.script("Billing-newest")
    assert screen.page.evaluate("() => window.taken") is False

    screen.page.evaluate(CLICK_WHEN_MOVED, [row_id, 800])
    sandbox.script("Billing-newer-still")
    screen.page.evaluate("() => window.taken")
    screen.verified("Monitor")
    assert [entry for entry in sandbox.requests(since=before) if entry["path"].endswith("/actions/join")]


def test_the_way_back_to_silence_is_taken_also_in_a_row_that_has_just_moved(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-mine")
    screen = kim.visit("/?sort=newest")
    screen.see(call.name)
    screen.monitor(call.name)
    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    screen.let_go()
    row_id = screen.row(call.name).get_attribute("id")
    screen.page.evaluate(CLICK_WHEN_MOVED, [row_id, 0])

    sandbox.script("Billing-newest")
    screen.page.evaluate("() => window.taken")

    screen.verified("Monitor")
    assert sandbox.hearing(call) == set()


def test_what_moves_the_whole_list_keeps_no_click_from_its_rows(kim: Visitor, sandbox: Sandbox) -> None:
    call = sandbox.script("Billing-below")
    screen = kim.visit("/?waiting=1")
    screen.see(call.name)
    expect(screen.page.get_by_text("Nobody is waiting in a queue.")).to_be_visible()
    screen.page.evaluate(CLICK_WHEN_MOVED, [screen.row(call.name).get_attribute("id"), 0])

    sandbox.wait("+4930123456142")

    assert screen.page.evaluate("() => window.taken") is True
    screen.verified("Monitor")


def test_a_named_call_and_a_heading_that_go_while_the_list_is_in_use_say_no_name(
    kim: Visitor, sandbox: Sandbox
) -> None:
    call = sandbox.script("Billing-leaves", agents=["Ana Ruiz", "Max Falk"])
    screen = kim.visit("/?group=agent", clock=True)
    screen.see(call.name)
    screen.is_live()
    lines = [screen.page.locator(f"#conferences > {name}").last for name in (".group", ".also")]
    for line, words in zip(lines, ("Max Falk", call.name), strict=True):
        expect(line).to_contain_text(words)
    before = [line.bounding_box() for line in lines]
    screen.stop_time()
    screen.page.keyboard.press("j")

    sandbox.act(call.legs["Max Falk"], "hangup")
    assert screen.comes(screen.page.locator("#conferences > .also.ended"))

    for line in lines:
        expect(line).to_have_text("")
    assert [line.bounding_box() for line in lines] == before


# In the frame in which a row stands elsewhere, clicks where its button is now.
CLICK_IN_THAT_FRAME = """(id) => {
  const row = document.getElementById(id);
  const before = row.getBoundingClientRect().top;
  window.taken = new Promise((resolve) => {
    const look = () => {
      if (row.getBoundingClientRect().top === before) return requestAnimationFrame(look);
      const button = row.querySelector("td:last-child button");
      const box = button.getBoundingClientRect();
      const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      hit.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 }));
      resolve(button.contains(hit));
    };
    look();
  });
}"""


def test_rows_that_a_banner_has_moved_take_no_click_for_a_moment(kim: Visitor, sandbox: Sandbox) -> None:
    pressed, other = sandbox.script("Billing-pressed"), sandbox.script("Billing-moved")
    screen = kim.visit()
    screen.is_live()
    screen.see(pressed.name)
    screen.see(other.name)
    screen.page.evaluate(CLICK_IN_THAT_FRAME, screen.row(other.name).get_attribute("id"))

    screen.page.route("**/monitor/", lambda route: route.fulfill(status=500))
    screen.row(pressed.name).get_by_role("button", name="Monitor").click()
    assert screen.page.evaluate("() => window.taken") is False
    expect(screen.unanswered).to_be_visible()

    screen.page.unroute("**/monitor/")
    screen.monitor(other.name)  # Playwright waits until the button takes a click
    kim.forgive("status of 500")
