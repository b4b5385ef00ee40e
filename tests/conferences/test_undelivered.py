"""Telnyx' log of deliveries: what it gave up delivering is fetched, once, and is no sign that webhooks arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from conferences.models import BoardVersion, Leg, WebhookEvent
from conferences.projection.rebuild import rebuild
from conferences.sandbox.telephony import membership
from conferences.sandbox.telephony.state import WebhookSent
from conferences.sandbox.webhooks.delivery import Delivery
from tests.supervision.conftest import Floor

from .floors import account, many_calls, requests_of, wait


@pytest.fixture
def outage(floor: Floor) -> Floor:
    """A floor that was in touch with Telnyx, then missed a whole call: begun and ended unheard."""
    wait(floor, 2)
    floor.log_of_deliveries = []
    floor.webhooks_lost = True
    many_calls(floor, 1)
    wait(floor, 20)
    for leg in list(floor.world.legs.values()):
        membership.hangup(floor.world, leg)
    wait(floor, 5)
    floor.webhooks_lost = False
    return floor


def start_again(floor: Floor) -> None:
    """Let the worker start again: its first look is soon, the next ones every five minutes."""
    del floor.reconciler
    wait(floor, 8)


@pytest.mark.slow
def test_a_call_that_came_and_went_during_an_outage_is_known_afterwards(outage: Floor) -> None:
    assert not Leg.objects.filter(from_address="+4930123456142").exists()
    start_again(outage)
    customer = Leg.objects.get(from_address="+4930123456142")
    conference = customer.participations.get().conference
    assert conference.ended_at is not None
    assert conference.name == "Billing-0"


@pytest.mark.slow
def test_what_was_fetched_is_stored_once_and_survives_a_rebuild(outage: Floor) -> None:
    start_again(outage)
    events = WebhookEvent.objects.count()
    assert events == len(outage.log_of_deliveries or [])
    start_again(outage)
    assert WebhookEvent.objects.count() == events
    report = rebuild(account=account(outage), since=outage.now - timedelta(days=1), now=outage.now)
    assert report.rows
    assert not report.mended


@pytest.mark.slow
def test_what_was_fetched_is_no_sign_that_webhooks_arrive(outage: Floor) -> None:
    before = BoardVersion.objects.get().ingested_at
    start_again(outage)
    assert WebhookEvent.objects.exists()
    assert BoardVersion.objects.get().ingested_at == before


@pytest.mark.slow
def test_the_log_is_asked_every_five_minutes(outage: Floor) -> None:
    wait(outage, 650)
    asked = [at for at, path in requests_of(outage) if path == "/webhook_deliveries"]
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 300
    assert Leg.objects.filter(from_address="+4930123456142").exists()


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 404])
def test_where_the_log_may_not_be_read_the_comparison_goes_on_and_nothing_is_skipped(
    outage: Floor, status: int
) -> None:
    outage.fault("/webhook_deliveries", method="GET", status=status)
    last = account(outage).undelivered_read_at
    start_again(outage)
    assert account(outage).check_problem == ""
    assert outage.now - (account(outage).checked_at or outage.now) < timedelta(seconds=5)
    assert account(outage).checked_at is not None
    assert account(outage).undelivered_read_at == last
    start_again(outage)
    assert Leg.objects.filter(from_address="+4930123456142").exists()


@pytest.mark.slow
def test_where_no_webhook_is_expected_the_log_is_not_asked(floor: Floor) -> None:
    for _ in range(320):
        floor.world.advance(floor.world.now + 1)
        floor.travel.move_to(floor.now)
        floor.reconciler.step(reads_per_second=5, polling=True)
    assert not [path for _, path in requests_of(floor) if path == "/webhook_deliveries"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "payload"),
    [("message.received", {"text": "hello"}), ("call.unheard_of", {"call_control_id": 7}), ("conference.created", {})],
)
def test_other_products_events_are_left_and_strange_ones_harm_nothing(
    outage: Floor, kind: str, payload: dict[str, Any]
) -> None:
    assert outage.log_of_deliveries
    real = outage.log_of_deliveries[0]
    strange = WebhookSent(id="strange", type=kind, occurred_at=real.event.occurred_at, payload=payload, url="")
    now = outage.world.now
    outage.log_of_deliveries.append(Delivery(0, strange, started_at=now, finished_at=now))
    start_again(outage)
    assert Leg.objects.filter(from_address="+4930123456142").exists()
    assert WebhookEvent.objects.filter(event_type="message.received").count() == 0
