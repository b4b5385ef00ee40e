"""Shows unrecognised legs, and assigns one of them to an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.models import Account, Agent, Conference, Connection, Leg, Participant
from conferences.recognition import AgentMark, agent_mark, directory_for, is_cut, is_readable, marks_of, values_at


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Columns of the list that do not come from the leg's own row."""

    connection: str
    connection_unassigned: bool
    conference: Conference | None
    mark: AgentMark | None
    unread: str
    """Why its client_state tells nothing; empty where it tells something, or is not used."""


class LegChangeList(ChangeList):
    """Reads the surroundings of all legs of a page in a constant number of queries."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        legs: list[Any] = list(self.result_list)
        around = surroundings(legs)
        for leg in legs:
            leg.around = around[leg.pk]
        self.result_list = legs


def surroundings(legs: list[Leg]) -> dict[UUID, Surroundings]:
    """Return where each leg is, and what would make it an agent's."""
    participants = (
        Participant.objects.filter(leg__in=legs).select_related("conference").order_by("present", "joined_at")
    )
    conferences = {participant.leg_id: participant.conference for participant in participants}
    found: dict[UUID, Surroundings] = {}
    for account in Account.objects.defer("api_key").filter(pk__in={leg.account_id for leg in legs}):
        marks = {leg.pk: marks_of(leg.call_control_id, leg.facts) for leg in legs if leg.account_id == account.pk}
        directory = directory_for(account, marks.values())
        for pk, mark in marks.items():
            role = directory.role_of(mark.connection_id)
            found[pk] = Surroundings(
                connection=directory.name_of(mark.connection_id),
                connection_unassigned=bool(mark.connection_id) and role == Connection.Role.UNASSIGNED,
                conference=conferences.get(pk),
                mark=agent_mark(mark, directory),
                unread=_unread(mark.client_state, account.agent_path),
            )
    return found


def _unread(client_state: str, path: str) -> str:
    if not client_state or not path or values_at(client_state, path):
        return ""
    if is_cut(client_state):
        return _("its client_state is longer than 16 KiB")
    if not is_readable(client_state, path):
        return _("its client_state cannot be read: neither JSON nor Base64 of it")
    return _("its client_state has nothing at %(path)s") % {"path": path}


def mark_of(leg: Leg) -> AgentMark | None:
    """Return what to write on an agent so that this leg is theirs."""
    return surroundings([leg])[leg.pk].mark


def field_in_words(field: str) -> str:
    """Return what the screen calls a field of Agent."""
    return str(getattr(Agent, field).field.verbose_name)


def leg_in_question(request: HttpRequest) -> Leg | None:
    """Return the leg that ?leg= names, to those who may look at legs."""
    try:
        wanted = UUID(request.GET.get("leg", ""))
    except ValueError:
        return None
    if not request.user.has_perm("conferences.view_leg"):
        return None
    return Leg.objects.filter(pk=wanted).first()


MARKS = frozenset({"sip_username", "number", "reference"})
WITHOUT = "without"
"""The parameter by which a search for agents leaves out those who have a mark of some kind already."""


class AgentsWithout(AutocompleteSelect):
    """A choice of those agents alone who have no mark of a kind yet: a leg never overwrites one."""

    mark = ""

    def get_url(self) -> str:
        return f"{super().get_url()}?{WITHOUT}={self.mark}"


class ExistingAgentForm(forms.Form):
    """The agent whose leg it is."""

    agent = forms.ModelChoiceField(
        label=gettext_lazy("Agent"),
        queryset=Agent.objects.select_related("team"),
        widget=AgentsWithout(Leg._meta.get_field("agent"), admin.site),
    )

    def __init__(self, *args: Any, mark: AgentMark, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mark = mark
        self.fields["agent"].widget.mark = mark.field

    def clean_agent(self) -> Agent:
        agent: Agent = self.cleaned_data["agent"]
        if getattr(agent, self.mark.field):
            raise ValidationError(
                _("%(name)s already has another %(field)s. If it is no longer right, change it on the agent's page."),
                params={"name": agent.name, "field": field_in_words(self.mark.field)},
            )
        setattr(agent, self.mark.field, self.mark.value)
        agent.full_clean()
        return agent
