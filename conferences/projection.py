"""Events and listings → rows: load the registers concerned, merge, derive the columns, write back in bulk.

The only module that writes conferences, legs and participants. It runs inside the caller's transaction, after
changes.turn() has taken the version lock, so two writers never merge the same registers at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from .models import Account, Conference, Connection, Leg, Participant
from .observations import Observation
from .recognition import directory_for, marks_of, note_connections, recognise
from .registers import Facts, merge, moment, text, turns, value
from .rows import load_rows, load_values, save_rows, set_columns

# A listing is older than the moment it arrives; only one clearly newer than a departure contradicts it.
LISTING_MARGIN = timedelta(seconds=2)

IDENTITY = frozenset(
    {
        "from", "to", "direction", "connection_id", "client_state",
        "from_sip_uri", "to_sip_uri", "headers", "calling_party_type",
    }
)  # fmt: skip


# What of a row can be seen somewhere; a change of anything else (a later stamp on the same value) is only stored.
CONFERENCE_SHOWN = attrgetter(
    "name", "connection_id", "team_id", "started_at", "ended_at", "end_reason", "speaker_call_control_id",
    "speaker_since", "talk",
)  # fmt: skip
LEG_SHOWN = attrgetter(
    "connection_id", "direction", "from_address", "to_address", "caller_name", "started_at", "answered_at",
    "hung_up_at", "hangup_cause", "queue", "enqueued_at", "dequeued_at", "phone_held_since", "party", "evidence",
    "agent_id",
)  # fmt: skip
PARTICIPANT_SHOWN = attrgetter("present", "joined_at", "left_at")


@dataclass(slots=True)
class Floor:
    """The rows that a batch of observations concerns, and which of them it changed."""

    account: Account
    conferences: dict[str, Conference] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)
    participants: dict[tuple[str, str], Participant] = field(default_factory=dict)
    changed_conferences: set[str] = field(default_factory=set)
    changed_legs: set[str] = field(default_factory=set)
    changed_participants: set[tuple[str, str]] = field(default_factory=set)
    new_identities: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Shown:
    """The rows whose change can be seen, and those that have just come to their end."""

    conferences: list[Conference] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    participants: list[Participant] = field(default_factory=list)
    ended: list[Conference] = field(default_factory=list)
    hung_up: list[Leg] = field(default_factory=list)


def project(*, account: Account, observations: Iterable[Observation], version: int) -> bool:
    """Put observations on the board under a turn's version; say whether anything can be seen to have changed."""
    seen = [observation for observation in observations if observation.understood]
    if not seen:
        return False
    floor = _load(account=account, seen=seen)
    for observation in seen:
        _merge(floor, observation)
    shown = _derive(floor)
    _save(floor, shown, version=version)
    return bool(shown.conferences or shown.legs or shown.participants)


def touch(*, conferences: Iterable[Any], version: int) -> None:
    """Mark conferences as changed, so that every stream sends them again."""
    set_columns(Conference, {"version": version}, id=list(conferences))


def _load(*, account: Account, seen: list[Observation]) -> Floor:
    floor = Floor(account=account)
    conference_ids = {observation.conference_id for observation in seen if observation.conference}
    leg_ids = {observation.call_control_id for observation in seen if observation.leg}
    if conference_ids:
        for conference in load_rows(Conference, account_id=account.pk, telnyx_id=conference_ids):
            floor.conferences[conference.telnyx_id] = conference
    if leg_ids:
        for leg in load_rows(Leg, account_id=account.pk, call_control_id=leg_ids):
            floor.legs[leg.call_control_id] = leg
    if floor.conferences and floor.legs and any(observation.presence for observation in seen):
        by_conference = {conference.pk: conference.telnyx_id for conference in floor.conferences.values()}
        by_leg = {leg.pk: leg.call_control_id for leg in floor.legs.values()}
        # Both sides bounded by the batch; pairs that the batch does not name are few and harmless.
        for participant in load_rows(
            Participant, account_id=account.pk, conference_id=list(by_conference), leg_id=list(by_leg)
        ):
            key = (by_conference[participant.conference_id], by_leg[participant.leg_id])
            floor.participants[key] = participant
    return floor


def _merge(floor: Floor, observation: Observation) -> None:
    conference_id, call_control_id = observation.conference_id, observation.call_control_id
    if conference_id and observation.conference:
        conference = floor.conferences.get(conference_id)
        if conference is None:
            conference = Conference(account=floor.account, telnyx_id=conference_id, region=floor.account.region)
            floor.conferences[conference_id] = conference
        if merge(conference.facts, observation.conference):
            floor.changed_conferences.add(conference_id)
    if call_control_id and observation.leg:
        leg = floor.legs.get(call_control_id)
        if leg is None:
            leg = Leg(account=floor.account, call_control_id=call_control_id)
            floor.legs[call_control_id] = leg
            floor.new_identities.add(call_control_id)
        identity = {key: value(leg.facts, key) for key in IDENTITY}
        if merge(leg.facts, observation.leg):
            floor.changed_legs.add(call_control_id)
            if any(value(leg.facts, key) != known for key, known in identity.items()):
                floor.new_identities.add(call_control_id)
    if observation.presence:
        key = (conference_id, call_control_id)
        participant = floor.participants.get(key)
        if participant is None:
            participant = Participant(
                account=floor.account, conference=floor.conferences[conference_id], leg=floor.legs[call_control_id]
            )
            floor.participants[key] = participant
        if merge(participant.facts, observation.presence):
            floor.changed_participants.add(key)


def _recognise(floor: Floor) -> None:
    """Decide who the legs are whose identity changed, with a constant number of queries."""
    if not floor.new_identities:
        return
    marks = {key: marks_of(key, floor.legs[key].facts) for key in floor.new_identities}
    directory = directory_for(floor.account, marks.values())
    note_connections(floor.account, (mark.connection_id for mark in marks.values()), directory)
    for key, mark in marks.items():
        found = recognise(mark, directory)
        leg = floor.legs[key]
        leg.party, leg.agent_id, leg.evidence = found.party, found.agent_id, found.evidence


def _derive(floor: Floor) -> Shown:
    shown = Shown()
    before_legs = {key: LEG_SHOWN(floor.legs[key]) for key in floor.changed_legs}
    _recognise(floor)
    _derive_conferences(floor, shown)
    for key in floor.changed_legs:
        leg = floor.legs[key]
        lived = leg.hung_up_at is None
        derive_leg(leg)
        if LEG_SHOWN(leg) != before_legs[key]:
            shown.legs.append(leg)
        if lived and leg.hung_up_at is not None:
            shown.hung_up.append(leg)
    for conference_id, call_control_id in floor.changed_participants:
        participant = floor.participants[conference_id, call_control_id]
        before = PARTICIPANT_SHOWN(participant)
        derive_participant(participant, conference=floor.conferences[conference_id], leg=floor.legs[call_control_id])
        if PARTICIPANT_SHOWN(participant) != before:
            shown.participants.append(participant)
    return shown


def _derive_conferences(floor: Floor, shown: Shown) -> None:
    changed = [floor.conferences[key] for key in floor.changed_conferences]
    moved = [row for row in changed if row.connection_id != text(row.facts, "connection_id")]
    teams = _teams(floor.account, {text(conference.facts, "connection_id") for conference in moved} - {""})
    for conference in changed:
        before, lived = CONFERENCE_SHOWN(conference), conference.ended_at is None
        derive_conference(conference, teams=teams)
        if CONFERENCE_SHOWN(conference) != before:
            shown.conferences.append(conference)
        if lived and conference.ended_at is not None:
            shown.ended.append(conference)


def _teams(account: Account, connection_ids: set[str]) -> Mapping[str, int | None]:
    if not connection_ids:
        return {}
    known = load_rows(Connection, account_id=account.pk, connection_id=connection_ids)
    return {connection.connection_id: connection.team_id for connection in known}


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
    beginnings = turns(facts)
    conference.speaker_since = _since(beginnings)
    conference.talk = _talk(beginnings)


def _since(beginnings: list[tuple[int, str]]) -> datetime | None:
    """Return since when the newest speaker speaks: whoever is named once more has not changed."""
    since = None
    for begun, leg in reversed(beginnings):
        if leg != beginnings[-1][1]:
            break
        since = datetime.fromtimestamp(begun / 1000, UTC)
    return since


def _talk(beginnings: list[tuple[int, str]]) -> dict[str, float]:
    """Return the seconds of each leg's turns that are over: a turn lasts until the next one begins."""
    seconds: dict[str, float] = {}
    for (begun, leg), (over, _next) in itertools.pairwise(beginnings):
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


def derive_participant(participant: Participant, *, conference: Conference, leg: Leg) -> None:
    """Set a stay's columns: present while the newest evidence says so and neither side has ended."""
    facts: Facts = participant.facts
    word, at = text(facts, "presence"), moment(facts, "presence")
    participant.joined_at = moment(facts, "joined") or moment(facts, "listed")
    participant.left_at = at if word == "left" else None
    present = word == "joined"
    listed, gone = participant.listed_at, participant.gone_at
    if listed is not None and (at is None or listed > at + LISTING_MARGIN):
        present = True
        participant.left_at = None
    if gone is not None and (at is None or gone > at) and (listed is None or gone > listed):
        present = False
        participant.left_at = gone
    participant.present = present and conference.ended_at is None and leg.hung_up_at is None


def _save(floor: Floor, shown: Shown, *, version: int) -> None:
    for conference in shown.conferences:
        conference.version = version
    save_rows(Conference, [floor.conferences[key] for key in floor.changed_conferences])
    save_rows(Leg, [floor.legs[key] for key in floor.changed_legs])
    save_rows(Participant, [floor.participants[key] for key in floor.changed_participants])
    clear_presence(conferences=shown.ended, legs=shown.hung_up)
    concerned = {participant.conference_id for participant in shown.participants} | conferences_of(shown.legs)
    concerned -= {conference.pk for conference in shown.conferences}
    if concerned:
        touch(conferences=concerned, version=version)


def clear_presence(*, conferences: Iterable[Conference], legs: Iterable[Leg]) -> None:
    """Take out everyone who was in a conference that has ended, and every leg that hung up."""
    ended = [conference.pk for conference in conferences]
    hung_up = [leg.pk for leg in legs]
    if ended:
        set_columns(Participant, {"present": False}, conference_id=ended, present=True)
    if hung_up:
        set_columns(Participant, {"present": False}, leg_id=hung_up, present=True)


def conferences_of(legs: Iterable[Leg]) -> set[Any]:
    """Return the conferences in which these legs are or were."""
    pks = [leg.pk for leg in legs]
    return set(load_values(Participant, "conference_id", leg_id=pks)) if pks else set()
