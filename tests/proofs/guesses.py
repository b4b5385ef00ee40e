"""Guesses at one account's password, each from an address of its own, twenty at once, against the real gunicorn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from random import Random
from urllib.parse import urlencode

from benchmarks.servers import ROOT, Server, environment, floorline
from tests.tooling.person import TOKEN

from .intake import Check
from .serving import empty, rows

AT_ONCE = 20
CHECKED_IN_TEN_MINUTES = 10
MOST_ROWS = 200
PASSWORD = "a-long-enough-password"
OWNER, OWNERS_ADDRESS = "kim", "127.0.0.1"
PERSON = f"from django.contrib.auth.models import User; User.objects.create_user({OWNER!r}, password={PASSWORD!r})"
LOGIN = "/accounts/login/"
FAILURES = "SELECT detail FROM conferences_auditentry WHERE action = 'sign-in failed'"


@dataclass
class Browser:
    """Cookies and an address; every request has a connection of its own."""

    port: int
    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **form: str) -> tuple[int, str]:
        """Return the status and the body of an answer, and keep its cookies."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(self.address, 0))
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, urlencode(form) if form else None, headers)
            answer = connection.getresponse()
            for line in answer.msg.get_all("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def sign_in(self, password: str, *, token: str = "") -> tuple[int, str]:
        """Post the sign-in form, with a token that was got before where one is given."""
        found = None if token else TOKEN.search(self.ask("GET", LOGIN)[1])
        token = token or (found[1] if found else "")
        return self.ask("POST", LOGIN, csrfmiddlewaretoken=token, username=OWNER, password=password)


@dataclass
class Seen:
    """The answers to guesses, and when each of those came that were checked."""

    answers: Counter[str] = field(default_factory=Counter)
    checked_at: list[float] = field(default_factory=list)

    def note(self, status: int, page: str) -> None:
        """Count one answer; 200 is the form once more, after a password was checked and found wrong."""
        if status == 200:
            self.checked_at.append(time.monotonic())
        throttled = "not checked" if "Too many attempts failed." in page else "server busy"
        self.answers[{200: "checked", 429: throttled}.get(status, str(status))] += 1

    @property
    def most_in_ten_minutes(self) -> int:
        """Return how many were checked within whichever ten minutes."""
        times = sorted(self.checked_at)
        return max((sum(begun <= at < begun + 600 for at in times) for begun in times), default=0)


@contextmanager
def guesses() -> Iterator[Check]:
    """Yield the check of one guess; they are sent in volleys, and what came of them is looked at after each."""
    with empty("guesses") as url:
        command = [sys.executable, "manage.py", "shell", "-v0", "-c", PERSON]
        subprocess.run(command, cwd=ROOT, env=environment(url), check=True)
        with floorline(url) as server, ThreadPoolExecutor(AT_ONCE) as pool:
            owner = Browser(server.port, OWNERS_ADDRESS)
            assert owner.sign_in(PASSWORD)[0] == 302, "the owner cannot sign in"
            stranger = Browser(server.port, "127.0.0.2")
            found = TOKEN.search(stranger.ask("GET", LOGIN)[1])
            assert found, "the sign-in page has no token"
            token, seen, volley = found[1], Seen(), list[Future[tuple[int, str]]]()

            def settle() -> None:
                for one in volley:
                    seen.note(*one.result())
                volley.clear()
                most = seen.most_in_ten_minutes
                assert most <= CHECKED_IN_TEN_MINUTES, f"{most} guesses were checked within ten minutes"
                assert seen.answers.keys() <= {"checked", "not checked", "server busy"}, dict(seen.answers)

            def check(number: int, chance: Random) -> None:
                one = Browser(server.port, _address(number), dict(stranger.cookies))
                volley.append(pool.submit(one.sign_in, f"guess-{chance.getrandbits(64):x}", token=token))
                if len(volley) == AT_ONCE:
                    settle()

            yield check
            if volley:
                settle()
            _afterwards(server, owner, seen)


def _afterwards(server: Server, owner: Browser, seen: Seen) -> None:
    """Check who gets in, and what is stored, after all guesses."""
    print(f"{dict(sorted(seen.answers.items()))}")  # noqa: T201 - the figures are what a run is for
    # A stranger with the right password learns nothing, as nothing is checked; the owner's own browser gets in.
    late = seen.checked_at[-CHECKED_IN_TEN_MINUTES:]
    if len(late) == CHECKED_IN_TEN_MINUTES and time.monotonic() - late[0] < 600:
        assert Browser(server.port, "127.0.0.3").sign_in(PASSWORD)[0] == 429, "a stranger's right password was checked"
    known = Browser(server.port, OWNERS_ADDRESS, {"floorline-device": owner.cookies["floorline-device"]})
    assert known.sign_in(PASSWORD)[0] == 302, "the owner's own browser is kept out"
    stored = [str(detail) for detail in rows(server.database, FAILURES)]
    assert len(stored) <= MOST_ROWS * (1 + (seen.checked_at[-1] - seen.checked_at[0]) // 600), f"{len(stored)} rows"


def _address(number: int) -> str:
    """Return the address of a guess: of this machine, and of nobody else's guess."""
    return f"127.{number // 62_500 % 250 + 1}.{number // 250 % 250}.{number % 250 + 4}"
