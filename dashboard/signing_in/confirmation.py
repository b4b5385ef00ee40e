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

EXPORT = re.compile(r"/audit/export/|(?P<page>/admin/conferences/team/directory/[^/]+/)export/")
_EDITED = r"/admin/(auth/(user|group)|conferences/(account|agent|connection|protection|supervisor|team|teamrule))/"
FORMS = re.compile(
    rf"{_EDITED}(add|[^/]+/(change|password|delete))/"
    r"|/admin/conferences/leg/[^/]+/agent/"
    r"|/admin/conferences/account/[^/]+/telnyx/"
    r"|/admin/conferences/team/directory/[^/]+/$"
)
"""Matches the admin's forms on which it changes who may see or hear whom.

Those of people with their memberships, groups and teams, those that say whose a call is and what is protected, and the
import of them as files.
"""
LISTS = re.compile(rf"{_EDITED}$")
"""Matches the lists of the same: what is posted there changes or deletes several at once."""
SENT_WITHIN_SECONDS = 45 * 60
"""A form that was opened after a confirmation may take its time."""


@sync_only_middleware
def confirmed_first(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Lead whoever wants to export, or to change rights, over the page that asks whether it is them."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not _is_asked_about(request) or is_confirmed(request):
            return get_response(request)
        if request.method == "POST":
            messages.info(request, _("Now send it once more."))
        export = EXPORT.fullmatch(request.path)
        back = _page_of(request, export) if export else request.get_full_path()
        confirming = f"{reverse('account_reauthenticate')}?{urlencode({'next': back})}"
        if getattr(request, "htmx", False):
            return HttpResponse(status=401, headers={"HX-Redirect": confirming})
        return HttpResponseRedirect(confirming)

    return middleware


def _is_asked_about(request: HttpRequest) -> bool:
    if FORMS.match(request.path):
        return True
    return request.method == "POST" and bool(EXPORT.fullmatch(request.path) or LISTS.match(request.path))


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether somebody has proved lately who they are, by signing in or again since."""
    if not request.user.is_authenticated or not settings.CONFIRMED_SECONDS:
        return True
    extra = SENT_WITHIN_SECONDS if request.method == "POST" and FORMS.match(request.path) else 0
    records = get_authentication_records(request, request.user)
    return any(time.time() - one["at"] < settings.CONFIRMED_SECONDS + extra for one in records)


def _page_of(request: HttpRequest, export: re.Match[str]) -> str:
    """Return the address of the page from which an export was sent, with the filter of the audit."""
    if export["page"]:
        return export["page"]
    kept = {name: value for name, value in request.POST.items() if name not in {"csrfmiddlewaretoken", "kind"}}
    return f"{reverse('audit')}?{urlencode(kept)}"
