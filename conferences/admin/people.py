"""Edits teams and agents in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from conferences.masks import masked_within
from conferences.models import Agent, Team

from . import directory
from .agent_form import AgentForm, todays_legs
from .memberships import RIGHTS, MembershipInline
from .recorded_rights import RecordedMembershipsAdmin
from .team_form import THRESHOLDS, TeamForm
from .unmatched import MARKS, WITHOUT, leg_in_question, mark_of
from .who_is_who import WhoIsWhoAdmin


class SupervisorInline(MembershipInline):
    fields = ["user", *RIGHTS]
    autocomplete_fields = ["user"]
    verbose_name = _("supervisor")
    verbose_name_plural = _("supervisors and their rights")


@admin.register(Team)
class TeamAdmin(RecordedMembershipsAdmin, WhoIsWhoAdmin):
    membership_field = "team"
    change_list_template = "admin/conferences/directory/change_list.html"
    list_display = ["name", "agents", "supervisors"]
    search_fields = ["name"]
    ordering = ["name"]
    readonly_fields = ["members"]
    inlines = [SupervisorInline]
    form = TeamForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ["name", "members"] if obj else ["name"]}), THRESHOLDS]

    def get_urls(self) -> list[URLPattern]:
        return [*directory.urls(self.admin_site), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        teams: QuerySet[Team] = super().get_queryset(request)
        return teams.annotate(
            agent_count=Count("agents", distinct=True), supervisor_count=Count("memberships", distinct=True)
        )

    @admin.display(description=_("agents"), ordering="agent_count")
    def agents(self, team: Any) -> int:
        return int(team.agent_count)

    @admin.display(description=_("agents"))
    def members(self, team: Team) -> Any:
        """Link to each agent; forms for all of them would pass Django's limit of fields in a large team."""
        links = [
            (reverse("admin:conferences_agent_change", args=[pk]), name)
            for pk, name in team.agents.order_by("name").values_list("pk", "name")
        ]
        add = format_html(
            '<p><a class="addlink" href="{}?team={}">{}</a></p>',
            reverse("admin:conferences_agent_add"),
            team.pk,
            _("Add an agent"),
        )
        return format_html("{}{}", format_html_join(", ", '<a href="{}">{}</a>', links), add)

    @admin.display(description=_("supervisors"), ordering="supervisor_count")
    def supervisors(self, team: Any) -> int:
        return int(team.supervisor_count)


@admin.register(Agent)
class AgentAdmin(WhoIsWhoAdmin):
    form = AgentForm
    change_list_template = "admin/conferences/directory/change_list.html"
    list_display = ["name", "team", "sip_username", "masked_number", "reference"]
    list_filter = ["team"]
    list_select_related = ["team"]
    search_fields = ["name", "sip_username", "number", "reference"]
    ordering = ["name"]
    autocomplete_fields = ["team", "user"]
    fieldsets = [
        (None, {"fields": ["name", "team", "user"]}),
        (
            _("How their calls are recognised"),
            {
                "fields": ["sip_username", "number", "reference", "todays_legs"],
                "description": _("One is enough. We never identify agents by caller ID."),
            },
        ),
    ]
    readonly_fields = ["todays_legs"]
    show_full_result_count = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find agents; for a leg in question only those who have no mark of its kind."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        without = request.GET.get(WITHOUT, "")
        return (found.filter(**{without: ""}) if without in MARKS else found), may_repeat

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Whoever may not see the users cannot choose one.
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.has_perm("auth.view_user") else [*fields, "user"]

    @admin.display(description=_("today"))
    def todays_legs(self, agent: Agent) -> str:
        return todays_legs(agent, now=timezone.now()) if agent.pk else "–"

    @admin.display(description=_("number"))
    def masked_number(self, agent: Agent) -> str:
        return masked_within(agent.number)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in what would make the leg in question this agent's; the page's address names the leg, no number."""
        leg = leg_in_question(request)
        mark = mark_of(leg) if leg else None
        return {mark.field: mark.value} if mark else super().get_changeform_initial_data(request)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_related(request, form, formsets, change)
        self.message_user(request, f"{form.instance.name}: {todays_legs(form.instance, now=timezone.now())}")

    def response_add(self, request: HttpRequest, obj: Agent, post_url_continue: str | None = None) -> HttpResponse:
        if leg_in_question(request) is None:
            return super().response_add(request, obj, post_url_continue)
        self.message_user(request, _("%(name)s is recognised from now on.") % {"name": obj.name}, messages.SUCCESS)
        return redirect("admin:conferences_leg_changelist")
