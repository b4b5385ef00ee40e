"""Tries an account's key, webhook address and phones for the admin who asks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.account_setup.ear_application import webhook_address
from conferences.account_setup.trials import Outcome, try_key, try_registration, try_webhook_address
from conferences.models import Account, Line

from .account_setup_pages import account_to_set_up, client_or_why
from .generic import AnyModelAdmin


class PhoneForm(forms.Form):
    """One supervisor's SIP phone."""

    line = forms.ModelChoiceField(
        label=gettext_lazy("Supervisor phone"),
        queryset=Line.objects.filter(kind=Line.Kind.SIP).select_related("user").order_by("user__username", "label"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["line"].label_from_instance = lambda line: f"{line.user}: {line.label}"  # type: ignore[attr-defined]


def trials(page: AnyModelAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show what can be tried, and what came out of what was asked for."""
    account = account_to_set_up(page, request, object_id)
    asked = request.POST.get("do", "") if request.method == "POST" else ""
    form = PhoneForm(request.POST if asked == "phone" else None)
    context = {
        **admin.site.each_context(request),
        "title": _("Try the connection: %(account)s") % {"account": account},
        "opts": page.opts,
        "account": account,
        "asked": asked,
        "outcomes": _outcomes(asked, account, form),
        "form": form,
        "webhook_address": webhook_address(),
    }
    return TemplateResponse(request, "admin/conferences/account/trials.html", context)


def _outcomes(asked: str, account: Account, form: PhoneForm) -> list[Outcome]:
    if asked == "address":
        return [try_webhook_address(webhook_address())]
    if asked not in {"key", "phone"} or (asked == "phone" and not form.is_valid()):
        return []
    client = client_or_why(account)
    if isinstance(client, str):
        return [Outcome(good=False, text=client)]
    if asked == "key":
        return try_key(account.credentials(), client, clock=timezone.now)
    return [try_registration(client, form.cleaned_data["line"].address, now=timezone.now())]
