"""Sixty strangers sign in at once: a shift gets in all the same, and neither a Leave nor a webhook waits for them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import randrange

import pytest
import requests
from requests.adapters import HTTPAdapter

from benchmarks.load import bodies, signed
from benchmarks.servers import ROOT, Server, database, environment, floorline
from tests.tooling.person import TOKEN

from .test_strangers import asked

pytestmark = [pytest.mark.slow, pytest.mark.alone]  # a Leave is timed, and what runs beside it would count
PASSWORD = "a-long-enough-password"
PEOPLE = f"""
from django.contrib.auth.models import User
from django.contrib.auth.hashers import make_password
hashed = make_password({PASSWORD!r})
User.objects.bulk_create([User(username=f"agent-{{number}}", password=hashed) for number in range(41)])
"""


class From(HTTPAdapter):
    """Sends from another address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))  # type: ignore[arg-type]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with database(f"sqlite:///{tmp_path}/floor.sqlite3") as url:
        command = [sys.executable, "manage.py", "shell", "-v0", "-c", PEOPLE]
        subprocess.run(command, cwd=ROOT, env=environment(url), check=True)
        with floorline(url) as one:
            yield one


def browser(address: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", From(address))
    return session


def sign_in(server: Server, session: requests.Session, username: str, password: str) -> int:
    """Post the sign-in form once; return the status."""
    url = f"http://127.0.0.1:{server.port}/accounts/login/"
    page = session.get(url, timeout=20)
    token = TOKEN.search(page.text)
    if not token:
        return page.status_code
    form = {"csrfmiddlewaretoken": token[1], "username": username, "password": password}
    return session.post(url, form, timeout=20, allow_redirects=False).status_code


def guess(server: Server) -> int:
    """Guess as one of many strangers: another address and another name each time, or the throttle would end it."""
    address = f"127.{randrange(1, 255)}.{randrange(255)}.{randrange(1, 255)}"
    return sign_in(server, browser(address), f"stranger-{randrange(10**6)}", "guess")


def sign_in_at_last(server: Server, username: str) -> float:
    """Sign in as a person does, again after each "try again"; return the seconds it took."""
    begun, session = time.monotonic(), browser("127.0.0.3")
    while sign_in(server, session, username, PASSWORD) != 302:
        time.sleep(1)
    return time.monotonic() - begun


def leave(server: Server, kim: requests.Session) -> float:
    begun = time.monotonic()
    token = kim.cookies["floorline-csrf"]
    url = f"http://127.0.0.1:{server.port}/leave/"
    answer = kim.post(url, {"csrfmiddlewaretoken": token}, timeout=20, allow_redirects=False)
    assert answer.status_code == 302
    return time.monotonic() - begun


@pytest.mark.parametrize(("strangers", "shift"), [(60, 12)])
def test_a_shift_gets_in_and_a_stop_does_not_wait(server: Server, strangers: int, shift: int) -> None:
    kim = browser("127.0.0.1")
    assert sign_in(server, kim, "agent-40", PASSWORD) == 302
    over, told = threading.Event(), iter([signed(body) for body in bodies(300, seed=1)])

    def again_and_again(do: Callable[[], object]) -> None:
        while not over.is_set():
            do()

    with ThreadPoolExecutor(strangers + shift) as pool:
        flood = [pool.submit(again_and_again, lambda: guess(server)) for _ in range(strangers)]
        time.sleep(1)
        coming = [pool.submit(sign_in_at_last, server, f"agent-{number}") for number in range(shift)]
        leaves, webhooks, threads = [], [], []
        while not all(one.done() for one in coming):
            leaves.append(leave(server, kim))
            begun = time.monotonic()
            assert asked(server, next(told)) == 200
            webhooks.append(time.monotonic() - begun)
            threads.append(len(list(Path(f"/proc/{server.pids()[1]}/task").iterdir())))
            time.sleep(0.5)
        over.set()
        took = [one.result() for one in coming]
        assert not [one for one in flood if one.exception()]
    print(f"in after {max(took):.1f} s; Leave {max(leaves):.2f} s; webhook {max(webhooks):.2f} s")  # noqa: T201
    assert max(took) < 30
    assert max(leaves) < 1
    assert max(webhooks) < 1.5
    assert max(threads) < 40  # a sign-in that waits holds none


def test_forty_people_of_one_office_get_in_within_half_a_minute(server: Server) -> None:
    with ThreadPoolExecutor(40) as pool:
        took = list(pool.map(lambda number: sign_in_at_last(server, f"agent-{number}"), range(40)))
    print(f"the fortieth is in after {max(took):.1f} s")  # noqa: T201
    assert max(took) < 30
