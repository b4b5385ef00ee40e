"""One account whose Telnyx hangs or refuses holds up no other: neither its comparison nor its supervisors' lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from pytest_django.fixtures import Settings

from conferences.lease import Holder
from conferences.models import Account, Conference
from conferences.models.account import Credentials, Feed
from conferences.reconciliation.reconciler import Reconciler
from conferences.worker import EarLoop, ReconcileLoop
from tests.sandbox.conftest import API_KEY, Running, eventually, running

FEEDS = {"failing": Feed.WEBHOOKS, "sound": Feed.POLLING}


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[tuple[Running, Running]]:
    with running("--calls", "0") as sick, running("--calls", "0") as sound:
        yield sick, sound


@pytest.fixture
def accounts(
    transactional_db: None,
    settings: Settings,
    sandboxes: tuple[Running, Running],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Account, Account]]:
    """Two polled accounts, each with a Telnyx of its own; the first one is compared first."""
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    of_the_row = Account.credentials
    bases = {name: f"{sandbox.url}/v2" for name, sandbox in zip(("sick", "sound"), sandboxes, strict=True)}

    def credentials(account: Account) -> Credentials:
        return replace(of_the_row(account), api_base=bases[account.name])

    monkeypatch.setattr(Account, "credentials", credentials)
    sick, sound = [Account.objects.create(name=name, api_key=API_KEY, feed=Feed.POLLING) for name in bases]
    yield sick, sound
    sandboxes[0].control("DELETE", "/faults")


class OnlyWorker(Holder):
    """The only worker, however long a test takes."""

    def is_ours(self, *, now: datetime) -> bool:
        return True


@pytest.fixture
def loop() -> Iterator[ReconcileLoop]:
    loop = ReconcileLoop(OnlyWorker("worker"))
    yield loop
    loop.close()


@pytest.mark.slow
def test_while_one_telnyx_hangs_the_other_account_is_compared(
    accounts: tuple[Account, Account], sandboxes: tuple[Running, Running], loop: ReconcileLoop
) -> None:
    sick, sound = accounts
    sandboxes[0].control("POST", "/faults", {"method": "GET", "path": "*", "delay_s": 10.0, "rate": 1.0})
    sandboxes[1].script("Billing-1")
    assert eventually(lambda: is_shown(sound, loop))
    # The first account still waits for its first answer: nobody has given it up meanwhile.
    sick.refresh_from_db()
    assert (sick.checked_at, sick.check_problem) == (None, "")


@pytest.mark.slow
@pytest.mark.parametrize(("status", "problem"), [(401, "Telnyx refuses the API key"), (500, "Telnyx does not answer")])
def test_while_one_telnyx_refuses_the_other_account_is_compared(
    accounts: tuple[Account, Account],
    sandboxes: tuple[Running, Running],
    loop: ReconcileLoop,
    status: int,
    problem: str,
) -> None:
    sick, sound = accounts
    sandboxes[0].control("POST", "/faults", {"method": "GET", "path": "*", "status": status, "rate": 1.0})
    sandboxes[1].script(f"Billing-{status}")
    assert eventually(lambda: is_shown(sound, loop))

    def told() -> bool:
        sick.refresh_from_db()
        return sick.check_problem.startswith(problem)

    assert eventually(told)


def is_shown(account: Account, loop: ReconcileLoop) -> bool:
    """Do what is due, and return whether a call of the account is on the board."""
    loop.step()
    return Conference.objects.filter(account=account, ended_at=None).exists()


def test_an_account_that_cannot_be_compared_keeps_the_other_from_nothing(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Settings, loop: ReconcileLoop
) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    both = [Account.objects.create(name=name, api_key=API_KEY, feed=feed) for name, feed in FEEDS.items()]
    compared, done = list[tuple[int, bool]](), threading.Semaphore(0)

    def step(self: Reconciler, *, reads_per_second: int, polling: bool) -> None:
        compared.append((self._account.pk, polling))
        done.release()
        if self._account == both[0]:
            raise KeyError("an answer that nobody foresaw")

    monkeypatch.setattr(Reconciler, "step", step)
    loop.step()
    assert all(done.acquire(timeout=20) for _ in both)
    assert sorted(compared) == [(both[0].pk, False), (both[1].pk, True)]
    # The one that failed is tried again.
    assert eventually(lambda: tried_again(loop, compared, both[0]))


def tried_again(loop: ReconcileLoop, compared: list[tuple[int, bool]], account: Account) -> bool:
    loop.step()
    return compared.count((account.pk, False)) > 1


def test_lines_of_an_account_whose_telnyx_hangs_hold_up_no_line_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, sound, answered, followed = [uuid4() for _ in range(20)], uuid4(), threading.Event(), threading.Event()

    def step_ear(*, ear_id: UUID, now: datetime) -> None:
        if ear_id == sound:
            followed.set()
        else:
            answered.wait(60)

    monkeypatch.setattr("conferences.worker.open_ears", lambda: dict.fromkeys(hanging, 1) | {sound: 2})
    monkeypatch.setattr("conferences.worker.step_ear", step_ear)
    ears = EarLoop(OnlyWorker("worker"))
    ears.step()
    assert followed.wait(20)
    answered.set()
    ears.close()
