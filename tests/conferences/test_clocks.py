"""A clock that differs from Telnyx': it is measured at the way in and told, and nothing waits for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from nacl.signing import SigningKey

from conferences.intake.endpoint import Intake
from conferences.intake.store import Received, store
from conferences.models import Account
from conferences.sandbox.telephony import membership
from dashboard.doctor import telnyx as doctor
from tests.supervision.conftest import Floor

from .floors import wait
from .signed import Telnyx, event, public_text

KEY = SigningKey(bytes(range(32)))


@pytest.fixture
def telnyx(transactional_db: None, settings: Any) -> Iterator[Telnyx]:
    settings.TELNYX_PUBLIC_KEYS = [public_text(KEY)]
    Account.objects.create(name="default")
    intake = Intake()
    yield Telnyx(intake, KEY)
    intake.writer.close()


def send(telnyx: Telnyx, *seconds_ago: float) -> None:
    """Send webhooks that Telnyx has signed so long ago by our clock."""
    for number, seconds in enumerate(seconds_ago):
        Account.objects.update(heard_at=None)  # a second later
        body = event("call.initiated", event_id=f"{number}", call_control_id="v3:leg")
        assert telnyx.post(telnyx.signed(body, seconds_ago=seconds)) == [200]


def page_of(user: User, url: str) -> str:
    client = Client()
    client.force_login(user)
    return unescape(client.get(url).content.decode())


@pytest.mark.parametrize(
    ("seconds_ago", "said"),
    [
        ((63, 63, 64), "6[34] s ahead of Telnyx'."),  # Telnyx signs whole seconds
        ((-63, -63, -40), "6[23] s behind Telnyx'."),
        ((63, 63, 1), ""),  # delayed ones say nothing about the clock
        ((2, 3, 4), ""),
        ((63, 63), ""),
    ],
)
def test_a_wrong_clock_is_told_to_staff_on_the_floor_and_by_the_doctor(
    telnyx: Telnyx, lena: User, kim: User, seconds_ago: tuple[int, ...], said: str
) -> None:
    send(telnyx, *seconds_ago)
    setup, floor, others = page_of(lena, "/setup/"), page_of(kim, "/"), page_of(kim, "/setup/")
    told = [finding.text for finding in doctor.webhooks(timezone.now()) if finding.about == "clock"]
    for page in (setup, floor):
        assert ("This server's clock is" in page) is bool(said)
        assert re.search(said, page)
    assert "Keep it by NTP" not in others
    assert bool(told) is bool(said)


def test_the_clock_costs_a_webhook_no_query(telnyx: Telnyx) -> None:
    costs = []
    for number, ahead in enumerate((None, None, 63.0)):  # the first one also creates the leg
        body = event("call.initiated", event_id=f"{number}", call_control_id="v3:leg")
        Account.objects.update(heard_at=None)
        with CaptureQueriesContext(connection) as queries:
            store([Received(Account.objects.get().pk, body, timezone.now(), ahead)])
        costs.append(len(queries))
    assert costs[1] == costs[2]
    assert Account.objects.get().clock_ahead == 63.0


# --- The comparison with Telnyx ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [0, 120, -120])
def test_an_end_that_no_webhook_told_is_found_in_time_by_any_clock(floor: Floor, behind: float) -> None:
    floor.clock_behind = behind
    call = floor.call()
    wait(floor, 40, until=lambda: call.conference.read_at is not None)
    call.scene.finish()
    floor.webhooks_lost = True
    wait(floor, 90, until=lambda: call.conference.ended_at is not None)


@pytest.mark.parametrize("behind", [0, 120, -120])
def test_a_departure_that_no_webhook_told_is_found_in_time_by_any_clock(floor: Floor, behind: float) -> None:
    floor.clock_behind = behind
    call = floor.call(agents=("Ana Ruiz", "Max Falk"))
    leg = call.scene.agents[1]
    assert leg.participant is not None
    membership.leave(floor.world, leg.participant)
    floor.webhooks_lost = True
    wait(floor, 75, until=lambda: len(call.present()) == 2)
