"""Supervisors: what they may do in which team, and on which lines they listen."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conferences.models import Line, TeamMembership

from .generic import AnyTabularInline, DjangoUserAdmin
from .people import RIGHTS
from .who_is_who import recognise_everywhere

admin.site.unregister(User)


class RightsInline(AnyTabularInline):
    model = TeamMembership
    extra = 0
    fields = ["team", *RIGHTS]
    autocomplete_fields = ["team"]
    verbose_name_plural = _("rights per team")


class LineInline(AnyTabularInline):
    model = Line
    extra = 0
    fields = ["label", "kind", "address", "is_default"]


@admin.register(User)
class SupervisorAdmin(DjangoUserAdmin):
    list_display = ["username", "first_name", "last_name", "teams", "is_staff", "is_active"]
    list_filter = ["is_active", "is_staff", "is_superuser", "team_memberships__team"]
    inlines = [RightsInline, LineInline]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("team_memberships__team")

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_inlines(request, obj) if obj else []  # first a user name and a password

    # Who may edit people may not thereby become an administrator, make one, or widen their own rights.

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return [*fields, "is_staff", "is_superuser", "groups", "user_permissions"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_related(request, form, formsets, change)
        if any(formset.model is Line and formset.has_changed() for formset in formsets):
            transaction.on_commit(recognise_everywhere)  # a leg on a line is a supervisor's

    @admin.display(description=_("teams"))
    def teams(self, user: User) -> str:
        return ", ".join(sorted(membership.team.name for membership in user.team_memberships.all()))


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    return request.user.is_superuser or person is None or not (person.is_staff or person.is_superuser)
