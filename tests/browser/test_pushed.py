"""A page that was kept up to date by pushes looks exactly like one that was just loaded, after every kind of event."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page

from conferences.sandbox.webhooks.signing import key_of, signed_headers
from tests.browser.conftest import Floor, Invite, Visitor
from tests.browser.sandbox import Sandbox, Scripted
from tests.browser.screen import Screen
from tests.tooling.processes import eventually

SAMPLES = sorted((Path(__file__).parents[1] / "data" / "webhook_samples").glob("*.json"))
# The content of a page: not what ticks, what htmx notes on elements or how attributes are ordered, and not the times at
# which something was read or arrived last, nor the desk's shares of a talk that goes on: no version announces them, and
# they follow with the next thorough look. A call
# that ended stays in its place for three seconds on a page that saw it end. In the viewer's own row the chip that
# everybody gets is hidden behind the viewer's own, and a page loaded anew has none.
NORMALISED = """() => {
  const classes = (value) => value.split(/\\s+/).filter((name) => name && !name.startsWith("htmx-")).sort().join(" ");
  const attribute = ({ name, value }) => `${name}=${name === "class" ? classes(value) : value}`;
  const tell = (node) => {
    const text = node.textContent.replace(/(from Telnyx arrived at|last checked|by Telnyx) \\S+/, "$1 …")
      .replace(/\\s+/g, " ").trim();
    if (node.nodeType === Node.TEXT_NODE) return text ? [text] : [];
    if (node.nodeType !== Node.ELEMENT_NODE) return [];
    if (node.matches("tr.ended, #conferences .chip[hidden]")) return [];
    if (node.matches("[name=stop]")) return ["(sealed)"];
    if (node.matches("[data-since]")) return [`(since ${node.dataset.since})`];
    if (node.dataset.talks) return [`(talk ${node.dataset.talk}, ${node.dataset.talks} from ${node.dataset.from})`];
    if (node.matches(".leg .share")) return ["(share of the talk)"];
    const attributes = [...node.attributes]
      .filter(({ name, value }) => !/^data-htmx|^style$/.test(name) && (name !== "class" || classes(value)))
      .filter(({ name }) => !(name === "viewBox" && node.matches(".speech-lane[data-from]"))) // grows with the time
      .filter(({ name }) => !(name === "width" && "runs" in node.dataset))
      .map(attribute).sort();
    if (node.matches("input[type=checkbox]")) attributes.push(`ticked=${node.checked}`);
    const children = [...node.childNodes].flatMap(tell).map((line) => ` ${line}`);
    return [`<${node.localName} ${attributes.join(" ")}>`, ...children];
  };
  return ["counters", "conferences", "window", "notices", "desk", "my-ear"]
    .flatMap((id) => tell(document.getElementById(id))).join("\\n");
}"""


class Telnyx:
    """Posts webhooks of its own beside the sandbox's, with the same signature."""

    def __init__(self, floor: Floor) -> None:
        keys = json.loads((Path(floor.processes.environment["VAR_DIR"]) / "sandbox.json").read_text())
        self.key = key_of(keys["signing_seed"])
        self.url = f"{floor.url}/webhooks/telnyx/"

    def post(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()

        def is_taken() -> bool:
            headers = signed_headers(body, key=self.key, timestamp=int(time.time()))
            return requests.post(self.url, data=body, headers=headers, timeout=10).status_code == 200

        assert eventually(is_taken, within=15, pause=1.0)  # sent again, as by Telnyx, where it was not stored in time


@pytest.fixture
def fresh(invite: Invite) -> Iterator[Page]:
    """Return a page that is loaded anew for each comparison and hears of nothing afterwards."""
    visitor = invite("kim")
    page = visitor.context.new_page()
    page.route("**/stream/**", lambda route: route.abort())
    yield page
    page.close()  # it would try its stream again, and complain again, after it was forgiven
    visitor.forgive(r"ERR_FAILED|htmx:error")


def equal_to_a_fresh_one(old: Screen, fresh: Page) -> None:
    """Compare until both agree; what was pushed too late or not at all never does."""
    loaded = pushed = ""

    def agree() -> bool:
        nonlocal loaded, pushed
        fresh.goto(old.page.url, wait_until="domcontentloaded")
        loaded, pushed = fresh.evaluate(NORMALISED), old.page.evaluate(NORMALISED)
        return bool(loaded == pushed)

    assert eventually(agree, within=12), "\n".join(
        unified_diff(loaded.splitlines(), pushed.splitlines(), "loaded", "pushed")
    )


def played(sample: Path, call: Scripted, *, leg: str) -> dict[str, Any]:
    """Return a recorded event as if it were about this conference and leg, just now."""
    event: dict[str, Any] = json.loads(sample.read_text())
    data = event["data"]
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    data["id"] = str(uuid.uuid4())
    payload = data["payload"]
    for holder in (data, payload):
        if "occurred_at" in holder:
            holder["occurred_at"] = now
    if "conference_id" in payload:
        payload["conference_id"] = call.id
    if "call_control_id" in payload:
        payload["call_control_id"] = call.legs[leg]
    return event


def test_every_recorded_event_is_pushed_as_a_fresh_page_shows_it(
    kim: Visitor, sandbox: Sandbox, floor: Floor, fresh: Page
) -> None:
    telnyx = Telnyx(floor)
    screen = kim.visit()
    call = sandbox.script("Billing-told", agents=["Ana Ruiz", "Max Falk"])
    screen.see(call.name)
    screen.open(call.name)
    screen.let_go()
    ends = [sample for sample in SAMPLES if sample.name.startswith(("conference.ended", "call.hangup"))]

    for sample in [sample for sample in SAMPLES if sample not in ends]:
        telnyx.post(played(sample, call, leg="Ana Ruiz"))
        equal_to_a_fresh_one(screen, fresh)
    for sample in ends:
        telnyx.post(played(sample, call, leg="Max Falk"))
        equal_to_a_fresh_one(screen, fresh)


def test_a_whole_story_is_pushed_as_a_fresh_page_shows_it(kim: Visitor, sandbox: Sandbox, fresh: Page) -> None:
    screen = kim.visit()
    call = sandbox.script("Billing-story", agents=["Ana Ruiz", "Max Falk"])
    older = sandbox.script("Billing-older")
    screen.see(call.name)
    screen.see(older.name)
    screen.open(call.name)

    def step() -> None:
        screen.let_go()
        equal_to_a_fresh_one(screen, fresh)

    step()
    sandbox.act(call.legs["Ana Ruiz"], "speak")
    step()
    sandbox.act(call.legs["Max Falk"], "hold")
    step()
    sandbox.act(call.legs["Max Falk"], "unhold")
    step()
    third = sandbox.join(call, agent="Priya Nair")
    step()
    stranger = sandbox.join(call, stranger="+4930555666")
    step()
    screen.monitor(call.name)
    step()
    sandbox.act(stranger, "hangup")
    sandbox.act(third, "hangup")
    step()
    screen.target("Ana Ruiz").check()
    screen.role("Whisper").click()
    screen.verified("Whisper")
    step()
    screen.barge()
    screen.verified("Barge")
    screen.target("Ana Ruiz").uncheck()  # a tick is the person's own, and a fresh page has none
    step()
    screen.leave.click()
    step()
    sandbox.script("Billing-newer")
    sandbox.end(older, how="hangup")
    step()
    sandbox.end(call)
    step()
