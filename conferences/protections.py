"""Finds what keeps everybody from listening to a conference: a protected agent, queue or number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from .fast_sql import load_rows
from .models import Leg, Participant, Protection
from .names import plain
from .patterns import matches, written_numbers

_SENTENCES: dict[str, Promise] = {
    Protection.Kind.AGENT: gettext_lazy("Nobody may listen to calls of this agent."),
    Protection.Kind.QUEUE: gettext_lazy("Nobody may listen to calls from this queue."),
    Protection.Kind.NUMBER: gettext_lazy("Nobody may listen to calls with this number."),
}


def why_protected(conference: UUID) -> str:
    """Return why nobody may listen to a conference, in the words of somebody who wants to; empty where one may.

    An agent protects a call while they are in it, a queue or a number as long as it lasts.
    """
    protections = load_rows(Protection)
    if not protections:
        return ""
    participants = load_rows(Participant, defer=("facts", "whisper_call_control_ids"), conference_id=conference)
    present = {participant.leg_id for participant in participants if participant.present}
    ids = [participant.leg_id for participant in participants]
    legs = load_rows(Leg, defer=("facts",), id=ids) if ids else []
    found = protecting(
        protections,
        legs=[leg for leg in legs if leg.party != Leg.Party.SUPERVISOR],
        agents={leg.agent_id for leg in legs if leg.pk in present and leg.agent_id is not None},
    )
    return in_words(found[0]) if found else ""


def why_agent_protected(agent: int) -> str:
    """Return why nobody may follow an agent; empty where one may."""
    found = load_rows(Protection, kind=Protection.Kind.AGENT, agent_id=agent)
    return in_words(found[0]) if found else ""


def protecting(protections: Iterable[Protection], *, legs: Sequence[Leg], agents: set[int]) -> list[Protection]:
    """Return which of these protect a call with these legs, in which these agents are."""
    queues = {leg.queue for leg in legs} - {""}
    numbers = frozenset[str]().union(
        *(written_numbers(address) for leg in legs for address in (leg.from_address, leg.to_address))
    )
    values: dict[str, Iterable[str]] = {Protection.Kind.QUEUE: queues, Protection.Kind.NUMBER: numbers}
    return [
        one
        for one in sorted(protections, key=lambda one: one.pk)
        if (
            one.agent_id in agents
            if one.kind == Protection.Kind.AGENT
            else any(matches(one.pattern, value) for value in values[one.kind])
        )
    ]


def in_words(protection: Protection) -> str:
    """Return what somebody is told who wants to listen."""
    return " ".join(sentences_of(protection)).strip()


def sentences_of(protection: Protection) -> tuple[str, str]:
    """Return what is protected, as a sentence of ours, and the reason in the words of who protected it."""
    return str(_SENTENCES[protection.kind]), plain(protection.reason, limit=150)
