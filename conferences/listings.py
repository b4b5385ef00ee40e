"""What Telnyx answers to a reading, as softer evidence beside the events.

A row that a listing names is there at once. A row it does not name is only missing: it goes after a second look at
least five seconds later, and only when Telnyx says that the call itself is dead (conferences.reconcile asks). A
participant that a listing names as having left has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from . import changes
from .models import Account, Conference, Leg, Participant
from .observations import Observation
from .projection import PARTICIPANT_SHOWN, derive_participant, project, touch
from .registers import READING, Facts, merge, stamp
from .rows import save_rows
from .telnyx.client import CallRead, ConferenceRead, ParticipantRead

SECOND_LOOK = timedelta(seconds=5)


def conference_facts(read: ConferenceRead, *, at: datetime) -> Facts:
    """Return what a reading says about a conference, as registers."""
    mark = stamp(occurred_at=at, event_id=READING)
    facts: Facts = {"seen": [mark, True]}
    if read.name:
        facts["name"] = [mark, read.name]
    if read.connection_id:
        facts["connection_id"] = [mark, read.connection_id]
    if read.created_at is not None:
        facts["created"] = [stamp(occurred_at=read.created_at, event_id=READING), True]
    if read.ended:
        facts["ended"] = [mark, read.end_reason]
    return facts


def note_conferences(*, account: Account, reads: list[ConferenceRead], at: datetime) -> None:
    """Put readings of conferences on the board; `at` is when the request was sent."""
    named = [read.id for read in reads if read.id]
    with changes.turn(now=at) as turn:
        known = Conference.objects.filter(account=account, telnyx_id__in=named)
        rows = known.values_list("telnyx_id", "name", "connection_id", "ended_at")
        says = {telnyx_id: (name, where, ended_at is not None) for telnyx_id, name, where, ended_at in rows}
        # What only repeats what is known is not even merged.
        observations = [
            Observation(conference_id=read.id, conference=conference_facts(read, at=at))
            for read in reads
            if read.id and says.get(read.id) != (read.name, read.connection_id, read.ended)
        ]
        turn.changed |= project(account=account, observations=observations, version=turn.version)
        known.exclude(read_at__gt=at).update(read_at=at, missing_since=None)


def note_missing(*, account: Account, named: Iterable[str], at: datetime) -> list[str]:
    """Note live conferences that a complete listing, asked for at `at`, does not name; return those missed twice."""
    with changes.turn(now=at):
        # What began after the request was sent cannot be in its answer.
        missing = Conference.objects.filter(account=account, ended_at=None, started_at__lt=at)
        missing = missing.exclude(telnyx_id__in=list(named))
        again = missing.filter(missing_since__lte=at - SECOND_LOOK)
        suspects = list(again.order_by("missing_since").values_list("telnyx_id", flat=True))
        missing.filter(missing_since=None).update(missing_since=at)
    return suspects


def end_conference(*, account: Account, telnyx_id: str, reason: str, at: datetime) -> None:
    """End a conference that Telnyx did not know at `at`, unless a later reading has named it."""
    facts: Facts = {"ended": [stamp(occurred_at=at, event_id=READING), reason]}
    observation = Observation(conference_id=telnyx_id, conference=facts)
    with changes.turn(now=at) as turn:
        if not Conference.objects.filter(account=account, telnyx_id=telnyx_id, read_at__gt=at).exists():
            turn.changed |= project(account=account, observations=[observation], version=turn.version)


def note_participants(*, conference: Conference, reads: list[ParticipantRead], at: datetime) -> list[str]:
    """Put a conference's participants on the board; return the call_control_ids missed for the second time."""
    with changes.turn(now=at) as turn:
        conference.refresh_from_db(fields=["ended_at", "participants_read_at"])
        if conference.participants_read_at is not None and conference.participants_read_at > at:
            return []  # supervision reads too; what was asked for later has already been noted
        turn.changed |= _note_new_legs(conference.account, reads, at=at, version=turn.version)
        stays = {stay.leg.call_control_id: stay for stay in conference.participants.select_related("leg")}
        before = {key: _shown(stay) for key, stay in stays.items()}
        _note_named(conference, reads, stays, at=at)
        suspects = _note_absent(conference, reads, stays, at=at)
        save_rows(Participant, list(stays.values()))
        Conference.objects.filter(pk=conference.pk).update(participants_read_at=at)
        if any(_shown(stay) != before.get(key) for key, stay in stays.items()):
            touch(conferences=[conference.pk], version=turn.version)
            turn.changed = True
    return suspects


def note_call(*, account: Account, read: CallRead, at: datetime) -> None:
    """Put what a call's reading says about its leg on the board; an empty client_state says that there is none."""
    facts: Facts = {"client_state": [stamp(occurred_at=at, event_id=READING), read.client_state]}
    observation = Observation(call_control_id=read.call_control_id, leg=facts)
    with changes.turn(now=at) as turn:
        turn.changed |= project(account=account, observations=[observation], version=turn.version)


def take_out(*, conference: Conference, call_control_ids: Iterable[str], at: datetime) -> None:
    """Take out participants whose calls were dead at `at`, though no event said so; a later reading knows better."""
    with changes.turn(now=at) as turn:
        conference.refresh_from_db(fields=["participants_read_at"])
        if conference.participants_read_at is not None and conference.participants_read_at > at:
            return
        found = Q(leg__call_control_id__in=list(call_control_ids), present=True)
        stays = list(conference.participants.filter(found).select_related("leg"))
        for stay in stays:
            _gone(stay, conference=conference, at=at)
        save_rows(Participant, stays)
        if stays:
            touch(conferences=[conference.pk], version=turn.version)
            turn.changed = True


def _note_new_legs(account: Account, reads: list[ParticipantRead], *, at: datetime, version: int) -> bool:
    mark = stamp(occurred_at=at, event_id=READING)
    named = [read.call_control_id for read in reads]
    known = set(
        Leg.objects.filter(account=account, call_control_id__in=named, started_at__lte=at).values_list(
            "call_control_id", flat=True
        )
    )
    observations = [
        Observation(
            call_control_id=read.call_control_id,
            leg={"seen": [mark, True], **({"call_leg_id": [mark, read.call_leg_id]} if read.call_leg_id else {})},
        )
        for read in reads
        if read.call_control_id not in known and read.status != "left"
    ]
    return project(account=account, observations=observations, version=version)


def _note_named(
    conference: Conference, reads: list[ParticipantRead], stays: dict[str, Participant], *, at: datetime
) -> None:
    """Update the stays that a reading names; who rejoined is named twice, and the one inside counts."""
    inside = {read.call_control_id: read for read in reads if read.status != "left"}
    for read in reads:
        stay = stays.get(read.call_control_id)
        if read.status == "left" and read.call_control_id not in inside and stay is not None and stay.present:
            _gone(stay, conference=conference, at=at)
    legs = _legs(conference.account, inside.keys() - stays.keys())
    mark = stamp(occurred_at=at, event_id=READING)
    for key, read in inside.items():
        if key not in stays:
            stays[key] = Participant(account=conference.account, conference=conference, leg=legs[key])
        stay = stays[key]
        merge(stay.facts, {"listed": [mark, True]})
        stay.listed_at, stay.read_at, stay.missing_since = at, at, None
        stay.muted, stay.on_hold = read.muted, read.on_hold
        stay.held_since = (stay.held_since or at) if read.on_hold else None
        stay.whisper_call_control_ids = list(read.whisper_call_control_ids)
        derive_participant(stay, conference=conference, leg=stay.leg)


def _legs(account: Account, call_control_ids: Iterable[str]) -> Mapping[str, Leg]:
    found = Leg.objects.filter(account=account, call_control_id__in=list(call_control_ids))
    return {leg.call_control_id: leg for leg in found}


def _note_absent(
    conference: Conference, reads: list[ParticipantRead], stays: dict[str, Participant], *, at: datetime
) -> list[str]:
    named = {read.call_control_id for read in reads}
    suspects = []
    for key, stay in stays.items():
        if not stay.present or key in named or not _joined_before(stay, at):
            continue
        # Somebody who came back meanwhile is missing for the first time again.
        if stay.missing_since is None or not _joined_before(stay, stay.missing_since):
            stay.missing_since = at
        elif stay.missing_since <= at - SECOND_LOOK:
            suspects.append(key)
    return suspects


def _gone(stay: Participant, *, conference: Conference, at: datetime) -> None:
    stay.gone_at = at
    derive_participant(stay, conference=conference, leg=stay.leg)


def _joined_before(stay: Participant, at: datetime) -> bool:
    return stay.joined_at is None or stay.joined_at < at


def _shown(stay: Participant) -> object:
    return PARTICIPANT_SHOWN(stay), stay.muted, stay.on_hold, stay.whisper_call_control_ids
