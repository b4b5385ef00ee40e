"""Which client speaks for an account, also where the database cannot be asked."""

from __future__ import annotations

from conferences.clients import client_for, client_without_database
from conferences.models import Account


def test_without_the_database_the_client_that_was_used_last_speaks(account: Account) -> None:
    other = Account.objects.create(name="other")
    used = []
    for region in ("US", "Europe", "US"):
        account.region = region
        used.append(client_for(account))
        assert client_for(account) is used[-1]
        client_for(other)
        assert client_without_database(account.pk, is_default=True) is used[-1]
    assert used[2] is not used[1]


def test_without_the_database_the_environment_speaks_for_the_default_account_alone(account: Account) -> None:
    other = Account.objects.create(name="other")
    assert client_without_database(account.pk, is_default=account.is_default) is not None
    assert client_without_database(other.pk, is_default=other.is_default) is None
