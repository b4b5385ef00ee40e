"""The endpoint under kills, broken bodies, forged signatures and storms: the real gunicorn, over real sockets."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from nacl.signing import SigningKey

from benchmarks.load import KEY, Outcome, bodies, post, signed
from benchmarks.servers import Server, floorline

from .serving import empty, is_whole, rows

Check = Callable[[int, Random], None]
DATA = Path(__file__).parents[1] / "data" / "webhook_samples"


@contextmanager
def kills() -> Iterator[Check]:
    """SIGKILL to the real gunicorn and its worker in the middle of a storm; every acknowledged event must be there."""
    with empty("kills") as url:

        def check(number: int, chance: Random) -> None:
            told = bodies(1500, seed=chance.getrandbits(32))
            acknowledged: list[bytes] = []
            with floorline(url) as server:
                asyncio.run(storm_and_kill(server, told, acknowledged, seconds=chance.uniform(0.02, 0.6)))
            stored: set[object] = set(rows(url, "SELECT body FROM conferences_webhookevent"))
            lost = [body for body in acknowledged if body not in stored]
            assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged events are lost"
            assert is_whole(url)

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


@contextmanager
def fuzz() -> Iterator[Check]:
    """A hundred mutated bodies a case, signed and not, over HTTP."""
    samples = [path.read_bytes() for path in sorted(DATA.glob("*.json"))]
    with ExitStack() as stack:
        url = stack.enter_context(empty("fuzz"))
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


@contextmanager
def signatures() -> Iterator[Check]:
    """A hundred true bodies a case whose signature, time or body was changed after signing: none may be believed."""
    with empty("signatures") as url, floorline(url) as server:
        told = bodies(200, seed=1)

        def check(number: int, chance: Random) -> None:
            forged = [forge(signed(chance.choice(told)), chance) for _ in range(100)]
            outcome = asyncio.run(post(server.port, forged, connections=8))
            assert set(outcome.answers) == {401}, outcome.answers
            assert rows(url, "SELECT 1 FROM conferences_webhookevent") == []

        yield check


def forge(request: bytes, chance: Random) -> bytes:
    """Change what a signature stands for, or the signature itself, and leave the request one that HTTP can carry."""
    head, _, body = request.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    signature, moment = fields[b"telnyx-signature-ed25519"], int(fields[b"telnyx-timestamp"])
    raw = bytearray(b64decode(signature))
    match chance.randrange(8):
        case 0:
            raw[chance.randrange(64)] ^= 1 << chance.randrange(8)
            signature = b64encode(raw)
        case 1:
            signature = b64encode(raw[: chance.randrange(64)])
        case 2:
            signature = b64encode(bytes(raw) + chance.randbytes(chance.randint(1, 64)))
        case 3:
            signature = b64encode(SigningKey(chance.randbytes(32)).sign(b"%d|" % moment + body).signature)
        case 4:
            signature = chance.choice([b"", b"0", b"=" * 88, b"null", b"\xff" * 20, b64encode(bytes(64))])
        case 5:
            moment += chance.choice([-1, 1]) * chance.randint(1, 10**6)
        case 6:  # truly signed, and a day old: somebody recorded it
            moment -= 86_400
            signature = b64encode(KEY.sign(b"%d|" % moment + body).signature)
        case 7:
            at = chance.randrange(len(body))
            body = body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]
    fields |= {b"telnyx-signature-ed25519": signature, b"telnyx-timestamp": b"%d" % moment}
    lines = [head.split(b"\r\n")[0], *(name + b": " + value for name, value in fields.items()), b"", b""]
    return b"\r\n".join(lines) + body


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
def storms(*, events: int = 5000, seconds: float = 15, within: float = 1.5) -> Iterator[Check]:
    """A burst of webhooks while others flood without a signature and two hundred send a byte a second."""
    with ExitStack() as stack:
        url = stack.enter_context(empty("storms"))
        server = stack.enter_context(floorline(url))

        def check(number: int, chance: Random) -> None:
            before = len(rows(url, "SELECT 1 FROM conferences_webhookevent"))
            told = [signed(body) for body in bodies(events, seed=chance.getrandbits(32))]
            unsigned = [unsign(request, chance) for request in told[: events * 2 // 5]]
            burst, flood = asyncio.run(storm(server.port, told, unsigned, seconds=seconds))
            assert set(burst.answers) == {200}, burst.answers
            assert set(flood.answers) == {401}, flood.answers
            assert max(burst.waits) < within, f"the longest acknowledgement took {max(burst.waits):.2f} s"
            assert len(rows(url, "SELECT 1 FROM conferences_webhookevent")) == before + len(told)

        yield check


async def storm(port: int, told: list[bytes], unsigned: list[bytes], *, seconds: float) -> tuple[Outcome, Outcome]:
    slow = [asyncio.create_task(drip(port)) for _ in range(200)]
    burst, flood = await asyncio.gather(
        post(port, told, connections=32, per_second=len(told) / seconds),
        post(port, unsigned, connections=8, per_second=len(unsigned) / seconds),
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
