"""Keeps one Telnyx client per account and process, so that connections are reused."""

from __future__ import annotations

from django.conf import settings

from conferences.models.account import Credentials
from conferences.telnyx.client import Client
from conferences.telnyx.setup import SetupClient
from conferences.telnyx.transport import Session

from .models import Account

# By the account's key: with what its client speaks, and the client.
_clients: dict[int, tuple[tuple[Credentials, str], Client]] = {}


def client_for(account: Account, *, session: Session | None = None) -> Client:
    """Return the client that speaks with an account's credentials as they are now; given a session, through that."""
    credentials = account.credentials()
    spoken_with = (credentials, account.region)
    known, client = _clients.get(account.pk, (None, None))
    if client is None or known != spoken_with or session is not None:
        client = Client(
            api_base=credentials.api_base, api_key=credentials.api_key, region=account.region, session=session
        )
        _clients[account.pk] = (spoken_with, client)
    return client


def setup_client_for(account: Account) -> SetupClient:
    """Return a client for what an account has set up; a new one each time, because it is rarely needed."""
    credentials = account.credentials()
    return SetupClient(api_base=credentials.api_base, api_key=credentials.api_key)


def forget_clients() -> None:
    """Drop every cached client; the next one opens new connections."""
    _clients.clear()


def client_without_database(account_id: int) -> Client:
    """Return the client last used for an account; where this process has none, one from the environment alone."""
    _spoken_with, client = _clients.get(account_id, (None, None))
    return client or Client(api_base=settings.TELNYX_API_BASE, api_key=settings.TELNYX_API_KEY)
