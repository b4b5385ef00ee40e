"""The proofs by name, and how each is prepared."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.load import Outcome, bodies, post, signed
from benchmarks.servers import Server, database, floorline

from .boards import after, differences, people, take_in, take_in_batches
from .histories import Invention, disturbed, story
from .losses import losses
from .stops import stops

Check = Callable[[int, Random], None]
DATA = Path(__file__).parents[1] / "data" / "webhook_samples"


@dataclass(frozen=True)
class Proof:
    """What is claimed, and a context that yields the check of one case."""

    claim: str
    prepared: Callable[[], AbstractContextManager[Check]]


@contextmanager
def empty_database() -> Iterator[None]:
    """Make an empty database as the tests do, with the people whom histories name."""
    from django.test.utils import setup_databases, teardown_databases

    made = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        teardown_databases(made, verbosity=0)


@contextmanager
def permutations() -> Iterator[Check]:
    with empty_database():
        account = people()

        def check(number: int, chance: Random) -> None:
            told = Invention(chance, conferences=chance.randint(1, 3), legs=chance.randint(1, 6)).tell(
                chance.randint(2, 30)
            )
            if chance.random() < 0.05:
                told = story(chance.getrandbits(32), seconds=chance.randint(5, 20))
            ordered = after(partial(take_in, account, told))
            found = differences(ordered, after(partial(take_in_batches, account, disturbed(told, chance))))
            assert not found, found

        yield check


@contextmanager
def all_orders() -> Iterator[Check]:
    """Each case is a twentieth of the 40,320 orders of one history of eight events: twenty cases are all."""
    with empty_database():
        account = people()
        told = Invention(Random(8), conferences=1, legs=2).tell(8)
        ordered = after(partial(take_in, account, told))

        def check(number: int, chance: Random) -> None:
            for order in itertools.islice(itertools.permutations(told), number % 20, None, 20):
                found = differences(ordered, after(partial(take_in_batches, account, [[body] for body in order])))
                assert not found, found

        yield check


@contextmanager
def kills() -> Iterator[Check]:
    """SIGKILL to the real gunicorn and its worker in the middle of a storm; every acknowledged event must be there."""
    with tempfile.TemporaryDirectory() as folder, database(f"sqlite:///{folder}/kill.sqlite3") as url:

        def check(number: int, chance: Random) -> None:
            told = bodies(1500, seed=chance.getrandbits(32))
            acknowledged: list[bytes] = []
            with floorline(url) as server:
                asyncio.run(storm_and_kill(server, told, acknowledged, seconds=chance.uniform(0.02, 0.6)))
            stored = set(rows(url, "SELECT body FROM conferences_webhookevent"))
            lost = [body for body in acknowledged if body not in stored]
            assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged events are lost"
            assert rows(url, "PRAGMA integrity_check") == ["ok"]

        yield check


async def storm_and_kill(server: Server, told: list[bytes], acknowledged: list[bytes], *, seconds: float) -> None:
    """Post over sixteen connections until the server dies under it."""
    left = iter(told)

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            for body in left:
                writer.write(signed(body))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                if b" 200 " in head.partition(b"\r\n")[0]:
                    acknowledged.append(body)
        except (OSError, asyncio.IncompleteReadError):
            pass  # killed under it
        finally:
            writer.close()

    async def kill() -> None:
        await asyncio.sleep(seconds)
        server.kill()

    await asyncio.gather(kill(), *(work() for _ in range(16)))


def rows(url: str, query: str) -> list[object]:
    """Read one column past Django, whose settings name another database."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return [value for (value,) in connection.execute(query)]


@contextmanager
def fuzz() -> Iterator[Check]:
    """A hundred mutated bodies a case, signed and not, over HTTP."""
    samples = [path.read_bytes() for path in sorted(DATA.glob("*.json"))]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(database(f"sqlite:///{folder}/fuzz.sqlite3"))
        server = stack.enter_context(floorline(url))

        def check(number: int, chance: Random) -> None:
            before = len(rows(url, "SELECT 1 FROM conferences_webhookevent"))
            broken = [mutated(chance.choice(samples), chance) for _ in range(100)]
            unsigned = [unsign(signed(body), chance) for body in broken]
            outcome = asyncio.run(post(server.port, unsigned, connections=8))
            assert set(outcome.answers) == {401}, outcome.answers
            assert len(rows(url, "SELECT 1 FROM conferences_webhookevent")) == before
            outcome = asyncio.run(post(server.port, [signed(body) for body in broken], connections=8))
            assert set(outcome.answers) == {200}, outcome.answers

        yield check


def unsign(request: bytes, chance: Random) -> bytes:
    """Change one bit of the signature."""
    start = request.index(b"ed25519: ") + 9
    at = start + chance.randrange(80)
    return request[:at] + bytes([request[at] ^ (1 << chance.randrange(3))]) + request[at + 1 :]


def mutated(body: bytes, chance: Random) -> bytes:
    """Return a body with a few bytes changed, cut out or doubled."""
    broken = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(broken))
        match chance.randrange(3):
            case 0:
                broken[at] = chance.randrange(256)
            case 1:
                del broken[at : at + chance.randint(1, 9)]
            case 2:
                broken[at:at] = broken[at : at + chance.randint(1, 40)]
    return bytes(broken)


@contextmanager
def storms() -> Iterator[Check]:
    """A burst of webhooks while others flood without a signature and two hundred send a byte a second."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(database(f"sqlite:///{folder}/storm.sqlite3"))
        server = stack.enter_context(floorline(url))

        def check(number: int, chance: Random) -> None:
            before = len(rows(url, "SELECT 1 FROM conferences_webhookevent"))
            told = [signed(body) for body in bodies(5000, seed=chance.getrandbits(32))]
            unsigned = [unsign(request, chance) for request in told[:2000]]
            burst, flood = asyncio.run(storm(server.port, told, unsigned))
            assert set(burst.answers) == {200}, burst.answers
            assert set(flood.answers) == {401}, flood.answers
            assert max(burst.waits) < 1.5, f"the longest acknowledgement took {max(burst.waits):.2f} s"
            assert len(rows(url, "SELECT 1 FROM conferences_webhookevent")) == before + len(told)

        yield check


async def storm(port: int, told: list[bytes], unsigned: list[bytes]) -> tuple[Outcome, Outcome]:
    slow = [asyncio.create_task(drip(port)) for _ in range(200)]
    burst, flood = await asyncio.gather(
        post(port, told, connections=32, per_second=333), post(port, unsigned, connections=8, per_second=133)
    )
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return burst, flood


async def drip(port: int) -> None:
    """Send a request a byte a second."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for byte in signed(b"{}" * 50):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)
    except OSError:
        pass  # sent away, as it should be
    finally:
        writer.close()


PROOFS = {
    "permutations": Proof("any order and duplication of a history gives the same board.", permutations),
    "losses": Proof(
        "with webhooks lost, late and doubled, the board finds back to the truth, and no ghost stays for 90 s.",
        partial(losses, empty_database),
    ),
    "orders": Proof("all 40,320 orders of one history of eight events give the same board.", all_orders),
    "kills": Proof("no acknowledged event is lost when gunicorn is killed.", kills),
    "fuzz": Proof("mutated bodies are kept if signed and refused if not; nothing is a 5xx.", fuzz),
    "stops": Proof("with 30 % faulty HTTP every stop becomes silence, and soon.", partial(stops, empty_database)),
    "storms": Proof("a burst beside a flood and slow senders is acknowledged in time and in full.", storms),
}
