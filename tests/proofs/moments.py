"""`kill -9` at six named moments, and a web process that stands still at a seventh.

Web and worker processes die together, as in a power cut, and start again on the same database beside the same Telnyx.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import requests

from benchmarks.load import KEY, PUBLIC_KEY, bodies, signed
from benchmarks.servers import ROOT, Server, environment, floorline, free_port
from conferences.sandbox.center import directory
from tests.browser.sandbox import UPDATE, Sandbox, Scripted
from tests.tooling.person import Person
from tests.tooling.processes import eventually

from .serving import empty, is_whole, rows

MOMENTS = ("received", "committed", "intent stored", "sent", "answered", "streaming", "two presses")
API_KEY = "sandbox-proof"
LOUD = {"whisper", "barge", "none"}
# A stale louder role would need this: longer down than the five seconds in which one may be sent.
DOWN_SECONDS = (0.0, 7.0)
LOUD_FOR_SECONDS = 5.0
SILENT_WITHIN = 20.0
STANDS_STILL_SECONDS = 0.65
STOPPED_WITHIN = 5.0


@dataclass
class Site:
    """A dashboard and its worker that can be killed and started again, beside a Telnyx that stays."""

    url: str
    port: int
    sandbox: Sandbox
    settings: dict[str, str]
    running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    server: Server | None = None
    worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start both; returns as soon as the dashboard answers."""
        self.server = self.running.enter_context(floorline(self.url, port=self.port, settings=self.settings))
        self.worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=environment(self.url, port=self.port) | self.settings,
        )

    def kill(self) -> None:
        """End both at once, without a word."""
        assert self.server is not None
        assert self.worker is not None
        self.worker.kill()
        self.server.kill()
        self.worker.wait(20)
        self.running.close()

    def open_files(self) -> set[str]:
        """Return the files that the dashboard's processes have open."""
        assert self.server is not None
        found = set()
        for pid in self.server.pids():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.add(str(link.readlink()))
        return found

    def address(self) -> str:
        return f"http://localhost:{self.port}"


@contextmanager
def moments() -> Iterator[Callable[[int, Random], None]]:
    """Yield the check of one moment; seven cases in a row are one of each."""
    with site() as served:

        def check(number: int, chance: Random) -> None:
            moment = MOMENTS[number % len(MOMENTS)]
            try:
                if moment in {"received", "committed"}:
                    _while_taking_in(served, chance, moment)
                elif moment == "streaming":
                    _while_streaming(served, chance)
                elif moment == "two presses":
                    _while_two_presses_wait(served, chance)
                else:
                    _while_commanding(served, chance, moment)
                assert is_whole(served.url)
            except AssertionError as error:
                raise AssertionError(f"at “{moment}”: {error}") from error

        yield check


@contextmanager
def site(*, settings: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Serve a sandbox's floor without a story, by processes of our own."""
    more = settings or {}
    telnyx, port = free_port(), free_port()
    settings = {
        "TELNYX_API_BASE": f"http://127.0.0.1:{telnyx}/v2",
        "TELNYX_API_KEY": API_KEY,
        "TELNYX_PUBLIC_KEY": PUBLIC_KEY,
        "TELNYX_CONNECTION_ID": directory.EAR_CONNECTION_ID,
        "TELNYX_FROM_NUMBER": directory.FROM_NUMBER,
        "LOG_LEVEL": "CRITICAL",
        **more,
    }
    command = [sys.executable, "-m", "conferences.sandbox", "--calls", "0", "--port", str(telnyx)]
    command += ["--webhook-url", f"http://127.0.0.1:{port}/webhooks/telnyx/"]
    keys = {"SANDBOX_API_KEY": API_KEY, "SANDBOX_SIGNING_SEED": bytes(KEY).hex()}
    with empty("moments") as url:
        known = environment(url, port=port) | settings
        # The account that the database was prepared with belongs to no mode yet; the demo makes its own.
        clear = "from conferences.models import Account; Account.objects.all().delete()"
        for order in (["shell", "-v0", "-c", clear], ["demo", "--calls", "0", "-v0"]):
            subprocess.run([sys.executable, "manage.py", *order], cwd=ROOT, env=known, check=True)
        process = subprocess.Popen(command, cwd=ROOT, env={"PATH": known["PATH"], **keys})
        served = Site(url=url, port=port, sandbox=Sandbox(f"http://127.0.0.1:{telnyx}"), settings=settings)
        try:
            assert eventually(lambda: _answers(f"{served.sandbox.url}/sandbox/state"), within=20)
            served.start()
            yield served
        finally:
            served.kill()
            process.terminate()
            process.wait(20)


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=2).ok
    return False


# --- webhooks ---------------------------------------------------------------------------------------------------------


def _while_taking_in(served: Site, chance: Random, moment: str) -> None:
    told = bodies(chance.randint(5, 60), seed=chance.getrandbits(32))
    acknowledged = asyncio.run(_tell(served, told, wait_for_last=moment == "committed"))
    _start_again(served, chance)
    stored = rows(served.url, "SELECT body FROM conferences_webhookevent")
    lost = [body for body in acknowledged if body not in set(stored)]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged events are lost"
    # Telnyx tells again what was not acknowledged; told twice or once, it is there once.
    asyncio.run(_tell(served, told[-1:], wait_for_last=True, kill=False))
    stored = rows(served.url, "SELECT body FROM conferences_webhookevent")
    assert stored.count(told[-1]) == 1, f"the last event is stored {stored.count(told[-1])} times"


async def _tell(served: Site, told: list[bytes], *, wait_for_last: bool, kill: bool = True) -> list[bytes]:
    """Post one after another, and kill while the last one is on its way or the moment it is acknowledged."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    acknowledged = []
    for body in told:
        writer.write(signed(body))
        await writer.drain()
        if body is told[-1] and not wait_for_last:
            break
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        acknowledged.append(body)
    if kill:
        served.kill()
    writer.close()
    return acknowledged


# --- commands ---------------------------------------------------------------------------------------------------------


def _while_commanding(served: Site, chance: Random, moment: str) -> None:
    """Kill while a barge is on its way, and look at what Telnyx was sent and who is heard afterwards."""
    sandbox = served.sandbox
    call = sandbox.script(f"Moment-{some_letters()}", agents=["Ana Ruiz"])
    try:
        kim, path = bring_in(served, call)
        page, asked = kim.get(path), _barges(served)
        before = sandbox.newest_request()
        if moment == "sent":  # executed, and the answer comes when nobody is there to read it
            sandbox.fault(UPDATE, when="after", delay_s=2.0)
        clicked_at = time.time()
        click = threading.Thread(target=_click, args=(kim, path, page))
        click.start()
        come: dict[str, Callable[[], bool]] = {
            # Stored, whatever became of it since: on loopback it is sent within milliseconds.
            "intent stored": lambda: _barges(served) > asked,
            "sent": lambda: bool(sandbox.hearing(call)),
            "answered": lambda: any(
                one["body"].get("supervisor_role") == "barge" for one in _commands(sandbox, before)
            ),
        }
        assert eventually(come[moment], within=20, pause=0.002), "it never came"
        time.sleep(chance.uniform(0, 0.01))
        served.kill()
        click.join(20)
        _start_again(served, chance)
        time.sleep(3)
        louder = [one for one in _commands(sandbox, before) if one["body"].get("supervisor_role") in LOUD]
        late = [one for one in louder if one["at"] - clicked_at > LOUD_FOR_SECONDS]
        assert not late, f"a louder role was sent {late[0]['at'] - clicked_at:.1f} s after its click"
        assert len({one["body"]["command_id"] for one in louder}) <= 1, "one click was sent as two commands"
        # An absent page's barge may end between the two looks.
        said = eventually(lambda: not sandbox.hearing(call) or _says_audible(served), within=SILENT_WITHIN)
        assert said, f"{sandbox.hearing(call)} hear Kim, and the board says silent: {_board(served)}"
        again = Person(served.address(), "kim")
        again.post("/leave/", again.get("/"))
        assert eventually(lambda: not sandbox.hearing(call), within=SILENT_WITHIN), "left audible"
    finally:
        sandbox.clear()


def bring_in(served: Site, call: Scripted) -> tuple[Person, str]:
    """Let Kim listen in; return Kim and the desk's path."""
    kim = Person(served.address(), "kim")
    path = ""

    def on_the_board() -> bool:
        nonlocal path
        query = f"SELECT id FROM conferences_conference WHERE telnyx_id = '{call.id}'"
        found = [str(one) for one in rows(served.url, query)]
        path = f"/conferences/{_dashed(found[0])}/" if found else ""
        return bool(path)

    assert eventually(on_the_board, within=20), "the call is not on the board"
    assert eventually(lambda: _stage(served) == [], within=30), "the leave before it never ended"
    # A barge before it whose answer was lost ends by hanging up, which would take Kim out of this call again.
    assert eventually(lambda: not _open_commands(served), within=30), f"still open: {_open_commands(served)}"
    assert eventually(lambda: "Ana Ruiz" in kim.get(path), within=20), "the desk does not know Ana"
    assert eventually(lambda: press_monitor(kim, path), within=20, pause=0.5), "Monitor was refused for 20 s"
    assert _stage(served) != [], "Monitor was not refused, and no session was begun"
    assert eventually(lambda: served.sandbox.hearing(call) is not None, within=30), (
        f"Kim never came in: {_board(served)}"
    )
    assert eventually(lambda: _stage(served) == ["inside"], within=20), f"Kim is not inside: {_board(served)}"
    return kim, path


def press_monitor(kim: Person, path: str) -> bool:
    """Press Monitor once; return whether it was taken: while a line is being hung up, it is refused for the moment."""
    answer = kim.post(f"{path}role/", kim.get(path), role="monitor")
    assert answer.status_code in {200, 302, 303}, f"Monitor was answered {answer.status_code}"
    refusals = re.findall(r'<li class="banner refused".*?<p>(.*?)</p>', kim.get(path), re.DOTALL)
    lasting = [sentence for sentence in refusals if "Try again in a moment" not in sentence]
    assert not lasting, f"Monitor is refused: {lasting}"
    return not refusals


def some_letters() -> str:
    """Return what makes a name unlike any other; digits might look like a number, which the floor masks."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))


def _dashed(identity: str) -> str:
    """Return a uuid as URLs write it; SQLite keeps it without dashes."""
    bare = identity.replace("-", "")
    return "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))


def _stage(served: Site) -> list[object]:
    return rows(served.url, "SELECT stage FROM conferences_supervisorsession WHERE ended_at IS NULL")


def _click(kim: Person, path: str, page: str) -> None:
    seen = re.findall(r'name="audience" value="([^"]*)"', page)
    with contextlib.suppress(requests.RequestException):  # killed under it
        kim.post(f"{path}role/", page, role="barge", confirmed="barge", audience=seen)


def _open_commands(served: Site) -> list[object]:
    return rows(served.url, "SELECT kind FROM conferences_command WHERE state IN ('asked', 'accepted', 'unknown')")


def _barges(served: Site) -> int:
    return len(rows(served.url, "SELECT 1 FROM conferences_command WHERE role = 'barge'"))


def _commands(sandbox: Sandbox, before: int) -> list[dict[str, Any]]:
    return [one for one in sandbox.requests(since=before) if one["method"] == "POST" and one["body"]]


def _says_audible(served: Site) -> bool:
    """Return whether the board claims that Kim is heard, or that it does not know."""
    role = rows(served.url, "SELECT role FROM conferences_supervisorsession WHERE ended_at IS NULL")
    query = "SELECT state FROM conferences_command WHERE kind <> 'hangup' ORDER BY asked_at DESC LIMIT 1"
    return bool(LOUD & set(role)) or rows(served.url, query)[0] not in {"verified", "unconfirmed", "rejected"}


def _board(served: Site) -> list[object]:
    """Return what the board says of the newest supervision and its commands."""
    session = "SELECT stage || ' as ' || role || ', ' || notice || end_reason FROM conferences_supervisorsession"
    command = "SELECT kind || ' ' || role || ' ' || state || ' ' || outcome FROM conferences_command"
    return [
        *rows(served.url, f"{session} ORDER BY started_at DESC LIMIT 1"),
        *rows(served.url, f"{command} ORDER BY generation DESC LIMIT 5"),
    ]


def _while_two_presses_wait(served: Site, chance: Random) -> None:
    """Let the web stand still after a barge and an Esc of the same page: the later press wins."""
    sandbox = served.sandbox
    call = sandbox.script(f"Moment-{some_letters()}", agents=["Ana Ruiz"])
    try:
        kim, path = bring_in(served, call)
        # A browser sends the two by two connections.
        beside = Person(served.address(), "kim")
        page, page_beside, id_of_page = kim.get(path), beside.get(path), str(uuid4())
        [note, *_more] = re.findall(r'name="stop" value="([^"]*)"', page)
        barge = _pressed(id_of_page, 1) | {"role": "barge", "confirmed": "barge"}
        barge["audience"] = re.findall(r'name="audience" value="([^"]*)"', page)
        escape = _pressed(id_of_page, 2) | {"stop": note}
        assert served.server is not None
        with ThreadPoolExecutor(3) as at_once:
            # Both wait before its door, or one has come in, or both have.
            standing = at_once.submit(served.server.stand_still, STANDS_STILL_SECONDS)
            time.sleep(chance.uniform(0, 0.01))
            sends = {
                "barge": lambda: kim.post(f"{path}role/", page, **barge),
                "escape": lambda: beside.post("/quieter/", page_beside, **escape),
            }
            # The barge may have waited in the browser for a connection that was free.
            first, second = chance.sample(list(sends), k=2)
            begun = {first: at_once.submit(sends[first])}
            time.sleep(chance.uniform(0, 0.02))
            begun[second] = at_once.submit(sends[second])
            standing.result()
            answers = {name: sent.result(20).status_code for name, sent in begun.items()}
        assert answers["escape"] < 400, answers
        assert answers["barge"] < 500, answers
        assert eventually(lambda: not sandbox.hearing(call), within=STOPPED_WITHIN), "heard after Esc"
        time.sleep(1)
        assert not sandbox.hearing(call), "heard again after Esc"
        kim.post("/leave/", kim.get("/"))
    finally:
        sandbox.clear()


def _pressed(page: str, number: int) -> dict[str, Any]:
    """Return what a page sends with a press: its time, and where it stands among the presses of the page."""
    return {"page": page, "press": str(number), "pressed_at": str(round(time.time() * 1000))}


# --- streams ----------------------------------------------------------------------------------------------------------


def _while_streaming(served: Site, chance: Random) -> None:
    """Kill under an open stream; what began while nobody was there is on the next one."""
    sandbox = served.sandbox
    first = sandbox.script(f"Before-{some_letters()}")
    try:
        kim = Person(served.address(), "kim")
        with kim.session.get(f"{kim.url}/stream/", stream=True, timeout=30) as stream:
            missing = _missing(stream, first.name)
            assert not missing, f"the stream does not tell of {missing}: {_calls(served)}"
            served.kill()
        second = sandbox.script(f"Meanwhile-{some_letters()}")
        _start_again(served, chance)
        with kim.session.get(f"{kim.url}/stream/", stream=True, timeout=60) as stream:
            missing = _missing(stream, first.name, second.name)
            assert not missing, f"the new stream does not tell of {missing}: {_calls(served)}"
    finally:
        sandbox.clear()


def _missing(stream: requests.Response, *names: str, within: float = 60) -> set[str]:
    """Read the stream until it has told every name; return those it has not told when the time is over."""
    missing, until, text = set(names), time.monotonic() + within, ""
    for chunk in stream.iter_content(None):
        text += chunk.decode(errors="replace")
        missing = {name for name in missing if name not in text}
        if not missing or time.monotonic() > until:
            break
    return missing


def _calls(served: Site) -> list[object]:
    """Return the calls as the board has them."""
    return rows(
        served.url,
        "SELECT name || ', ' || started_at || ' to ' || COALESCE(ended_at, 'now') FROM conferences_conference",
    )


def _start_again(served: Site, chance: Random) -> None:
    time.sleep(chance.uniform(*DOWN_SECONDS))
    served.start()
