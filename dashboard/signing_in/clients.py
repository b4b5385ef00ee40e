"""Tells from which address and network a request comes, as the trusted proxies name it."""

from __future__ import annotations

import ipaddress

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from dashboard.serving.entrance import client_address

SEEN_OF_AN_ADDRESS = {4: 24, 6: 48}


def address_of(request: HttpRequest) -> str:
    """Return whose request it is; of IPv6 one customer's network."""
    if isinstance(request, ASGIRequest):
        return client_address(dict(request.scope))
    return str(request.META.get("REMOTE_ADDR", ""))


def network_of(request: HttpRequest | None) -> str:
    """Return from which network a request comes; a whole address would be a record of where people are."""
    address = client_address(dict(request.scope)) if isinstance(request, ASGIRequest) else ""
    try:
        network = ipaddress.ip_network(address)
        return f"from {network.supernet(new_prefix=SEEN_OF_AN_ADDRESS[network.version])}"
    except ValueError:
        return ""
