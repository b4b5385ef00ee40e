"""Pages that only show: nothing of what happened can be changed in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property

from .generic import AnyModelAdmin, AnyPaginator, AnyTabularInline

COUNTED_ROWS = 10_000


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
    """A list and a page of each row, without a way to add, change or delete."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
