"""Webhooks lost, late, doubled and shuffled while listings race them: the board finds back to what Telnyx knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import time_machine
from django.db import transaction
from django.test import override_settings

from conferences.clients import client_for
from conferences.models import Conference, Participant
from conferences.sandbox.center.floor import Floor as Story
from conferences.sandbox.telephony.world import World
from conferences.sandbox.webhooks.delivery import body_of
from tests.supervision.conftest import Floor, InProcess, new_api, session_to

from .boards import people, take_in
from .histories import START

STORM_SECONDS = 90
QUIET_SECONDS = 150
GHOST_SECONDS = 90
LOST = (0.3, 1.0, 0.05, 0.7)
SETTINGS = {"TELNYX_API_BASE": "http://127.0.0.1/v2", "TELNYX_API_KEY": "sandbox-test-key"}


@contextmanager
def losses(empty_database: Callable[[], object]) -> Iterator[Callable[[int, Random], None]]:
    with empty_database(), override_settings(**SETTINGS):  # type: ignore[attr-defined]
        account = people()

        def check(number: int, chance: Random) -> None:
            with transaction.atomic(), time_machine.travel(START, tick=False) as travel:
                world = World(seed=chance.getrandbits(32), now=START.timestamp())
                floor = Floor(world=world, api=new_api(world), account=account, travel=travel)
                client_for(account, session=session_to(InProcess(floor)))
                play(floor, chance, lost=LOST[number % len(LOST)])
                transaction.set_rollback(True)

        yield check


def play(floor: Floor, chance: Random, *, lost: float) -> None:
    """Let calls live at high speed while events go missing; then stop, and hold the board against the world."""
    Story(floor.world, calls_wanted=4, rate=25).start()
    on_the_way: list[tuple[int, bytes]] = []
    for second in range(STORM_SECONDS + QUIET_SECONDS):
        if second == STORM_SECONDS:
            floor.world.stand_still()
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        for event in floor.world.outbox:
            copies = sum(chance.random() >= lost for _ in range(chance.choice([1, 1, 2])))
            on_the_way += [(second + chance.randrange(6), body_of(event, attempt=1)) for _ in range(copies)]
        floor.world.outbox.clear()
        due = [body for at, body in on_the_way if at <= second]
        on_the_way = [(at, body) for at, body in on_the_way if at > second]
        chance.shuffle(due)
        if due:
            take_in(floor.account, due, at=floor.now)
        floor.reconciler.step(reads_per_second=5)
        ghosts = [key for key in live() if ended_long_ago(floor, key)]
        assert not ghosts, f"{len(ghosts)} ended conferences are still live after {GHOST_SECONDS} s"
    real = floor.world.active
    assert live() == set(real), (sorted(live()), sorted(real))
    seen = set(Participant.objects.filter(present=True).values_list("conference__telnyx_id", "leg__call_control_id"))
    assert seen == {(key, leg) for key, conference in real.items() for leg in conference.participants}


def live() -> set[str]:
    return set(Conference.objects.filter(ended_at=None).values_list("telnyx_id", flat=True))


def ended_long_ago(floor: Floor, key: str) -> bool:
    conference = floor.world.conferences.get(key)
    ended_at = conference.ended_at if conference else floor.world.now
    return ended_at is not None and floor.world.now - ended_at > GHOST_SECONDS
