"""Collects the unrecognised callers of the newest calls, each once, by what would make them an agent's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from conferences.models import Account, Agent, Leg
from conferences.recognition import AgentMark, agent_mark, directory_for, marks_of

NEWEST_LEGS = 5000
PER_READING = 500


@dataclass(slots=True)
class Caller:
    """A mark that no agent has, the number of calls with it, and when the newest of them began."""

    mark: AgentMark
    calls: int
    last_seen: datetime | None

    def row(self) -> list[str | int]:
        """Return a row of a file of agents, name and team empty."""
        marks = [self.mark.value if self.mark.field == one else "" for one in ("sip_username", "number", "reference")]
        seen = f"{timezone.localtime(self.last_seen):%Y-%m-%d %H:%M}" if self.last_seen else ""
        return ["", "", *marks, self.calls, seen]


def unrecognised_callers(*, with_numbers: bool) -> list[Caller]:
    """Return the callers among the newest unrecognised legs, the most frequent first."""
    found: dict[tuple[str, str], Caller] = {}
    known = {
        (field, value.casefold())
        for field in ("sip_username", "number", "reference")
        for value in Agent.objects.exclude(**{field: ""}).values_list(field, flat=True)
    }
    for leg, mark in _marked_legs():
        key = (mark.field, mark.value.casefold())
        if key in known or (mark.field == "number" and not with_numbers):
            continue
        caller = found.setdefault(key, Caller(mark, 0, leg.started_at))
        caller.calls += 1
    return sorted(found.values(), key=lambda caller: (-caller.calls, caller.mark.value))


def _marked_legs() -> Iterator[tuple[Leg, AgentMark]]:
    """Yield the newest unrecognised legs, newest first, with the mark of each; those without any are left out."""
    for account in Account.objects.defer("api_key").order_by("pk"):
        legs = Leg.objects.filter(account=account, party=Leg.Party.UNKNOWN).order_by("-started_at", "pk")[:NEWEST_LEGS]
        newest = list(legs)
        for place in range(0, len(newest), PER_READING):
            part = newest[place : place + PER_READING]
            marks = [marks_of(leg.call_control_id, leg.facts) for leg in part]
            directory = directory_for(account, marks)
            for leg, marks_of_leg in zip(part, marks, strict=True):
                if mark := agent_mark(marks_of_leg, directory):
                    yield leg, mark
