"""Asks for the password or a code once more before exports of the audit and changes of rights.

Whoever sits down at a browser that somebody has left open can then look, and do neither.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import sync_only_middleware
from django.utils.translation import gettext as _

EXPORT = "/audit/export/"
RIGHTS = re.compile(r"/admin/(auth/(user|group)|conferences/(team|supervisor))/(add|[^/]+/(change|password|delete))/")
"""Matches the admin's pages on which rights are given or taken: of people with their memberships, groups and teams."""
SENT_WITHIN_SECONDS = 45 * 60
"""A form that was opened after a confirmation may take its time."""


@sync_only_middleware
def confirmed_first(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Lead whoever wants to export, or to change rights, over the page that asks whether it is them."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        is_export = request.path == EXPORT and request.method == "POST"
        if not (is_export or RIGHTS.match(request.path)) or is_confirmed(request):
            return get_response(request)
        if request.method == "POST":
            messages.info(request, _("Now send it once more."))
        back = f"{reverse('audit')}?{_filter_of(request)}" if is_export else request.path
        confirming = f"{reverse('account_reauthenticate')}?{urlencode({'next': back})}"
        if getattr(request, "htmx", False):
            return HttpResponse(status=401, headers={"HX-Redirect": confirming})
        return HttpResponseRedirect(confirming)

    return middleware


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether somebody has proved lately who they are, by signing in or again since."""
    if not request.user.is_authenticated or not settings.CONFIRMED_SECONDS:
        return True
    extra = SENT_WITHIN_SECONDS if request.method == "POST" and request.path != EXPORT else 0
    records = get_authentication_records(request, request.user)
    return any(time.time() - one["at"] < settings.CONFIRMED_SECONDS + extra for one in records)


def _filter_of(request: HttpRequest) -> str:
    kept = {name: value for name, value in request.POST.items() if name not in {"csrfmiddlewaretoken", "kind"}}
    return urlencode(kept)
