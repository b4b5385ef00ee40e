"""Command faults: three requests in ten go wrong in every known way, and a stop still becomes silence, and soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from conferences.clients import client_for
from conferences.models import Account, Line, Team, TeamMembership
from conferences.sandbox.center import directory
from tests.supervision.conftest import Floor, new_api, new_world, session_to, sign_in

from .boards import people
from .clockwork import wound_up
from .histories import START
from .shifts import FaultyHttp, Outcome, Play

P99_SECONDS = 3.0
MAX_SECONDS = 12.0
ENOUGH_FOR_P99 = 200
SETTINGS = {
    "TELNYX_API_BASE": "http://127.0.0.1/v2",
    "TELNYX_API_KEY": "sandbox-test-key",
    "TELNYX_CONNECTION_ID": directory.EAR_CONNECTION_ID,
    "TELNYX_FROM_NUMBER": directory.FROM_NUMBER,
}
# Pages are drawn without files that would have to be collected first.
PLAIN_STATIC = {
    **settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


@contextmanager
def stops(empty_database: Callable[[], object]) -> Iterator[Callable[[int, Random], None]]:
    """Yield the check of one shift; at the end say how long silence took."""
    with empty_database(), override_settings(**SETTINGS):  # type: ignore[attr-defined]
        account, kim = people(), supervisor()
        sign_in(kim)
        played: list[Outcome] = []

        def check(number: int, chance: Random) -> None:
            played.append(shift(account, kim, seed=chance.getrandbits(32)))
            assert not played[-1].left_audible, f"left audible: {played[-1]}"
            assert not played[-1].left_inside, f"inside after leaving: {played[-1]}"
            assert played[-1].silent_after <= MAX_SECONDS, f"silent only after {played[-1]}"

        yield check
        told = summary(played)
        print(told)  # noqa: T201 - the proof's own report
        assert len(played) < ENOUGH_FOR_P99 or percentile(played, 0.99) <= P99_SECONDS, told


def supervisor() -> User:
    """Make Kim, who may do everything in Billing and listens on a SIP phone."""
    kim = User.objects.create_user("kim")
    TeamMembership.objects.create(user=kim, team=Team.objects.get(), may_whisper=True, may_barge=True)
    Line.objects.create(user=kim, label="Desk", kind=Line.Kind.SIP, address=directory.KIM_SIP.address, is_default=True)
    return kim


def shift(account: Account, kim: User, *, seed: int) -> Outcome:
    """Play one shift on a virtual clock."""
    with time_machine.travel(START, tick=False) as travel:
        floor = new_floor(account, travel)
        http = FaultyHttp(floor, Random(seed))
        client_for(account, session=session_to(http))
        with wound_up(floor) as clockwork:
            return Play(floor=floor, kim=kim, http=http, clockwork=clockwork, seed=seed).run()


def new_floor(account: Account, travel: Any) -> Floor:
    """Begin with an account that remembers nothing of the case before."""
    account.save()
    world = new_world()
    return Floor(world=world, api=new_api(world), account=account, travel=travel)


def percentile(played: list[Outcome], share: float) -> float:
    """Return the time to silence that this share of the shifts kept."""
    seconds = sorted(outcome.silent_after for outcome in played)
    return seconds[int(share * (len(seconds) - 1))] if seconds else 0.0


def summary(played: list[Outcome]) -> str:
    """Return what was played, and how long silence took."""
    faults = Counter(fault for outcome in played for fault in outcome.faults)
    left = sum(outcome.left_audible for outcome in played)
    times = ", ".join(
        f"{name} {percentile(played, share)} s" for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))
    )
    return f"{len(played)} shifts, {faults.total()} faults {dict(faults)}: {left} left audible; to silence {times}."
