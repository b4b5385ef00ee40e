"""Shows conferences, participants and legs in the admin, unrecognised legs first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from conferences.masks import masked_within
from conferences.models import Agent, Conference, Leg, Participant
from conferences.names import conference_name
from conferences.recognition import sip_address

from .naming import TeamFilter, TeamOfLegFilter
from .reading import ReadOnlyAdmin, ReadOnlyInline, to_the_second
from .unmatched import ExistingAgentForm, LegChangeList, field_in_words, mark_of
from .who_is_who import recognise_everywhere


class LiveFilter(admin.SimpleListFilter):
    title = _("time")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("live")), ("no", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "yes")


class WhoseFilter(admin.SimpleListFilter):
    """Unrecognised callers, unless something else is asked for."""

    title = _("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("agent", _("live: agents'")),
            ("customer", _("live: customers'")),
            ("supervisor", _("live: supervisors'")),
            ("past", _("hung up, unrecognised")),
            ("all", _("all")),
        ]

    def choices(self, changelist: Any) -> Any:
        default, *others = super().choices(changelist)
        yield {**default, "display": _("live: unrecognised")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        if self.value() == "past":
            return queryset.filter(party=Leg.Party.UNKNOWN).exclude(hung_up_at=None)
        return queryset.filter(party=self.value() or Leg.Party.UNKNOWN, hung_up_at=None)


class ParticipantInline(ReadOnlyInline):
    model = Participant
    fields = ["party", "agent", "number", "present", "joined", "left", "muted", "on_hold", "read"]
    readonly_fields = ["party", "agent", "number", "joined", "left", "read"]
    joined = to_the_second("joined_at", _("joined"))
    left = to_the_second("left_at", _("left"))
    read = to_the_second("read_at", _("read"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Participant]:
        participants: QuerySet[Participant] = super().get_queryset(request)
        return participants.select_related("leg__agent").order_by("joined_at")

    @admin.display(description=_("party"))
    def party(self, participant: Participant) -> str:
        return participant.leg.get_party_display()

    @admin.display(description=_("agent"))
    def agent(self, participant: Participant) -> Agent | str:
        return participant.leg.agent or ""

    @admin.display(description=_("address"))
    def number(self, participant: Participant) -> str:
        return outside_address(participant.leg)


@admin.register(Conference)
class ConferenceAdmin(ReadOnlyAdmin):
    started = to_the_second("started_at", _("started"))
    ended = to_the_second("ended_at", _("ended"))
    list_display = ["called", "team", "started", "ended", "end_reason"]
    list_filter = [LiveFilter, TeamFilter, "started_at"]
    list_select_related = ["team"]
    search_fields = ["name", "=id", "telnyx_id__exact"]
    ordering = ["-started_at"]
    exclude = ["facts", "speaker_call_control_id", "version", "started_at", "ended_at"]
    readonly_fields = ["started", "ended"]
    inlines = [ParticipantInline]

    @admin.display(description=_("conference"), ordering="name")
    def called(self, conference: Conference) -> str:
        return conference_name(conference)


@admin.register(Participant)
class ParticipantAdmin(ReadOnlyAdmin):
    joined = to_the_second("joined_at", _("joined"))
    left = to_the_second("left_at", _("left"))
    list_display = ["where", "party", "agent", "address", "present", "joined", "left"]
    list_filter = ["present", "leg__party"]
    list_select_related = ["conference", "leg__agent"]
    search_fields = ["conference__name", "=conference__id", "leg__call_leg_id__exact"]
    ordering = ["-pk"]
    exclude = ["facts", "whisper_call_control_ids", "joined_at", "left_at"]
    readonly_fields = ["joined", "left"]

    @admin.display(description=_("party"), ordering="leg__party")
    def party(self, participant: Participant) -> str:
        return participant.leg.get_party_display()

    @admin.display(description=_("agent"))
    def agent(self, participant: Participant) -> Agent | str:
        return participant.leg.agent or ""

    @admin.display(description=_("address"))
    def address(self, participant: Participant) -> str:
        return outside_address(participant.leg)

    @admin.display(description=_("conference"))
    def where(self, participant: Participant) -> str:
        return conference_name(participant.conference)


@admin.register(Leg)
class LegAdmin(ReadOnlyAdmin):
    change_list_template = "admin/conferences/directory/change_list.html"
    started = to_the_second("started_at", _("started"))
    answered = to_the_second("answered_at", _("answered"))
    hung_up = to_the_second("hung_up_at", _("hung up"))
    readonly_fields = ["started", "answered", "hung_up"]
    list_display = ["address", "whose", "make_agents", "conference", "connection", "direction", "started"]
    list_filter = [WhoseFilter, TeamOfLegFilter, "started_at"]
    list_select_related = ["agent"]
    search_fields = ["agent__name", "call_leg_id__exact", "call_control_id__exact", "call_session_id__exact"]
    ordering = ["-started_at"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LegChangeList]:
        return LegChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        nobody = not request.GET.get("whose") and not request.GET.get("q")
        title = {"title": _("Unrecognised callers")} if nobody else {}
        response: HttpResponse = super().changelist_view(request, title | (extra_context or {}))
        return response

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        addresses = ["from_address", "to_address", "caller_name"]
        rows = ["party", "agent", "evidence", "direction", *addresses, "started", "answered", "hung_up"]
        return [*rows, "hangup_cause", "queue", "connection_id", "call_leg_id", "call_session_id", "account"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.existing_agent)
        return [path("<uuid:leg_id>/agent/", view, name="conferences_leg_agent"), *super().get_urls()]

    def existing_agent(self, request: HttpRequest, leg_id: UUID) -> HttpResponse:
        """Write a leg's mark on an agent who has none of its kind yet."""
        if not request.user.has_perms(["conferences.view_leg", "conferences.change_agent"]):
            raise PermissionDenied
        leg = get_object_or_404(Leg, pk=leg_id)
        mark = mark_of(leg)
        if mark is None:
            self.message_user(request, _("Nothing on this call leg can identify an agent."), messages.WARNING)
            return redirect("admin:conferences_leg_changelist")
        form = ExistingAgentForm(request.POST or None, mark=mark)
        if form.is_valid():
            self._give(request, form.cleaned_data["agent"], field=mark.field)
            return redirect("admin:conferences_leg_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Whose call leg is this?"),
            "opts": self.opts,
            "leg": leg,
            "address": far_end(leg),
            "field": field_in_words(mark.field),
            "form": form,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/conferences/leg/existing_agent.html", context)

    @transaction.atomic
    def _give(self, request: HttpRequest, agent: Agent, *, field: str) -> None:
        agent.save(update_fields=[field])
        self.log_change(request, agent, [{"changed": {"fields": [field_in_words(field)]}}])
        transaction.on_commit(recognise_everywhere)
        self.message_user(
            request, _("This call leg is now recognised as %(name)s.") % {"name": agent.name}, messages.SUCCESS
        )

    @admin.display(description=_("address"))
    def address(self, leg: Leg) -> str:
        return far_end(leg) or str(_("(not told)"))

    @admin.display(description=_("connection"))
    def connection(self, leg: Any) -> str:
        return str(leg.around.connection)

    @admin.display(description=_("conference"))
    def conference(self, leg: Any) -> str:
        return conference_name(leg.around.conference) if leg.around.conference else ""

    @admin.display(description=_("whose"))
    def whose(self, leg: Leg) -> str:
        return leg.agent.name if leg.agent else leg.get_party_display()

    @admin.display(description=_("make it an agent's"))
    def make_agents(self, leg: Any) -> Any:
        if leg.party != Leg.Party.UNKNOWN:
            return ""
        ways = self._ways(leg)
        return format_html("{}<br>{}", ways, leg.around.unread) if leg.around.unread else ways

    def _ways(self, leg: Any) -> Any:
        """Return the links by which an admin can say whose an unrecognised leg is."""
        if leg.around.mark:
            return format_html(
                '<a class="button" href="{}?leg={}">{}</a> <a href="{}">{}</a>',
                reverse("admin:conferences_agent_add"),
                leg.pk,
                _("New agent"),
                reverse("admin:conferences_leg_agent", args=[leg.pk]),
                _("Existing agent"),
            )
        if leg.around.connection_unassigned:
            link = reverse("admin:conferences_connection_changelist")
            return format_html(
                '<a href="{}?q={}">{}</a>', link, leg.connection_id, _("Give its phone application a role")
            )
        return _("nothing on it identifies an agent")


def outside_address(leg: Leg) -> str:
    """Return the far end of a leg; nothing for an agent, whose own phone may have dialled that far end."""
    return "" if leg.agent_id else far_end(leg)


def far_end(leg: Leg) -> str:
    """Return the address of whoever is on this leg: a credential's name, or a masked number."""
    sip = sip_address(leg.far_end)
    return masked_within(sip.user if sip and sip.at_telnyx else leg.far_end)
