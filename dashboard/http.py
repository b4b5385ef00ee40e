"""Types the request that a signed-in view receives."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class SignedInRequest(HttpRequest):
    """A request that LoginRequiredMiddleware let through."""

    user: User
    htmx: HtmxDetails
    agent_only: bool
    """Whether the viewer is an agent and nothing else; stops, which wait for no question, do not have it."""
