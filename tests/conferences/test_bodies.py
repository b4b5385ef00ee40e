"""Bodies in flight: bounded each and together, and what comes in one piece is not turned away by what never ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conferences.bodies import Bodies, BodyRefused, SenderGone


def bodies(*, seconds: float = 5) -> Bodies:
    return Bodies(limit=100_000, seconds=seconds, total=250_000, reserve=50_000)


def length(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(size).encode())]


def sending(*pieces: bytes, ends: bool = True) -> Any:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if ends:
        messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else await asyncio.get_running_loop().create_future()

    return receive


async def read(room: Bodies, size: int, receive: Any) -> bytes:
    async with room.whole(length(size), receive) as body:
        return body


def test_a_body_comes_whole_and_is_counted_no_longer() -> None:
    room = bodies()

    assert asyncio.run(read(room, 6, sending(b"abc", b"def"))) == b"abcdef"
    assert room.held == 0


@pytest.mark.parametrize("headers", [length(100_001), [(b"transfer-encoding", b"chunked")]])
def test_a_body_above_the_limit_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    async def read_it() -> None:
        async with bodies().whole(headers, sending(b"x" * 60_000, b"x" * 60_000, ends=False)):
            pass

    with pytest.raises(BodyRefused) as refused:
        asyncio.run(read_it())
    assert refused.value.status == 413


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    with pytest.raises(BodyRefused) as refused:
        asyncio.run(read(bodies(seconds=0.01), 6, sending(b"abc", ends=False)))
    assert refused.value.status == 408


def test_a_sender_who_hangs_up_is_nobodys_body() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(SenderGone):
        asyncio.run(read(bodies(), 6, receive))


def test_the_oldest_incomplete_body_gives_way_to_one_that_comes_in_one_piece() -> None:
    async def flood() -> tuple[list[Any], bytes, int]:
        room = bodies()
        stalled = [asyncio.create_task(read(room, 99_000, sending(b"x" * 90_000, ends=False))) for _ in range(5)]
        await asyncio.sleep(0)
        whole = await read(room, 80_000, sending(b"y" * 80_000))
        await asyncio.sleep(0.01)
        held = room.held
        for task in stalled:
            task.cancel()
        return await asyncio.gather(*stalled, return_exceptions=True), whole, held

    ends, whole, held = asyncio.run(flood())

    assert len(whole) == 80_000
    assert held <= 200_000
    assert [end.status for end in ends if isinstance(end, BodyRefused)] == [503, 503, 503, 503]


def test_large_bodies_take_nothing_of_what_is_kept_for_small_ones() -> None:
    async def flood() -> tuple[bytes, int]:
        room = bodies()
        stalled = [asyncio.create_task(read(room, 99_000, sending(b"x" * 90_000, ends=False))) for _ in range(5)]
        await asyncio.sleep(0)
        before = sum(not task.done() for task in stalled)
        small = await read(room, 1_500, sending(b"{}"))
        after = sum(not task.done() for task in stalled)
        for task in stalled:
            task.cancel()
        return small, before - after

    assert asyncio.run(flood())[0] == b"{}"
