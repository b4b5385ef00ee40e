"""Recognises live legs again after an admin changed agents or lines, once, on commit."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from conferences.models import Account
from conferences.recognition import recognise_again

from .generic import AnyModelAdmin


def recognise_everywhere() -> None:
    """Recognise the live legs of every account; every account has the same agents."""
    for account in Account.objects.defer("api_key").order_by("pk"):
        recognise_again(account=account, now=timezone.now())


class WhoIsWhoAdmin(AnyModelAdmin):
    """A page whose changes may make a leg somebody else's, or a conference another team's."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        form = super().get_form(request, obj, change, **kwargs)
        form.acting = request.user  # type: ignore[attr-defined]  # a class of this request alone
        return form

    def save_related(self, request: HttpRequest, form: ModelForm[Any], formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        # The last step of every save, from the form and from the list.
        super().save_related(request, form, formsets, change)
        transaction.on_commit(recognise_everywhere)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(recognise_everywhere)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(recognise_everywhere)
