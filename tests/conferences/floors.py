"""Moves a floor through time for the tests of the comparison with Telnyx."""

from __future__ import annotations

from collections.abc import Callable

from conferences.models import Account
from conferences.sandbox.center import directory
from conferences.sandbox.center.scene import Scene
from tests.supervision.conftest import Floor


def wait(floor: Floor, seconds: float, *, until: Callable[[], bool] | None = None) -> None:
    """Let time pass for Telnyx, the intake and the comparison, a second at a time; stop early when `until` is true."""
    for _ in range(round(seconds)):
        if until is not None and until():
            return
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        floor.deliver()
        floor.reconciler.step(reads_per_second=floor.account.reads_per_second)
    assert until is None or until(), "it did not happen in time"


def unheard(floor: Floor, seconds: float = 1) -> None:
    """Let Telnyx' webhooks of this time get lost, as in an outage."""
    floor.webhooks_lost = True
    wait(floor, seconds)
    floor.webhooks_lost = False


def many_calls(floor: Floor, count: int) -> list[Scene]:
    """Let so many customers talk to agents at the same time."""
    team, scenes = directory.team_named("Billing"), []
    for number in range(count):
        scene = Scene(world=floor.world, name=f"Billing-{number}", team=team)
        scene.greet(scene.arrive("+4930123456142"))
        scene.connect(scene.ring(team.agents[0]))
        scenes.append(scene)
    return scenes


def requests_of(floor: Floor) -> list[tuple[float, str]]:
    return [(entry["at"], entry["path"]) for entry in floor.api.log if entry["method"] == "GET"]


def account(floor: Floor) -> Account:
    return Account.objects.get(pk=floor.account.pk)
