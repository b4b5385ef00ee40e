"""Provides admin pages that only show their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property

from conferences import audit
from conferences.masks import masked_within, numbers_within
from conferences.models import AuditEntry

from .generic import AnyModelAdmin, AnyPaginator, AnyTabularInline
from .masking import holds_text_from_outside, masked_column

COUNTED_ROWS = 10_000
DIGIT = re.compile(r"\d")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def to_the_second(field: str, description: Any) -> Callable[[Any, Any], str]:
    """Return a column that shows a time in the viewer's zone, to the second: evidence is read in that grain."""

    def shown(_page: Any, row: Any) -> str:
        moment = getattr(row, field)
        return date_format(timezone.localtime(moment), "Y-m-d H:i:s") if moment else ""

    return admin.display(description=description, ordering=field)(shown)


class BoundedPaginator(AnyPaginator):
    """Counts no further than anybody pages, because counting millions of events takes seconds."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNTED_ROWS].count() if isinstance(rows, QuerySet) else len(rows)


class ReadOnlyAdmin(AnyModelAdmin):
    """A list and a page of each row, without a way to add, change or delete.

    Telephone numbers in texts from outside are masked: in the list for everybody, on a page for all but superusers.
    """

    actions: Sequence[str] | None = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._masked(super().get_list_display(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = self.get_fields(request, obj)
        return [(None, {"fields": fields if request.user.is_superuser else self._masked(fields)})]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a row; that somebody read whole numbers or a body on its page is in the audit."""
        response = super().change_view(request, object_id, form_url, extra_context)
        row = self.get_object(request, object_id) if response.status_code == HTTPStatus.OK else None
        if row is not None and self.is_noted(request, row):
            detail = f"{self.opts.verbose_name} {row.pk}"
            actor = request.user if isinstance(request.user, User) else None
            audit.record(AuditEntry.Action.EVIDENCE_READ, at=timezone.now(), actor=actor, detail=detail)
        return response

    def is_noted(self, request: HttpRequest, row: Any) -> bool:
        """Return whether reading a row is noted: where its page shows telephone numbers that are masked for others."""
        if not request.user.is_superuser:
            return False
        texts = [field.attname for field in row._meta.concrete_fields if holds_text_from_outside(field)]
        return any(numbers_within(str(getattr(row, name) or "")) for name in texts)

    def _masked(self, fields: Sequence[Any]) -> list[Any]:
        texts = {field.name: field for field in self.model._meta.get_fields() if holds_text_from_outside(field)}
        return [masked_column(texts[name]) if name in texts else name for name in fields]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find nothing by digits that the mask hides: each search would tell whether the next one is right."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        texts = [name for name in self.get_search_fields(request) if not (name[0] == "=" or name.endswith("__exact"))]
        words = [word for word in search_term.casefold().split() if DIGIT.search(word) and not UUID.fullmatch(word)]
        if request.user.is_superuser or not (texts and words):
            return found, may_repeat
        rows = found.values_list("pk", *texts)[:COUNTED_ROWS]
        hidden = [pk for pk, *values in rows if not _is_shown(words, [str(value or "") for value in values])]
        return found.exclude(pk__in=hidden), may_repeat

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether an address may filter by something: not by what the mask hides, nor by what it is made of."""
        first = lookup.split("__", maxsplit=1)[0]
        named = next((field for field in self.model._meta.get_fields() if field.name == first), None)
        is_hidden = holds_text_from_outside(named) or isinstance(named, models.JSONField | models.BinaryField)
        if is_hidden and lookup not in self.get_list_filter(request) and not request.user.is_superuser:
            return False
        return super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _is_shown(words: Sequence[str], values: Sequence[str]) -> bool:
    """Return whether a row without hidden numbers was found, or one by what is shown of it."""
    if not any(numbers_within(value) for value in values):
        return True
    shown = [masked_within(value).casefold() for value in values]
    return all(any(word in value for value in shown) for word in words)


class ReadOnlyInline(AnyTabularInline):
    """Rows of another table, shown under the one they belong to."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
