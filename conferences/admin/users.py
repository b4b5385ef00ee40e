"""Edits people in the admin: passwords, permissions, groups. Teams and phones are on the supervisor's page."""

from __future__ import annotations

from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401  # before ours, so that what they register can be taken out again
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from conferences import audit
from conferences.models import AuditEntry

from .generic import DjangoUserAdmin
from .recorded_rights import RecordedMembershipsAdmin, record, record_form

OFFICE = ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]

# A person's address is in the user; whoever could edit second factors could sign in as anybody.
admin.site.unregister([User, Group, EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken])


class PeopleAdmin(RecordedMembershipsAdmin, DjangoUserAdmin):
    """A page of a person; every change of their rights is in the audit."""

    membership_field = "user"
    change_list_template = "admin/conferences/directory/change_list.html"
    show_full_result_count = False

    # The right to edit people does not include becoming an administrator, making one, or widening one's own rights.

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return [*fields, "is_staff", "is_superuser", "groups", "user_permissions"]

    @staticmethod
    def may_touch(request: HttpRequest, person: User | None) -> bool:
        """Return whether somebody may edit a person at all: staff and superusers are a superuser's to edit."""
        return request.user.is_superuser or person is None or not (person.is_staff or person.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_touch(request, obj) and super().has_delete_permission(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_related(request, form, formsets, change)
        record_form(request, form.instance.get_username(), form, OFFICE)


@admin.register(User)
class UserAdmin(PeopleAdmin):
    """A person as one who signs in, with a password and permissions."""

    list_display = ["username", "first_name", "last_name", "is_staff", "is_superuser", "is_active", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser", "groups"]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's signature
        """Set somebody's password, and record it: whoever knows it can sign in as them."""
        before = self.get_object(request, id)
        response: HttpResponse = super().user_change_password(request, id, form_url)
        person = User.objects.filter(pk=before.pk).first() if before is not None else None
        if before is not None and person is not None and person.password != before.password:
            action = AuditEntry.Action.PASSWORD_SET
            audit.record(action, at=timezone.now(), actor=_acting(request), detail=person.get_username())
        return response


def _acting(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


@admin.register(Group)
class RightsGroupAdmin(GroupAdmin):
    """Groups give permissions to their members, so only a superuser changes them: others could give themselves any."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_related(request, form, formsets, change)
        record_form(request, f"group {form.instance}", form, ["permissions"])

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        self._record_end(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        for group in queryset:
            self._record_end(request, group)
        super().delete_queryset(request, queryset)

    def _record_end(self, request: HttpRequest, group: Group) -> None:
        before = list(group.permissions.values_list("codename", flat=True))
        record(request, f"group {group}, deleted", before=before, after=[])
