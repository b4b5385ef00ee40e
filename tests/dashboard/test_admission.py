"""Turns before Django: so many at once, each address in its turn, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from pytest_django.fixtures import Settings

from dashboard.serving.admission import Admission, Busy
from dashboard.serving.entrance import admission_for, client_address, issuer, pages, passwords, presses
from dashboard.settings import PASSWORD_HASHERS


def admission(*, at_once: int = 1, seconds: float = 5, most_waiting: int = 100) -> Admission:
    return Admission(at_once=at_once, seconds=seconds, most_waiting=most_waiting)


async def ask(door: Admission, address: str, served: list[str]) -> None:
    try:
        if not door.enter_now():
            await door.wait(address)
    except Busy:
        served.append(f"{address} sent away")
        return
    served.append(address)
    await asyncio.sleep(0.01)
    door.leave()


def run(*asking: Coroutine[Any, Any, None]) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*asking)

    asyncio.run(all_of_them())


def test_each_address_has_its_turn_however_many_wait_before_it() -> None:
    door, served = admission(), list[str]()

    run(*(ask(door, "flood", served) for _ in range(20)), *(ask(door, "office", served) for _ in range(3)))

    assert served[:8] == ["flood", "flood", "office", "flood", "office", "flood", "office", "flood"]
    assert len(served) == 23


def test_an_address_from_which_somebody_got_in_has_three_turns_of_four() -> None:
    door, served = admission(), list[str]()
    door.vouch("office")
    strangers = [ask(door, f"stranger-{number}", served) for number in range(20)]

    run(*strangers, *(ask(door, "office", served) for _ in range(9)))

    assert served[:13].count("office") == 9


def test_a_full_line_sends_the_newest_of_the_longest_away() -> None:
    door, served = admission(most_waiting=10), list[str]()

    run(*(ask(door, "flood", served) for _ in range(30)), *(ask(door, "office", served) for _ in range(3)))

    assert served.count("office") == 3
    assert served.count("flood sent away") == 22


def test_whoever_waits_too_long_is_sent_away_and_leaves_no_trace() -> None:
    door, served = admission(seconds=0.02), list[str]()

    async def slow() -> None:
        assert door.enter_now()
        await asyncio.sleep(0.1)
        door.leave()

    run(slow(), ask(door, "office", served))

    assert served == ["office sent away"]
    assert (door.waiting, door.enter_now()) == (0, True)


def test_who_hangs_up_while_waiting_gives_the_place_on() -> None:
    door, served = admission(), list[str]()

    async def impatient() -> None:
        waiting = asyncio.ensure_future(door.wait("office"))
        await asyncio.sleep(0)
        waiting.cancel()

    assert door.enter_now()
    run(impatient(), ask(door, "next", served), _leave(door))

    assert served == ["next"]


async def _leave(door: Admission) -> None:
    await asyncio.sleep(0.01)
    door.leave()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/accounts/login/", passwords),
        ("POST", "/accounts/signup/", passwords),
        ("POST", "/admin/login/", passwords),
        ("POST", "/admin/password_change/", passwords),
        ("POST", "/admin/auth/user/3/password/", passwords),
        ("POST", "/admin/auth/user/add/", passwords),
        ("POST", "/admin/conferences/supervisor/add/", passwords),
        ("POST", "/accounts/login/code/", passwords),
        ("POST", "/accounts/reauthenticate/", passwords),
        ("POST", "/accounts/reauthenticate/code/", passwords),
        ("POST", "/accounts/second-factor/add/", passwords),
        ("POST", "/accounts/password/reset/set/3-set-password/", passwords),
        ("POST", "/accounts/login/single-sign-on/", issuer),
        ("GET", "/accounts/login/single-sign-on/back/", issuer),
        ("POST", "/accounts/logout/", presses),
        ("POST", "/accounts/sessions/", presses),
        ("POST", "/monitor/", presses),
        ("POST", "/audit/export/", pages),
        ("GET", "/accounts/login/", pages),
    ],
)
def test_where_a_password_is_checked_two_at_a_time_are_let_in(method: str, path: str, expected: Admission) -> None:
    assert admission_for({"method": method, "path": path}) is expected


@pytest.mark.parametrize(
    ("peer", "named", "expected"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", [b"198.51.100.1"], "203.0.113.5"),
        ("127.0.0.1", [b"10.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", [b"198.51.100.1", b"\xff"], "None"),
        ("2001:db8:1:2::7", [], "2001:db8:1:2::/64"),
    ],
)
def test_the_address_is_the_senders_or_what_a_trusted_proxy_names(peer: str, named: list[bytes], expected: str) -> None:
    headers = [(b"x-forwarded-for", value) for value in named]

    assert client_address({"client": (peer, 1), "headers": headers}) == expected


def test_no_more_than_two_passwords_are_hashed_at_once_whoever_asks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = PASSWORD_HASHERS
    hashing, most = [], []

    def encode(*_given: object) -> str:
        hashing.append(1)
        most.append(len(hashing))
        time.sleep(0.02)
        hashing.pop()
        return ""

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make_password, ["a-password"] * 16))

    assert max(most) == 2
