"""Edits who may see which calls: team rules, protections, and the page that tests them on the newest calls."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conferences import audit
from conferences.masks import masked_within
from conferences.models import AuditEntry, Protection, TeamRule
from conferences.team_rules import settle_live

from .generic import AnyModelAdmin
from .who_sees import NEWEST, newest_conferences, newest_legs, tester


def settle_now() -> None:
    """Let what has changed hold for every live call and on every screen at once."""
    settle_live(push=True, now=timezone.now())


class ScopeAdmin(AnyModelAdmin):
    """A page whose changes let people see or hear more or less: a superuser's, each change in the audit.

    Staff with the permission may look.
    """

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields of the form; whoever may only look sees a number masked."""
        fields = super().get_fields(request, obj)
        return fields if request.user.is_superuser else ["masked" if name == "pattern" else name for name in fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "masked"]

    @admin.display(description=_("matches"))
    def masked(self, row: Any) -> str:
        return masked_within(row.pattern)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_model(request, obj, form, change)
        self._note(request, obj, "changed" if change else "added")

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._note(request, obj, "deleted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self._note(request, row, "deleted")
        super().delete_queryset(request, queryset)

    def _note(self, request: HttpRequest, row: Any, done: str) -> None:
        actor = request.user if isinstance(request.user, User) else None
        detail = f"{self.opts.verbose_name} “{row}” {done}: {masked_within(self.in_words(row))}"
        audit.record(AuditEntry.Action.SCOPE_CHANGED, at=timezone.now(), actor=actor, detail=detail)
        transaction.on_commit(settle_now)

    def in_words(self, row: Any) -> str:
        """Return what a row does."""
        raise NotImplementedError


@admin.register(TeamRule)
class TeamRuleAdmin(ScopeAdmin):
    list_display = ["place", "what", "belongs_to"]
    list_display_links = ["what"]
    list_select_related = ["team"]
    ordering = ["place", "pk"]
    fields = ["place", "looks_at", "pattern", "team", "for_leads"]
    autocomplete_fields = ["team"]
    change_list_template = "admin/conferences/teamrule/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.who_may_see_what)
        return [path("who-may-see-what/", page, name="who_may_see_what"), *super().get_urls()]

    @admin.display(description=_("calls with"), ordering="looks_at")
    def what(self, rule: TeamRule) -> str:
        return str(rule)

    @admin.display(description=_("belong to"))
    def belongs_to(self, rule: TeamRule) -> str:
        return self.in_words(rule)

    def in_words(self, row: Any) -> str:
        """Return whose the calls of a rule are."""
        if row.for_leads:
            return str(_("leads and staff"))
        return row.team.name if row.team else str(_("superusers only"))

    def who_may_see_what(self, request: HttpRequest) -> HttpResponse:
        """Tell of the newest conferences and legs whose they would be by the rules of now, why, and who may what."""
        if not request.user.has_perms(["conferences.view_teamrule", "conferences.view_conference"]):
            raise PermissionDenied
        who = tester()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who may see what"),
            "opts": self.opts,
            "newest": NEWEST,
            "rules": [(rule.place, self.what(rule), self.in_words(rule)) for rule in who.rules.rows],
            "parts": [
                (_("The newest calls"), newest_conferences(who)),
                (_("The newest call legs, as the waiting list shows them"), newest_legs(who)),
            ],
        }
        return TemplateResponse(request, "admin/conferences/teamrule/who_may_see_what.html", context)


@admin.register(Protection)
class ProtectionAdmin(ScopeAdmin):
    list_display = ["kind", "what", "reason"]
    list_display_links = ["kind", "what"]
    list_select_related = ["agent"]
    ordering = ["kind", "pk"]
    fields = ["kind", "agent", "pattern", "reason"]
    autocomplete_fields = ["agent"]

    @admin.display(description=_("which"))
    def what(self, protection: Protection) -> str:
        return str(protection.agent) if protection.agent else masked_within(protection.pattern)

    def in_words(self, row: Any) -> str:
        """Return what a protection does."""
        return f"nobody may listen. {row.reason}".strip()
