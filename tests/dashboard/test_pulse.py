"""What the heartbeat says of the comparison with Telnyx: live, not yet, or not since an outage."""

from __future__ import annotations

from datetime import datetime, timedelta

from conferences.models import Account, Conference
from dashboard.pulse import pulse

from .conftest import NewCall

MINUTE = timedelta(minutes=1)


def test_a_first_start_is_unsure_but_shows_nothing_old(account: Account, new_call: NewCall, now: datetime) -> None:
    call = new_call()
    Account.objects.update(checked_at=now, unsure_since=now - MINUTE)
    Conference.objects.filter(pk=call.conference.pk).update(participants_read_at=now)
    beat, _tidings = pulse(now=now)
    assert (beat.live, beat.gap) == (False, False)


def test_after_an_outage_what_was_known_before_is_not_live_until_all_is_compared(
    account: Account, new_call: NewCall, now: datetime
) -> None:
    call = new_call()
    outage = now - 10 * MINUTE
    Conference.objects.filter(pk=call.conference.pk).update(participants_read_at=outage - MINUTE)
    Account.objects.update(checked_at=now, unsure_since=outage)
    beat, _tidings = pulse(now=now)
    assert (beat.live, beat.gap, beat.since) == (False, True, int(outage.timestamp() * 1000))

    Account.objects.update(unsure_since=None)
    beat, _tidings = pulse(now=now)
    assert (beat.live, beat.gap, beat.since) == (True, False, None)
