"""Everything a stranger may do at once, while a supervisor presses Leave and Telnyx posts webhooks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from benchmarks.load import Outcome, bodies, post, signed
from benchmarks.servers import ROOT
from tests.tooling.person import Person

from .intake import Check
from .moments import Site, bring_in, site, some_letters
from .serving import rows
from .strangers import Size

LEAVE_WITHIN, ACKNOWLEDGED_WITHIN = 1.0, 1.5
MOST_MEGABYTES = 250


@dataclass
class Seen:
    """The answers that strangers got, and what it cost the others."""

    answers: dict[str, int] = field(default_factory=dict)
    leaves: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    files: set[str] = field(default_factory=set)


@contextmanager
def floods(size: Size | None = None, *, slack: float = 1.0) -> Iterator[Check]:
    """Yield the check of one flood; `slack` stretches the times on a machine that has other things to do."""
    size = size or Size()
    with tempfile.TemporaryDirectory() as folder, site(settings={"TMPDIR": folder}) as served:

        def check(number: int, chance: Random) -> None:
            seen, outcome, told = _flooded(served, size, chance, folder)
            print(_figures(seen, outcome))  # noqa: T201 - the figures are what a run is for
            assert seen.leaves, "nobody pressed Leave"
            assert max(seen.leaves) < LEAVE_WITHIN * slack, f"a Leave took {max(seen.leaves):.2f} s"
            assert set(outcome.answers) == {200}, f"signed webhooks were answered {outcome.answers}"
            assert max(outcome.waits) < ACKNOWLEDGED_WITHIN * slack, f"a webhook waited {max(outcome.waits):.2f} s"
            stored = set(rows(served.url, "SELECT body FROM conferences_webhookevent"))
            assert not [body for body in told if body not in stored], "an acknowledged webhook is lost"
            assert not [body for body in stored if isinstance(body, bytes) and b"forged" in body], "unsigned rows"
            grown = max(seen.megabytes) - seen.megabytes[0]
            assert grown < MOST_MEGABYTES, f"the server grew by {grown:.0f} MB"
            assert not seen.files, f"bodies went to disk: {seen.files}"
            assert not [status for status in seen.answers if status.endswith(" 500")], seen.answers

        yield check


def _figures(seen: Seen, outcome: Outcome) -> str:
    leaves = ", ".join(f"{wait * 1000:.0f}" for wait in seen.leaves)
    grown = max(seen.megabytes) - seen.megabytes[0]
    return (
        f"Leave {leaves} ms; {sum(outcome.answers.values())} webhooks, p50 {outcome.wait(0.5):.0f} ms, longest "
        f"{max(outcome.waits) * 1000:.0f} ms; {grown:+.0f} MB; {dict(sorted(seen.answers.items()))}"
    )


def _flooded(served: Site, size: Size, chance: Random, folder: str) -> tuple[Seen, Outcome, list[bytes]]:
    """Flood the site while Kim leaves a call again and again; return what was seen and told."""
    call = served.sandbox.script(f"Flood-{some_letters()}", agents=["Ana Ruiz"])
    told = bodies(int(size.seconds * size.webhooks_a_second), seed=chance.getrandbits(32))
    seen = Seen()
    try:
        kim, _path = bring_in(served, call)
        return seen, asyncio.run(_all_at_once(served, size, kim, told, seen, folder)), told
    finally:
        served.sandbox.clear()


async def _all_at_once(served: Site, size: Size, kim: Person, told: list[bytes], seen: Seen, folder: str) -> Outcome:
    seen.megabytes.append(_megabytes(served))
    command = [sys.executable, "-m", "tests.proofs.strangers", str(served.port), size.as_json()]
    strangers = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    watching = asyncio.create_task(_watch(served, seen, folder))
    try:
        await asyncio.sleep(min(3.0, size.seconds / 3))
        outcome, _left = await asyncio.gather(
            post(served.port, [signed(body) for body in told], connections=8, per_second=size.webhooks_a_second),
            _press_leave(kim, seen, until=time.monotonic() + size.seconds),
        )
        return outcome
    finally:
        watching.cancel()
        answers, _errors = await asyncio.to_thread(strangers.communicate, "enough\n", 30)
        seen.answers = json.loads(answers)


async def _press_leave(kim: Person, seen: Seen, *, until: float) -> None:
    """Leave the call, and then once more each second: a Leave with nothing to leave goes the same way."""
    page = await asyncio.to_thread(kim.get, "/")
    while time.monotonic() < until or not seen.leaves:
        began = time.monotonic()
        answer = await asyncio.to_thread(kim.post, "/leave/", page)
        seen.leaves.append(time.monotonic() - began)
        assert answer.status_code == 302, f"a Leave was answered {answer.status_code}"
        await asyncio.sleep(1)


async def _watch(served: Site, seen: Seen, folder: str) -> None:
    while True:
        await asyncio.sleep(0.2)
        seen.megabytes.append(_megabytes(served))
        seen.files |= {name for name in served.open_files() if name.startswith(folder)}


def _megabytes(served: Site) -> float:
    assert served.server is not None
    return served.server.resident_kilobytes() / 1024
