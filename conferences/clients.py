"""One Telnyx client per account and process, so that its connections stay warm."""

from __future__ import annotations

from django.conf import settings

from .models import Account
from .models.account import Credentials
from .telnyx.client import Client

_clients: dict[tuple[int, Credentials, str], Client] = {}


def client_for(account: Account) -> Client:
    """Return the client that speaks with an account's credentials as they are now."""
    credentials = account.credentials()
    key = (account.pk, credentials, account.region)
    if key not in _clients:
        _clients[key] = Client(api_base=credentials.api_base, api_key=credentials.api_key, region=account.region)
    return _clients[key]


def client_without_database(account_id: int) -> Client:
    """Return the client last used for an account; where this process has none, one from the environment alone."""
    known = [client for (pk, _, _), client in _clients.items() if pk == account_id]
    return known[-1] if known else Client(api_base=settings.TELNYX_API_BASE, api_key=settings.TELNYX_API_KEY)
