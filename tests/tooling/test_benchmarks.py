"""The benchmarks still fit the code that they measure; `make bench` gives their figures."""

from __future__ import annotations

import pytest

from conferences.models import Account, WebhookEvent


@pytest.mark.django_db
def test_the_limit_without_http_verifies_and_stores_every_webhook() -> None:
    from benchmarks.limit import measure

    Account.objects.create(name="default")
    per_second, microseconds = measure(batch=4, count=10, seed=1)
    assert WebhookEvent.objects.count() == 10
    assert per_second > 0
    assert microseconds > 0
