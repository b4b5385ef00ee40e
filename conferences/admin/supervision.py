"""Commands, supervisions and ears: what was asked of Telnyx, by whom, and what became of it."""

from __future__ import annotations

from django.contrib import admin

from conferences.models import Command, Ear, SupervisorSession

from .reading import ReadOnlyAdmin


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ["asked_at", "actor", "kind", "role", "conference", "state", "outcome", "http_status", "telnyx_code"]
    list_filter = ["kind", "state", "role", ("actor", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["actor", "conference"]
    search_fields = ["=id", "conference__name", "=conference__id", "conference__telnyx_id__exact"]
    ordering = ["-asked_at"]


@admin.register(SupervisorSession)
class SupervisorSessionAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "user", "conference", "stage", "role", "verified_at", "ended_at", "end_reason"]
    list_filter = ["stage", "role", ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "conference"]
    search_fields = ["=id", "user__username", "conference__name", "=conference__id"]
    ordering = ["-started_at"]


@admin.register(Ear)
class EarAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "user", "line", "kind", "state", "connected_at", "ended_at", "end_reason"]
    list_filter = ["state", "kind", ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "line"]
    search_fields = ["=id", "user__username", "user__first_name", "user__last_name"]
    ordering = ["-created_at"]
    exclude = ["call_control_id"]
