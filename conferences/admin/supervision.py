"""Shows commands, supervisor sessions and ears in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from conferences.models import Command, Ear, SupervisorSession, UnsteeredLine

from .reading import ReadOnlyAdmin, to_the_second

CODES = ("http_status", "telnyx_code", "carrier_code")


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    asked = to_the_second("asked_at", _("asked"))
    sent = to_the_second("sent_at", _("sent"))
    answered = to_the_second("answered_at", _("answered"))
    settled = to_the_second("settled_at", _("settled"))
    list_display = ["asked", "actor", "kind", "role", "conference", "state", "outcome", *CODES]
    list_filter = ["kind", "state", "role", ("actor", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["actor", "conference"]
    search_fields = ["=id", "conference__name", "=conference__id", "conference__telnyx_id__exact"]
    ordering = ["-asked_at"]
    exclude = ["asked_at", "sent_at", "answered_at", "settled_at"]
    readonly_fields = ["asked", "sent", "answered", "settled"]


@admin.register(SupervisorSession)
class SupervisorSessionAdmin(ReadOnlyAdmin):
    started = to_the_second("started_at", _("started"))
    verified = to_the_second("verified_at", _("verified"))
    ended = to_the_second("ended_at", _("ended"))
    list_display = ["started", "user", "conference", "stage", "role", "verified", "ended", "end_reason"]
    list_filter = ["stage", "role", ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "conference"]
    search_fields = ["=id", "user__username", "conference__name", "=conference__id"]
    ordering = ["-started_at"]
    exclude = ["started_at", "verified_at", "ended_at"]
    readonly_fields = ["started", "verified", "ended"]


@admin.register(UnsteeredLine)
class UnsteeredLineAdmin(ReadOnlyAdmin):
    started = to_the_second("started_at", _("inside since"))
    verified = to_the_second("verified_at", _("verified"))
    ended = to_the_second("ended_at", _("ended"))
    list_display = ["started", "user", "conference", "reason", "role", "verified", "ended", "end_reason"]
    list_filter = ["reason", "role", ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "conference"]
    search_fields = ["=id", "user__username", "conference__name", "=conference__id"]
    ordering = ["-started_at"]
    exclude = ["started_at", "verified_at", "ended_at"]
    readonly_fields = ["started", "verified", "ended"]


@admin.register(Ear)
class EarAdmin(ReadOnlyAdmin):
    dialled = to_the_second("created_at", _("dialled"))
    connected = to_the_second("connected_at", _("connected"))
    ended = to_the_second("ended_at", _("ended"))
    list_display = ["dialled", "user", "line", "kind", "state", "connected", "ended", "end_reason"]
    list_filter = ["state", "kind", ("user", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "line"]
    search_fields = ["=id", "user__username", "user__first_name", "user__last_name"]
    ordering = ["-created_at"]
    exclude = ["call_control_id", "created_at", "connected_at", "ended_at"]
    readonly_fields = ["dialled", "connected", "ended"]
