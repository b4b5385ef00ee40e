"""One Telnyx client per account and process, so that its connections stay warm."""

from __future__ import annotations

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
