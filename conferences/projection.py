"""Events and listings → rows: load the registers concerned, merge, derive the columns, write back in bulk.

The only module that writes conferences, legs and participants. It runs inside the caller's transaction, after
changes.advance() has taken the version lock, so two writers never merge the same registers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import models

from .models import Account, Conference, Connection, Leg, Participant
from .observations import Observation
from .recognition import directory_for, marks_of, note_connections, recognise
from .registers import Facts, merge, moment, text, value

# A listing is older than the moment it arrives; only one clearly newer than a departure contradicts it.
LISTING_MARGIN = timedelta(seconds=2)

IDENTITY = frozenset(
    {
        "from", "to", "direction", "connection_id", "client_state",
        "from_sip_uri", "to_sip_uri", "headers", "calling_party_type",
    }
)  # fmt: skip


@dataclass
class Floor:
    """The rows that a batch of observations concerns, and which of them it changed."""

    account: Account
    now: datetime
    conferences: dict[str, Conference] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)
    participants: dict[tuple[str, str], Participant] = field(default_factory=dict)
    changed_conferences: set[str] = field(default_factory=set)
    changed_legs: set[str] = field(default_factory=set)
    changed_participants: set[tuple[str, str]] = field(default_factory=set)
    new_identities: set[str] = field(default_factory=set)


def project(*, account: Account, observations: Iterable[Observation], version: int, now: datetime) -> None:
    """Put observations on the board under a version taken in this transaction."""
    seen = [observation for observation in observations if observation.understood]
    if not seen:
        return
    floor = _load(account=account, seen=seen, now=now)
    for observation in seen:
        _merge(floor, observation)
    _recognise(floor)
    _derive(floor)
    _save(floor, version=version)


def touch(*, conferences: Iterable[Any], version: int) -> None:
    """Mark conferences as changed, so that every stream sends them again."""
    Conference.objects.filter(pk__in=list(conferences)).update(version=version)


def _load(*, account: Account, seen: list[Observation], now: datetime) -> Floor:
    floor = Floor(account=account, now=now)
    conference_ids = {observation.conference_id for observation in seen} - {""}
    leg_ids = {observation.call_control_id for observation in seen} - {""}
    for conference in Conference.objects.filter(account=account, telnyx_id__in=conference_ids):
        floor.conferences[conference.telnyx_id] = conference
    for leg in Leg.objects.filter(account=account, call_control_id__in=leg_ids):
        floor.legs[leg.call_control_id] = leg
    if floor.conferences and floor.legs:
        by_conference = {conference.pk: conference.telnyx_id for conference in floor.conferences.values()}
        by_leg = {leg.pk: leg.call_control_id for leg in floor.legs.values()}
        # Both sides bounded by the batch; pairs that the batch does not name are few and harmless.
        for participant in Participant.objects.filter(conference__in=by_conference, leg__in=by_leg):
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
        floor.changed_legs.add(key)


def _derive(floor: Floor) -> None:
    _derive_conferences(floor)
    for key in floor.changed_legs:
        derive_leg(floor.legs[key])
    for conference_id, call_control_id in floor.changed_participants:
        derive_participant(
            floor.participants[conference_id, call_control_id],
            conference=floor.conferences[conference_id],
            leg=floor.legs[call_control_id],
        )


def _derive_conferences(floor: Floor) -> None:
    changed = [floor.conferences[key] for key in floor.changed_conferences]
    wanted = {text(conference.facts, "connection_id") for conference in changed} - {""}
    teams: dict[str, int | None] = dict(
        Connection.objects.filter(account=floor.account, connection_id__in=wanted).values_list("connection_id", "team")
    )
    for conference in changed:
        derive_conference(conference, teams=teams)


def derive_conference(conference: Conference, *, teams: Mapping[str, int | None]) -> None:
    """Set a conference's columns from its registers."""
    facts: Facts = conference.facts
    conference.name = text(facts, "name")
    conference.connection_id = text(facts, "connection_id")
    conference.team_id = teams.get(conference.connection_id)
    conference.started_at = moment(facts, "created") or moment(facts, "seen")
    conference.ended_at = moment(facts, "ended")
    conference.end_reason = text(facts, "ended")
    conference.speaker_call_control_id = text(facts, "speaker")
    conference.speaker_since = moment(facts, "speaker")


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
    participant.joined_at = moment(facts, "joined") or participant.listed_at
    participant.left_at = at if word == "left" else None
    present = word == "joined"
    listed, gone = participant.listed_at, participant.gone_at
    if listed is not None and (at is None or listed > at + LISTING_MARGIN):
        present = True
    if gone is not None and (at is None or gone > at) and (listed is None or gone > listed):
        present = False
        participant.left_at = gone
    participant.present = present and conference.ended_at is None and leg.hung_up_at is None


def _save(floor: Floor, *, version: int) -> None:
    conferences = [floor.conferences[key] for key in floor.changed_conferences]
    legs = [floor.legs[key] for key in floor.changed_legs]
    for conference in conferences:
        conference.version = version
    save_rows(Conference, conferences)
    save_rows(Leg, legs)
    save_rows(Participant, [floor.participants[key] for key in floor.changed_participants])
    clear_presence(conferences=conferences, legs=legs)
    touched = {conference_id for conference_id, _ in floor.changed_participants} - floor.changed_conferences
    concerned = {floor.conferences[key].pk for key in touched}
    concerned |= conferences_of(legs)
    if concerned:
        touch(conferences=concerned, version=version)


def clear_presence(*, conferences: Iterable[Conference], legs: Iterable[Leg]) -> None:
    """Take out everyone who was in an ended conference, and every leg that hung up."""
    ended = [conference.pk for conference in conferences if conference.ended_at is not None]
    hung_up = [leg.pk for leg in legs if leg.hung_up_at is not None]
    if ended:
        Participant.objects.filter(conference__in=ended, present=True).update(present=False)
    if hung_up:
        Participant.objects.filter(leg__in=hung_up, present=True).update(present=False)


def conferences_of(legs: Iterable[Leg]) -> set[Any]:
    """Return the conferences in which these legs are or were."""
    pks = [leg.pk for leg in legs]
    return set(Participant.objects.filter(leg__in=pks).values_list("conference_id", flat=True)) if pks else set()


def save_rows(model: type[models.Model], rows: list[Any]) -> None:
    """Insert or overwrite rows in one statement per few hundred."""
    if rows:
        columns = [field.name for field in model._meta.concrete_fields if not field.primary_key]
        model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=["pk"], update_fields=columns)
