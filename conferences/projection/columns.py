"""Derives the columns of conferences, legs and participants from their registers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter

from conferences.models import Account, Conference, Leg, Participant

from .registers import Facts, moment, speaking_turns, text, value

# A listing is older than the moment it arrives; only one clearly newer than a departure contradicts it.
LISTING_MARGIN = timedelta(seconds=2)

# The columns that can be seen somewhere; a change of any other (a later stamp on the same value) is only stored.
CONFERENCE_SHOWN = attrgetter(
    "name", "connection_id", "team_id", "started_at", "ended_at", "end_reason", "speaker_call_control_id",
    "speaker_since", "talk",
)  # fmt: skip
LEG_SHOWN = attrgetter(
    "connection_id", "direction", "from_address", "to_address", "caller_name", "started_at", "answered_at",
    "hung_up_at", "hangup_cause", "queue", "enqueued_at", "dequeued_at", "phone_held_since", "party", "evidence",
    "agent_id",
)  # fmt: skip
# The rules that say whose a call is look at these (conferences.team_rules).
LEG_RULED = attrgetter("connection_id", "direction", "to_address", "queue", "party")
PARTICIPANT_SHOWN = attrgetter("present", "joined_at", "left_at")


def derive_conference(conference: Conference, *, teams: Mapping[str, int | None]) -> None:
    """Set a conference's columns from its registers; `teams` are those of connections that are new to it."""
    facts: Facts = conference.facts
    conference.name = text(facts, "name")
    connection_id = text(facts, "connection_id")
    if conference.connection_id != connection_id:  # later an admin may give the connection another team
        conference.connection_id, conference.team_id = connection_id, teams.get(connection_id)
    conference.started_at = moment(facts, "created") or moment(facts, "seen")
    conference.ended_at = moment(facts, "ended")
    conference.end_reason = text(facts, "ended")
    conference.speaker_call_control_id = text(facts, "speaker")
    beginnings = speaking_turns(facts)
    conference.speaker_since = _since(beginnings)
    conference.talk = _talk(beginnings)


def _since(beginnings: list[tuple[int, str]]) -> datetime | None:
    """Return since when the newest speaker speaks; being named again does not begin a new turn."""
    since = None
    for begun, leg in reversed(beginnings):
        if leg != beginnings[-1][1]:
            break
        since = datetime.fromtimestamp(begun / 1000, UTC)
    return since


def _talk(beginnings: list[tuple[int, str]]) -> dict[str, float]:
    """Return the seconds of each leg's turns that are over: a turn lasts until somebody else's begins."""
    seconds: dict[str, float] = {}
    # A speaker who is named again continues the same turn, which began at `speaker_since`.
    turns = [next(named) for _leg, named in itertools.groupby(beginnings, key=itemgetter(1))]
    for (begun, leg), (over, _next) in itertools.pairwise(turns):
        seconds[leg] = seconds.get(leg, 0) + (over - begun) / 1000
    return seconds


def derive_leg(leg: Leg) -> None:
    """Set a leg's columns from its registers; party and agent are recognition's."""
    facts: Facts = leg.facts
    leg.call_leg_id = text(facts, "call_leg_id")
    leg.call_session_id = text(facts, "call_session_id")
    leg.connection_id = text(facts, "connection_id")
    leg.direction = text(facts, "direction")
    leg.from_address = text(facts, "from")
    leg.to_address = text(facts, "to")
    leg.caller_name = text(facts, "caller_name")
    leg.started_at = moment(facts, "initiated") or moment(facts, "seen")
    leg.answered_at = moment(facts, "answered")
    leg.bridged_at = moment(facts, "bridged")
    leg.hung_up_at = moment(facts, "hungup")
    leg.hangup_cause = text(facts, "hungup")
    queue = value(facts, "queue")
    inside = isinstance(queue, dict) and queue.get("inside") is True
    leg.queue = str(queue.get("name", "")) if isinstance(queue, dict) else ""
    leg.enqueued_at = moment(facts, "queue") if inside else None
    leg.dequeued_at = None if inside else moment(facts, "queue")
    leg.phone_held_since = moment(facts, "phone_held") if value(facts, "phone_held") is True else None


def derive_participant(participant: Participant, *, conference: Conference, leg: Leg, account: Account) -> None:
    """Set a participant's columns: present while the newest evidence says so and neither side has ended.

    A reading has the time of our clock and a webhook that of Telnyx'; both are compared on Telnyx'.
    """
    facts: Facts = participant.facts
    word, at = text(facts, "presence"), moment(facts, "presence")
    participant.joined_at = moment(facts, "joined") or moment(facts, "listed")
    participant.left_at = at if word == "left" else None
    present = word == "joined"
    readings = (participant.listed_at, participant.gone_at)
    listed, gone = (None if seen is None else account.on_telnyx_clock(seen) for seen in readings)
    if listed is not None and (at is None or listed > at + LISTING_MARGIN):
        present = True
        participant.left_at = None
    if gone is not None and (at is None or gone > at) and (listed is None or gone > listed):
        present = False
        participant.left_at = participant.gone_at
    participant.present = present and conference.ended_at is None and leg.hung_up_at is None


def joined_on_our_clock(participant: Participant, *, account: Account) -> datetime | None:
    """Return when somebody joined, by our clock: a webhook tells it by Telnyx', a reading by ours."""
    told = moment(participant.facts, "joined")
    return participant.joined_at if told is None else account.on_our_clock(told)
