"""Checks and cleans an agent's marks as they are typed, and finds which of today's legs they match."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conferences.models import Account, Agent, Leg
from conferences.recognition import directory_for, marks_of, recognise
from conferences.telnyx.addresses import Kind, read_address

from .memberships import TeamOfForm

NEWEST_LEGS = 500


class AgentForm(TeamOfForm):
    """Takes a SIP name and a number however they are written; an agent without any mark would never be recognised."""

    class Meta:
        model = Agent
        fields = ("name", "team", "user", "sip_username", "number", "reference")

    def clean_sip_username(self) -> str:
        typed: str = self.cleaned_data["sip_username"].strip()
        if not typed:
            return ""
        address = read_address(typed)
        name = f"{address.user}@{address.host}" if address.host and not address.at_telnyx else address.user
        if not name or (address.kind is Kind.NUMBER and not address.host and typed.startswith("+")):
            raise ValidationError(_("This is not a SIP name. Write the part before the @, for example gencredAbc123."))
        others = Agent.objects.filter(sip_username__iexact=name).exclude(pk=self.instance.pk)
        if other := others.first():
            raise ValidationError(_("%(name)s has this SIP credential.") % {"name": other.name})
        return name

    def clean_number(self) -> str:
        typed: str = self.cleaned_data["number"].strip()
        address = read_address(typed)
        # The model refuses anything but an international number, and says how to write one.
        return address.number if address.international and address.number else typed

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        marks = ("sip_username", "number", "reference")
        if not any(cleaned.get(mark) for mark in marks) and not any(mark in self.errors for mark in marks):
            raise ValidationError(
                _("Give a SIP credential, a number or a reference. Floorline recognises the agent's calls by it.")
            )
        return cleaned


def todays_legs(agent: Agent, *, now: datetime) -> str:
    """Return in words which of today's newest legs an agent's marks match, those that hung up included."""
    start = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    matched: Counter[str] = Counter()
    newest: datetime | None = None
    for account in Account.objects.defer("api_key").order_by("pk"):
        legs = list(Leg.objects.filter(account=account, started_at__gte=start).order_by("-started_at")[:NEWEST_LEGS])
        marks = [marks_of(leg.call_control_id, leg.facts) for leg in legs]
        directory = replace(directory_for(account, marks), **_only(agent))
        for leg, mark in zip(legs, marks, strict=True):
            found = recognise(mark, directory)
            if found.agent_id == agent.pk:
                matched[found.evidence] += 1
                newest = max(filter(None, (newest, leg.started_at)), default=None)
    if newest is None:
        return _("None of today's call legs matches.")
    legs_in_words = ngettext(
        "%(count)d of today's call legs matches", "%(count)d of today's call legs match", matched.total()
    )
    return _("%(legs)s, the newest at %(time)s (%(evidence)s).") % {
        "legs": legs_in_words % {"count": matched.total()},
        "time": f"{timezone.localtime(newest):%H:%M}",
        "evidence": ", ".join(f"{evidence}: {count}" for evidence, count in matched.most_common()),
    }


def _only(agent: Agent) -> dict[str, Any]:
    """Return a directory that holds this agent alone."""
    sip, number, reference = agent.sip_username, agent.number, agent.reference
    return {
        "by_sip": {sip: agent.pk} if sip else {},
        "by_sip_in_any_case": {sip.lower(): agent.pk} if sip else {},
        "by_number": {number: agent.pk} if number else {},
        "by_reference": {reference: agent.pk} if reference else {},
    }
