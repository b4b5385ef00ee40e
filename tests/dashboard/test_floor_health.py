"""Checks what the heartbeat says of the comparison with Telnyx: live, not yet, or not since an outage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conferences.models import Account, Conference, WebhookEvent
from conferences.models.account import Feed
from dashboard.floor.health import floor_health

from .conftest import NewCall

MINUTE = timedelta(minutes=1)


def test_a_first_start_is_unsure_but_shows_nothing_old(account: Account, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    Account.objects.update(checked_at=now, unsure_since=now - MINUTE)
    Conference.objects.filter(pk=call.conference.pk).update(participants_read_at=now)
    beat, _notices = floor_health(now=now)
    assert (beat.live, beat.gap) == (False, False)


def test_after_an_outage_what_was_known_before_is_not_live_until_all_is_compared(
    account: Account, new_call: NewCall, now: datetime
) -> None:
    call = new_call()
    outage = now - 10 * MINUTE
    Conference.objects.filter(pk=call.conference.pk).update(participants_read_at=outage - MINUTE)
    Account.objects.update(checked_at=now, unsure_since=outage)
    beat, _notices = floor_health(now=now)
    assert (beat.live, beat.gap, beat.since) == (False, True, int(outage.timestamp() * 1000))

    Account.objects.update(unsure_since=None)
    beat, _notices = floor_health(now=now)
    assert (beat.live, beat.gap, beat.since) == (True, False, None)


def test_on_a_first_start_the_past_is_not_late_but_the_present_is(account: Account, now: datetime) -> None:
    Account.objects.update(checked_at=now, unsure_since=now - MINUTE)
    webhook(account, occurred_at=now - 9 * MINUTE, received_at=now)
    assert floor_health(now=now)[0].lag is None
    webhook(account, occurred_at=now - timedelta(seconds=50), received_at=now)
    assert floor_health(now=now)[0].lag == 50_000


def test_after_an_outage_what_is_late_is_late(account: Account, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    Conference.objects.filter(pk=call.conference.pk).update(participants_read_at=now - 2 * MINUTE)
    Account.objects.update(checked_at=now, unsure_since=now - MINUTE)
    webhook(account, occurred_at=now - 9 * MINUTE, received_at=now)
    assert floor_health(now=now)[0].lag == 9 * 60_000


def webhook(account: Account, *, occurred_at: datetime, received_at: datetime) -> None:
    WebhookEvent.objects.create(
        account=account, event_id=f"{account.pk}-{occurred_at}", event_type="call.answered", body=b"",
        state=WebhookEvent.State.PROJECTED, occurred_at=occurred_at, received_at=received_at,
    )  # fmt: skip


def test_a_polled_account_is_as_old_as_its_newest_comparison_and_no_webhook_counts(
    account: Account, now: datetime
) -> None:
    webhook(account, occurred_at=now - 9 * MINUTE, received_at=now)
    Account.objects.update(checked_at=now - timedelta(seconds=2))
    beat, _notices = floor_health(now=now)
    assert (beat.feed, beat.lag, beat.polled) == ("webhooks", 9 * 60_000, None)

    Account.objects.update(feed=Feed.POLLING)
    beat, _notices = floor_health(now=now)
    assert (beat.feed, beat.lag, beat.polled) == ("polling", None, 2_000)

    Account.objects.update(feed=Feed.COPIES)
    beat, _notices = floor_health(now=now)
    assert (beat.feed, beat.lag, beat.polled) == ("copies", 9 * 60_000, None)


def test_accounts_that_are_fed_differently_are_each_judged_by_their_own_feed(account: Account, now: datetime) -> None:
    polled = Account.objects.create(name="polled", feed=Feed.POLLING, checked_at=now - timedelta(seconds=4))
    webhook(account, occurred_at=now - timedelta(seconds=1), received_at=now)
    webhook(polled, occurred_at=now - 9 * MINUTE, received_at=now)
    beat, _notices = floor_health(now=now)
    assert (beat.feed, beat.lag, beat.polled) == ("mixed", 1_000, 4_000)


@pytest.mark.parametrize(
    ("feed", "phrase"),
    [(Feed.WEBHOOKS, ">As of"), (Feed.COPIES, ">By copies, as of"), (Feed.POLLING, ">By polling, as of")],
)
def test_the_first_paint_says_the_feed_to_staff_where_it_is_not_webhooks(
    account: Account, kim: User, lena: User, page_of: Callable[[User], Client], now: datetime, feed: str, phrase: str
) -> None:
    Account.objects.update(feed=feed, checked_at=now)
    for address in ("/", "/ear/", "/setup/"):
        assert phrase in page_of(lena).get(address).content.decode()
        assert ">As of" in page_of(kim).get(address).content.decode()
