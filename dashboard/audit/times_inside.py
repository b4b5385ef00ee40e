"""Reads the times in which an agent was inside calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from conferences.models import Agent, Participant, WebhookEvent
from conferences.projection.observations import PRESENCE
from conferences.projection.registers import moment

# A leg that leaves and comes back at once was not away for anybody who listened.
BLINK = timedelta(seconds=5)
Time = tuple[datetime, datetime | None]
"""A beginning and an end by our clock, None where it goes on."""
Move = tuple[datetime, bool]
"""A coming (True) or a going, by our clock."""


@dataclass(slots=True)
class Inside:
    """An agent in one call: with which legs, and when; overlapping times and short gaps are one."""

    legs: set[str] = field(default_factory=set)
    times: list[Time] = field(default_factory=list)

    def within(self, since: datetime, until: datetime | None) -> list[Time]:
        """Return the parts of something that lasted so long in which the agent was inside."""
        parts = []
        for came, left in self.times:
            begin = max(since, came)
            end = min(filter(None, (until, left)), default=None)
            if end is None or begin < end or since == until == begin:
                parts.append((begin, end))
        return parts


def times_inside(agent: Agent, conferences: Collection[UUID]) -> dict[UUID, Inside]:
    """Return when an agent was inside each of these calls.

    A participant's row knows its newest coming and going alone, so the stored webhooks are read for what was before.
    Once these are no longer kept, somebody who left and came back counts as inside in between.
    """
    found: dict[UUID, Inside] = defaultdict(Inside)
    rows = Participant.objects.filter(leg__agent=agent, conference__in=conferences)
    participants = list(rows.select_related("leg", "conference", "account"))
    moves = _moves(participants)
    for participant in participants:
        inside = found[participant.conference_id]
        inside.legs.add(str(participant.leg_id))
        inside.times += _times(participant, moves[participant.pk])
    for inside in found.values():
        inside.times = _united(inside.times)
    return dict(found)


def _moves(participants: Sequence[Participant]) -> dict[int, list[Move]]:
    """Return each participant's comings and goings that webhooks told and that are still stored, in their order."""
    by_call = {(one.conference.telnyx_id, one.leg.call_control_id): one for one in participants}
    told = WebhookEvent.objects.filter(
        conference_telnyx_id__in={telnyx_id for telnyx_id, _leg in by_call},
        call_control_id__in={leg for _telnyx_id, leg in by_call},
        event_type__in=PRESENCE,
    ).values_list("conference_telnyx_id", "call_control_id", "account_id", "event_type", "occurred_at")
    moves: dict[int, list[Move]] = defaultdict(list)
    for telnyx_id, leg, account, event_type, occurred_at in told.order_by("occurred_at"):
        participant = by_call.get((telnyx_id, leg))
        if participant is not None and participant.account_id == account:
            at = participant.account.on_our_clock(occurred_at)
            moves[participant.pk].append((at, PRESENCE[event_type][0] == "joined"))
    return moves


def _times(participant: Participant, moves: Sequence[Move]) -> list[Time]:
    times: list[Time] = []
    since = _first_sight(participant, moves)
    for at, came in moves:
        if came:
            since = at if since is None else since
        elif since is not None:
            times.append((since, at))
            since = None
    if since is None and participant.present:
        since = participant.listed_at  # it came back, and only a reading tells it
    if since is not None:
        times.append((since, None if participant.present else _last_sight(participant) or since))
    return times


def _first_sight(participant: Participant, moves: Sequence[Move]) -> datetime | None:
    """Return since when somebody was inside for the first time: the webhook of it may be lost."""
    joined = moment(participant.facts, "joined")
    came = moves[0][0] if moves and moves[0][1] else None
    if came is None and not moves:
        came = participant.account.on_our_clock(joined) if joined else participant.joined_at
    known = [at for at in (came, moment(participant.facts, "listed")) if at is not None]
    return min(known, default=participant.conference.started_at)


def _last_sight(participant: Participant) -> datetime | None:
    """Return until when somebody who is gone was inside, by what is known of their leg and the call."""
    by_webhook = [participant.leg.hung_up_at, participant.conference.ended_at]
    read = [participant.left_at] if participant.left_at == participant.gone_at else []  # by our clock
    by_webhook += [] if read else [participant.left_at]
    times = [participant.account.on_our_clock(at) for at in by_webhook if at is not None]
    return min([*times, *filter(None, read)], default=None)


def _united(times: Iterable[Time]) -> list[Time]:
    """Return the times in their order; what overlaps, or is hardly interrupted, is one."""
    united: list[Time] = []
    for since, until in sorted(times, key=lambda time: time[0]):
        last = united[-1][1] if united else since
        if not united or (last is not None and since > last + BLINK):
            united.append((since, until))
        elif last is not None and (until is None or until > last):
            united[-1] = (united[-1][0], until)
    return united
