"""Projects events and listings: loads the registers, merges, derives the columns, writes in bulk.

It runs inside the caller's transaction, after a board change or hold has taken the version lock, so two writers never
merge the same registers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conferences.fast_sql import load_rows, load_values, save_rows, set_columns
from conferences.models import Account, Conference, Connection, Leg, Participant
from conferences.recognition import LegMarks, directory_for, far_ends, marks_of, note_connections, recognise
from conferences.team_rules import settle

from .columns import (
    CONFERENCE_SHOWN,
    LEG_RULED,
    LEG_SHOWN,
    PARTICIPANT_SHOWN,
    derive_conference,
    derive_leg,
    derive_participant,
)
from .observations import Observation
from .registers import Facts, merge, text, value

IDENTITY = frozenset(
    {
        "from", "to", "direction", "connection_id", "call_session_id", "client_state",
        "from_sip_uri", "to_sip_uri", "headers", "calling_party_type",
    }
)  # fmt: skip


@dataclass(slots=True)
class Batch:
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
    renamed: list[Conference] = field(default_factory=list)
    """Those of which a rule may now say something else."""
    legs_moved: bool = False
    """Whether rules may, because of a leg."""


def project(*, account: Account, observations: Iterable[Observation], version: int) -> bool:
    """Put observations on the board under a change's version; return whether anything visible has changed."""
    seen = [observation for observation in observations if observation.understood]
    if not seen:
        return False
    batch = _load(account=account, seen=seen)
    for observation in seen:
        _merge(batch, observation, version=version)
    shown = _derive(batch)
    settled = _save(batch, shown, version=version)
    return bool(settled or shown.conferences or shown.legs or shown.participants)


def _load(*, account: Account, seen: list[Observation]) -> Batch:
    batch = Batch(account=account)
    conference_ids = {observation.conference_id for observation in seen if observation.conference}
    leg_ids = {observation.call_control_id for observation in seen if observation.leg}
    if conference_ids:
        for conference in load_rows(Conference, account_id=account.pk, telnyx_id=conference_ids):
            batch.conferences[conference.telnyx_id] = conference
    if leg_ids:
        for leg in load_rows(Leg, account_id=account.pk, call_control_id=leg_ids):
            batch.legs[leg.call_control_id] = leg
    if batch.conferences and batch.legs and any(observation.presence for observation in seen):
        by_conference = {conference.pk: conference.telnyx_id for conference in batch.conferences.values()}
        by_leg = {leg.pk: leg.call_control_id for leg in batch.legs.values()}
        # Both sides bounded by the batch; pairs that the batch does not name are few and harmless.
        for participant in load_rows(
            Participant, account_id=account.pk, conference_id=list(by_conference), leg_id=list(by_leg)
        ):
            key = (by_conference[participant.conference_id], by_leg[participant.leg_id])
            batch.participants[key] = participant
    return batch


def _merge(batch: Batch, observation: Observation, *, version: int) -> None:
    conference_id, call_control_id = observation.conference_id, observation.call_control_id
    if conference_id and observation.conference:
        conference = batch.conferences.get(conference_id)
        if conference is None:
            conference = Conference(account=batch.account, telnyx_id=conference_id, region=batch.account.region)
            batch.conferences[conference_id] = conference
        if merge(conference.facts, observation.conference):
            batch.changed_conferences.add(conference_id)
    if call_control_id and observation.leg:
        leg = batch.legs.get(call_control_id)
        if leg is None:
            leg = Leg(account=batch.account, call_control_id=call_control_id)
            batch.legs[call_control_id] = leg
            batch.new_identities.add(call_control_id)
        identity = {key: value(leg.facts, key) for key in IDENTITY}
        if merge(leg.facts, observation.leg):
            batch.changed_legs.add(call_control_id)
            if any(value(leg.facts, key) != known for key, known in identity.items()):
                batch.new_identities.add(call_control_id)
    if observation.presence:
        key = (conference_id, call_control_id)
        participant = batch.participants.get(key)
        if participant is None:
            participant = Participant(
                account=batch.account, conference=batch.conferences[conference_id], leg=batch.legs[call_control_id]
            )
            participant.came_in = version
            batch.participants[key] = participant
        known = dict(participant.facts)
        if merge(participant.facts, observation.presence):
            batch.changed_participants.add(key)
            if participant.facts.get("joined") != known.get("joined"):
                _note_join(participant, known, version=version)


def _note_join(participant: Participant, known: Facts, *, version: int) -> None:
    """Note that somebody joined, and whether it was not for the first time."""
    participant.missing_since = None  # readings from before the join say nothing about it
    if "joined" in known or text(known, "presence") == "left":
        participant.came_in = version
        # The next reading shows new ones, which then are no news.
        participant.telnyx_id, participant.telnyx_created_at = "", None


def _recognise(batch: Batch, marks: Mapping[str, LegMarks]) -> None:
    """Decide whose these legs are, with a constant number of queries."""
    if not marks:
        return
    directory = directory_for(batch.account, marks.values())
    note_connections(batch.account, (mark.connection_id for mark in marks.values()), directory)
    for key, mark in marks.items():
        found = recognise(mark, directory)
        leg = batch.legs[key]
        known = leg.party, leg.agent_id, leg.evidence
        leg.party, leg.agent_id, leg.evidence = found.party, found.agent_id, found.evidence
        if known != (leg.party, leg.agent_id, leg.evidence):
            batch.changed_legs.add(key)


def _marks(batch: Batch) -> dict[str, LegMarks]:
    """Return the marks of the legs whose identity changed, and of stored legs whose callers this batch proves.

    The two ends of a call may come in any order.
    """
    marks = {key: marks_of(key, batch.legs[key].facts) for key in batch.new_identities}
    for leg in far_ends(batch.account, marks.values()):
        if (key := leg.call_control_id) not in marks:
            marks[key] = marks_of(key, batch.legs.setdefault(key, leg).facts)
    return marks


def _derive(batch: Batch) -> Shown:
    shown = Shown()
    marks = _marks(batch)
    before_legs = {key: LEG_SHOWN(batch.legs[key]) for key in batch.changed_legs | marks.keys()}
    ruled = {key: LEG_RULED(batch.legs[key]) for key in before_legs}
    _recognise(batch, marks)
    _derive_conferences(batch, shown)
    for key in batch.changed_legs:
        leg = batch.legs[key]
        lived = leg.hung_up_at is None
        derive_leg(leg)
        if LEG_SHOWN(leg) != before_legs[key]:
            shown.legs.append(leg)
            shown.legs_moved |= LEG_RULED(leg) != ruled[key]
        if lived and leg.hung_up_at is not None:
            shown.hung_up.append(leg)
    for conference_id, call_control_id in batch.changed_participants:
        participant = batch.participants[conference_id, call_control_id]
        before = PARTICIPANT_SHOWN(participant)
        conference, leg = batch.conferences[conference_id], batch.legs[call_control_id]
        derive_participant(participant, conference=conference, leg=leg, account=batch.account)
        if PARTICIPANT_SHOWN(participant) != before:
            shown.participants.append(participant)
            shown.legs_moved |= participant._state.adding
    return shown


def _derive_conferences(batch: Batch, shown: Shown) -> None:
    changed = [batch.conferences[key] for key in batch.changed_conferences]
    moved = [row for row in changed if row.connection_id != text(row.facts, "connection_id")]
    teams = _teams(batch.account, {text(conference.facts, "connection_id") for conference in moved} - {""})
    for conference in changed:
        before, lived = CONFERENCE_SHOWN(conference), conference.ended_at is None
        ruled = (conference.name, conference.connection_id)
        derive_conference(conference, teams=teams)
        if conference.rule_id is None or ruled != (conference.name, conference.connection_id):
            shown.renamed.append(conference)
        if CONFERENCE_SHOWN(conference) != before:
            shown.conferences.append(conference)
        if lived and conference.ended_at is not None:
            shown.ended.append(conference)


def _teams(account: Account, connection_ids: set[str]) -> Mapping[str, int | None]:
    if not connection_ids:
        return {}
    known = load_rows(Connection, account_id=account.pk, connection_id=connection_ids)
    return {connection.connection_id: connection.team_id for connection in known}


def _save(batch: Batch, shown: Shown, *, version: int) -> bool:
    """Write what has changed; return whether a rule now gives one of the conferences to somebody else."""
    for conference in shown.conferences:
        conference.version = version
    save_rows(Conference, [batch.conferences[key] for key in batch.changed_conferences])
    save_rows(Leg, [batch.legs[key] for key in batch.changed_legs])
    save_rows(Participant, [batch.participants[key] for key in batch.changed_participants])
    clear_presence(conferences=shown.ended, legs=shown.hung_up)
    of_legs = {participant.conference_id for participant in shown.participants} | conferences_of(shown.legs)
    concerned = of_legs - {conference.pk for conference in shown.conferences}
    if concerned:
        set_columns(Conference, {"version": version}, id=list(concerned))
    if not (shown.renamed or (shown.legs_moved and of_legs)):
        return False
    return settle(shown.renamed, legs_moved=of_legs if shown.legs_moved else (), version=version)


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
