"""Edits supervisors in the admin: names, teams with the modes they may use, and phones."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from conferences.models import Line, Supervisor, TeamMembership

from .generic import AnyTabularInline
from .memberships import RIGHTS, MembershipInline
from .supervisor_forms import NewSupervisorForm, send_link, without_a_password
from .users import PeopleAdmin
from .who_is_who import recognise_everywhere

MODES = {
    "may_monitor": _("monitor"),
    "may_whisper": _("whisper"),
    "may_barge": _("barge"),
    "may_see_numbers": _("numbers"),
    "is_lead": _("lead"),
}
"""The words of a list for a membership; the right to write notes is usual, and left out."""


class TeamInline(MembershipInline):
    fields = ["team", *RIGHTS]
    autocomplete_fields = ["team"]
    verbose_name = _("team")
    verbose_name_plural = _("Teams, and what they may do there")

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 1


class LineInline(AnyTabularInline):
    model = Line
    extra = 0
    fields = ["label", "kind", "address", "is_default"]
    verbose_name = _("phone")
    verbose_name_plural = _("Phones")

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 1


class WhoFilter(admin.SimpleListFilter):
    """Those who can listen, unless everybody is asked for."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("everybody", _("everybody who signs in"))]

    def choices(self, changelist: Any) -> Any:
        default, *others = super().choices(changelist)
        yield {**default, "display": _("with a team or a phone")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "everybody":
            return queryset
        listens = Q(team_memberships__isnull=False) | Q(lines__isnull=False) | Q(is_superuser=True)
        # By ids: a join would show somebody once for each team.
        return queryset.filter(pk__in=User.objects.filter(listens).values("pk"))


@admin.register(Supervisor)
class SupervisorAdmin(PeopleAdmin):
    """Whoever may edit users may edit supervisors: they are the same people."""

    list_display = ["__str__", "username", "teams", "phones", "last_login", "is_active"]
    list_filter = [WhoFilter, "is_active", "team_memberships__team"]
    inlines = [TeamInline, LineInline]
    add_form = NewSupervisorForm
    add_form_template = "admin/conferences/supervisor/add_form.html"
    show_facets = admin.ShowFacets.NEVER
    fieldsets = [(None, {"fields": [("first_name", "last_name"), ("username", "email"), "is_active"]})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        active = _("Whoever is not active cannot sign in, and their phone is hung up.")
        return super().get_form(request, obj, change=change, **kwargs, help_texts={"username": "", "is_active": active})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return self.fieldsets
        asked = ["usable_password"] if without_a_password() else []
        names = [("first_name", "last_name"), ("username", "email")]
        return [(None, {"fields": [*names, *asked, ("password1", "password2")]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("team_memberships__team", "lines")

    def get_urls(self) -> list[URLPattern]:
        """Leave passwords to the user's page."""
        return [pattern for pattern in super().get_urls() if pattern.name != "auth_user_password_change"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_related(request, form, formsets, change)
        if any(formset.model is Line and formset.has_changed() for formset in formsets):
            transaction.on_commit(recognise_everywhere)  # a leg on a line is a supervisor's
        person: User = form.instance
        if settings.CAN_MAIL and not change and not person.has_usable_password():
            transaction.on_commit(lambda: send_link(request, person))
            told = gettext("A link to set a password is sent to %(address)s.") % {"address": person.email}
            self.message_user(request, told, messages.INFO)

    @admin.display(description=_("teams"))
    def teams(self, person: User) -> Any:
        if person.is_superuser:
            return _("everything")
        members = sorted(person.team_memberships.all(), key=lambda member: member.team.name)
        return format_html_join("", "<div>{}</div>", [(_in_words(member),) for member in members])

    @admin.display(description=_("phones"))
    def phones(self, person: User) -> str:
        """Name the phones, the one that rings first."""
        lines = sorted(person.lines.all(), key=lambda line: (not line.is_default, line.label))
        return ", ".join(line.label for line in lines)

    # --- The rights are those of the user's page ----------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_module_perms("auth")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._of_user(request, "view") or self._of_user(request, "change")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._of_user(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._of_user(request, "change") and self.may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the audit names people; who leaves is made inactive

    def _of_user(self, request: HttpRequest, what: str) -> bool:
        return request.user.has_perm(f"auth.{what}_user")


def _in_words(member: TeamMembership) -> str:
    """Return what somebody may do in a team, for example “Billing: monitor, whisper”."""
    modes = [str(word) for right, word in MODES.items() if getattr(member, right)]
    return f"{member.team.name}: {', '.join(modes) or _('may see')}"
