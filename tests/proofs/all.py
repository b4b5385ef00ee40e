"""The proofs by name, and how each is prepared."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

from .boards import after, differences, people, take_in, take_in_batches
from .deploys import deploys
from .floods import floods
from .guesses import guesses
from .histories import Invention, disturbed, story
from .intake import Check, fuzz, kills, signatures, storms
from .losses import losses
from .model import model
from .moments import moments
from .stops import stops


@dataclass(frozen=True)
class Proof:
    """A claim, and a context that yields the check of one case."""

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


PROOFS = {
    "permutations": Proof("any order and duplication of a history gives the same board.", permutations),
    "losses": Proof(
        "with webhooks lost, late and doubled, the board finds back to the truth, and no ghost stays for 90 s.",
        partial(losses, empty_database),
    ),
    "orders": Proof("all 40,320 orders of one history of eight events give the same board.", all_orders),
    "model": Proof(
        "in random shifts nobody hears who should not, and the screen says so.", partial(model, empty_database)
    ),
    "kills": Proof("no acknowledged event is lost when gunicorn is killed.", kills),
    "fuzz": Proof("mutated bodies are kept if signed and refused if not; nothing is a 5xx.", fuzz),
    "signatures": Proof("no webhook with a changed signature, time or body is believed.", signatures),
    "moments": Proof(
        "killed at any of six moments, nothing acknowledged is lost and no louder role is sent late; of two presses "
        "before a web process that stands still, the later one wins.",
        moments,
    ),
    "deploys": Proof(
        "two nodes on one PostgreSQL are replaced one after the other, and nobody misses anything.", deploys
    ),
    "stops": Proof("with 30 % faulty HTTP every stop becomes silence, and soon.", partial(stops, empty_database)),
    "flood": Proof("whatever strangers do at once, a Leave takes less than a second and no webhook is lost.", floods),
    "guesses": Proof("of guesses from many addresses ten in ten minutes are checked, and the owner gets in.", guesses),
    "storms": Proof("a burst beside a flood and slow senders is acknowledged in time and in full.", storms),
}
