"""The probe's test calls are on no floor, in nobody's hands and in no audit, whichever phone it rings."""

from __future__ import annotations

import base64
import json

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from conferences.models import AuditEntry, Command, Conference, Ear, Leg, UnsteeredLine, WebhookEvent
from conferences.models.account import Feed
from conferences.probe import Question
from conferences.recognition import probes
from conferences.sandbox.telephony import calls
from dashboard.floor.board import board
from dashboard.floor.window import Window

from .conftest import Bench

pytestmark = pytest.mark.slow

DESK_PHONE = "sip:kim@sip.telnyx.com"


@pytest.mark.parametrize("feed", [Feed.WEBHOOKS, Feed.POLLING])
def test_a_probe_on_a_supervisors_own_phone_is_left_alone_by_the_worker(bench: Bench, kim: User, feed: Feed) -> None:
    bench.floor.account.feed = feed
    bench.floor.account.save(update_fields=["feed"])
    bench.floor.webhooks_lost = feed == Feed.POLLING
    bench.addresses = {"supervisor": DESK_PHONE, "agent": "sip:lena@sip.telnyx.com"}
    kim.is_superuser = True
    kim.save(update_fields=["is_superuser"])
    shown = set[str]()

    def hear(question: Question) -> bool | None:
        if question.key.startswith(("call", "monitor")):
            bench.floor.wait(4)  # the worker compares, adopts and guards meanwhile
        shown.update(card.name for card in board(kim, window=Window(), now=bench.floor.now).rows)
        return bench.hear(question)

    bench.probe(ask=hear).run()

    assert bench.asked
    assert shown == set()
    for model in (Conference, Leg, Ear, UnsteeredLine, Command, AuditEntry):
        assert not model._default_manager.exists(), model
    assert WebhookEvent.objects.exists() is (feed == Feed.WEBHOOKS)


def test_the_feed_does_not_count_as_stopped_because_of_a_probe(bench: Bench) -> None:
    bench.floor.go_live()
    bench.floor.call()

    def hear(question: Question) -> bool | None:
        if question.key.startswith("call"):
            bench.floor.wait(20)
        [theirs] = [item for item in bench.floor.world.active.values() if item.name.startswith(probes.NAME)]
        return bench.hear_in(theirs, question)

    bench.probe(ask=hear).run()

    bench.floor.account.refresh_from_db()
    assert bench.floor.account.unsure_since is None
    assert Conference.objects.get().name == "Billing-4312"


@pytest.mark.parametrize("token", ["7f3a", "7f3a.0123456789abcdef", 7, None])
def test_a_mark_that_this_installation_did_not_sign_hides_nothing(bench: Bench, token: object) -> None:
    mark = base64.b64encode(json.dumps({"floorline_probe": token}).encode()).decode()
    assert not probes.is_of_a_probe(mark)
    assert not probes.is_name_of_a_probe(f"{probes.NAME}{token}")
    calls.dial(
        bench.floor.world,
        connection_id="2781903345512846337",
        from_="+18005550199",
        to="+15550100009",
        kind="unknown",
        label="",
        client_state=mark,
    )
    bench.floor.deliver()
    assert Leg.objects.count() == 1


def test_the_mark_of_a_probe_is_known_by_state_and_name_also_under_the_key_before(settings: Settings) -> None:
    mark, name = probes.client_state_of_probe("7f3a"), probes.name_of_probe("7f3a")
    assert probes.is_of_a_probe(mark)
    assert probes.is_name_of_a_probe(name)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert probes.is_of_a_probe(mark)
    assert probes.is_name_of_a_probe(name)
