"""Keeps one Telnyx client per account and process, so that connections are reused."""

from __future__ import annotations

from django.conf import settings

from conferences.models.account import Credentials
from conferences.telnyx.client import Client
from conferences.telnyx.transport import Session

from .models import Account

_clients: dict[tuple[int, Credentials, str], Client] = {}


def client_for(account: Account, *, session: Session | None = None) -> Client:
    """Return the client that speaks with an account's credentials as they are now; given a session, through that."""
    credentials = account.credentials()
    key = (account.pk, credentials, account.region)
    if key not in _clients or session is not None:
        _clients[key] = Client(
            api_base=credentials.api_base, api_key=credentials.api_key, region=account.region, session=session
        )
    return _clients[key]


def forget_clients() -> None:
    """Drop every cached client; the next one opens new connections."""
    _clients.clear()


def client_without_database(account_id: int) -> Client:
    """Return the client last used for an account; where this process has none, one from the environment alone."""
    known = [client for (pk, _, _), client in _clients.items() if pk == account_id]
    return known[-1] if known else Client(api_base=settings.TELNYX_API_BASE, api_key=settings.TELNYX_API_KEY)
