"""Shows webhook events and the audit in the admin, to be searched and never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from conferences.masks import spelt_out
from conferences.models import Account, AuditEntry, Command, Conference, SupervisorSession, WebhookEvent
from conferences.projection.observations import CONFERENCE_NEWS, LEG_NEWS
from conferences.projection.rebuild import try_again

from .masking import readable_body
from .naming import TeamOfEntryFilter, link_to, named_legs
from .reading import ReadOnlyAdmin, to_the_second

KNOWN_TYPES = sorted({*CONFERENCE_NEWS, *LEG_NEWS})
OTHER_TYPES = "other"


class TypeFilter(admin.SimpleListFilter):
    """The types the board uses; asking the table for its distinct types would read all of it."""

    title = _("event type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(OTHER_TYPES, _("other types")), *((name, name) for name in KNOWN_TYPES)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == OTHER_TYPES:
            return queryset.exclude(event_type__in=KNOWN_TYPES)
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = ["received", "type", "state", "attempts", "conference", "problem"]
    actions = ["try_again"]
    list_display_links = ["received", "type"]
    list_filter = ["state", "received_at", TypeFilter]
    search_fields = ["event_id__exact", "conference_telnyx_id__exact", "call_control_id__exact"]
    search_help_text = _("A whole event id, conference id or call_control_id.")
    ordering = ["-received_at"]
    received = to_the_second("received_at", _("received"))
    occurred = to_the_second("occurred_at", _("occurred"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        events: QuerySet[WebhookEvent] = super().get_queryset(request)
        return events.defer("body")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        body = "whole_body" if request.user.is_superuser else "masked_body"
        times = ["occurred", "received"]
        return ["type", "event_id", *times, "conference_telnyx_id", "state", "problem", "attempts", "account", body]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody may have events tried again: the right to change them, though no page edits one."""
        return request.user.has_perm("conferences.change_webhookevent")

    @admin.action(description=_("Try again to put failed events on the board"), permissions=["retry"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[WebhookEvent]) -> None:
        failed = chosen.filter(state=WebhookEvent.State.FAILED).defer(None).order_by("pk")
        tried = projected = 0
        for account in list(Account.objects.defer("api_key").filter(pk__in=failed.values("account"))):
            for batch, on_board in try_again(
                account=account, events=failed.filter(account=account), now=timezone.now()
            ):
                tried += len(batch)
                projected += len(on_board)
        told = _("%(projected)d of %(tried)d failed events are on the board now.")
        level = messages.SUCCESS if projected == tried else messages.WARNING
        self.message_user(request, told % {"projected": projected, "tried": tried}, level)

    def is_noted(self, request: HttpRequest, row: Any) -> bool:
        """Return whether reading a body is noted: always, as anything may be packed into it."""
        return True

    @admin.display(description=_("event type"), ordering="event_type")
    def type(self, event: WebhookEvent) -> str:
        return spelt_out(event.event_type) or str(_("(unreadable)"))

    @admin.display(description=_("conference"))
    def conference(self, event: WebhookEvent) -> Any:
        """Show the beginning of the id, as a link to everything that happened in that conference."""
        conference = event.conference_telnyx_id
        return format_html('<a href="?q={}">{}…</a>', conference, conference[:8]) if conference else ""

    @admin.display(description=_("body"))
    def whole_body(self, event: WebhookEvent) -> Any:
        return format_html('<pre class="webhook-body">{}</pre>', readable_body(bytes(event.body), full_numbers=True))

    @admin.display(description=_("body, without telephone numbers"))
    def masked_body(self, event: WebhookEvent) -> Any:
        return format_html('<pre class="webhook-body">{}</pre>', readable_body(bytes(event.body), full_numbers=False))


class ActorFilter(admin.RelatedFieldListFilter):
    """Those who have done something: looked for one by one, because the audit never ends and is not read as a whole."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        acted = Q(Exists(AuditEntry.objects.filter(actor=OuterRef("pk"))))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=acted)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    moment = to_the_second("at", _("at"))
    list_display = ["moment", "actor", "action", "cause", "role", "conference_name", "detail"]
    list_filter = ["at", TeamOfEntryFilter, "action", "cause", "role", ("actor", ActorFilter)]
    list_select_related = ["actor"]
    date_hierarchy = "at"
    search_fields = ["conference_name", "=conference_id", "=session_id", "=command_id", "detail"]
    ordering = ["-at"]
    about = named_legs("targets", _("targets"))
    readonly_fields = ["moment", "conference", "listening", "command", "about"]
    fields = [
        *("moment", "actor", "action", "cause", "role", "conference_name", "conference", "listening", "command"),
        *("about", "detail", "account"),
    ]

    @admin.display(description=_("record of the conference"))
    def conference(self, entry: AuditEntry) -> Any:
        return link_to(Conference, entry.conference_id)

    @admin.display(description=_("listening"))
    def listening(self, entry: AuditEntry) -> Any:
        return link_to(SupervisorSession, entry.session_id)

    @admin.display(description=_("command"))
    def command(self, entry: AuditEntry) -> Any:
        return link_to(Command, entry.command_id)
