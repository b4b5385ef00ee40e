"""What Telnyx answers to a reading, as softer evidence beside the events.

A row that a listing names is there at once. A row it does not name is only missing: it goes after a second look at
least five seconds later, and only when Telnyx says that the call itself is dead (conferences.reconcile asks).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from . import changes
from .models import Account, Conference, Leg, Participant
from .observations import Observation
from .projection import derive_participant, project, save_rows, touch
from .registers import Facts, stamp
from .telnyx.client import ConferenceRead, ParticipantRead

SECOND_LOOK = timedelta(seconds=5)
READING = "reading"  # stands in a stamp where an event's id would


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


@transaction.atomic
def note_conferences(*, account: Account, reads: list[ConferenceRead], at: datetime, complete: bool) -> list[str]:
    """Put a listing (or single readings) on the board; return the ids of live conferences missed for the second time.

    `at` is when the request was sent; `complete` says that the listing names every live conference of the account.
    """
    version = changes.advance(now=at)
    known = Conference.objects.filter(account=account, telnyx_id__in=[read.id for read in reads])
    says = {row.telnyx_id: (row.name, row.connection_id, row.ended_at is not None) for row in known}
    # A listing that only repeats what is known changes no register, so it pushes nothing to the screens.
    observations = [
        Observation(conference_id=read.id, conference=conference_facts(read, at=at))
        for read in reads
        if read.id and says.get(read.id) != (read.name, read.connection_id, read.ended)
    ]
    project(account=account, observations=observations, version=version, now=at)
    named = [read.id for read in reads]
    Conference.objects.filter(account=account, telnyx_id__in=named).update(read_at=at, missing_since=None)
    if not complete:
        return []
    # What began after the request was sent cannot be in its answer.
    missing = Conference.objects.filter(account=account, ended_at=None, started_at__lt=at).exclude(telnyx_id__in=named)
    again = missing.filter(missing_since__lte=at - SECOND_LOOK)
    suspects = list(again.values_list("telnyx_id", flat=True))
    missing.filter(missing_since=None).update(missing_since=at)
    return suspects


@transaction.atomic
def end_conference(*, account: Account, telnyx_id: str, reason: str, at: datetime) -> None:
    """End a conference that Telnyx no longer knows."""
    version = changes.advance(now=at)
    facts: Facts = {"ended": [stamp(occurred_at=at, event_id=READING), reason]}
    project(
        account=account,
        observations=[Observation(conference_id=telnyx_id, conference=facts)],
        version=version,
        now=at,
    )


@transaction.atomic
def note_participants(*, conference: Conference, reads: list[ParticipantRead], at: datetime) -> list[str]:
    """Put a conference's participants on the board; return the call_control_ids missed for the second time."""
    version = changes.advance(now=at)
    account = conference.account
    mark = stamp(occurred_at=at, event_id=READING)
    by_id = {read.call_control_id: read for read in reads}
    known = set(
        Leg.objects.filter(account=account, call_control_id__in=by_id).values_list("call_control_id", flat=True)
    )
    unknown: list[Observation] = []
    for read in reads:
        if read.call_control_id not in known:
            facts: Facts = {"seen": [mark, True], "call_leg_id": [mark, read.call_leg_id]}
            unknown.append(Observation(call_control_id=read.call_control_id, leg=facts))
    project(account=account, observations=unknown, version=version, now=at)
    conference.refresh_from_db()
    legs = {leg.call_control_id: leg for leg in Leg.objects.filter(account=account, call_control_id__in=by_id)}
    stays = {stay.leg.call_control_id: stay for stay in conference.participants.select_related("leg")}
    changed = _note_present(conference, by_id, legs, stays, at=at)
    absent = [stay for key, stay in stays.items() if stay.present and key not in by_id and _began_before(stay, at)]
    suspects = [stay.leg.call_control_id for stay in absent if _missed_before(stay, at)]
    for stay in absent:
        stay.missing_since = stay.missing_since or at
    save_rows(Participant, list(stays.values()))
    conference.participants_read_at = at
    conference.save(update_fields=["participants_read_at"])
    if changed:
        touch(conferences=[conference.pk], version=version)
    return suspects


def _note_present(
    conference: Conference,
    reads: dict[str, ParticipantRead],
    legs: dict[str, Leg],
    stays: dict[str, Participant],
    *,
    at: datetime,
) -> bool:
    """Update the stays that a reading names; say whether anything that shows has changed."""
    changed = False
    for key, read in reads.items():
        stay = stays.get(key)
        if stay is None:
            stay = stays[key] = Participant(account=conference.account, conference=conference, leg=legs[key])
        before = (stay.present, stay.muted, stay.on_hold, stay.whisper_call_control_ids)
        stay.listed_at, stay.read_at, stay.missing_since = at, at, None
        stay.muted, stay.on_hold = read.muted, read.on_hold
        stay.whisper_call_control_ids = list(read.whisper_call_control_ids)
        derive_participant(stay, conference=conference, leg=legs[key])
        changed |= before != (stay.present, stay.muted, stay.on_hold, stay.whisper_call_control_ids)
    return changed


def _began_before(stay: Participant, at: datetime) -> bool:
    return stay.joined_at is None or stay.joined_at < at


def _missed_before(stay: Participant, at: datetime) -> bool:
    return stay.missing_since is not None and stay.missing_since <= at - SECOND_LOOK


@transaction.atomic
def take_out(*, conference: Conference, call_control_ids: Iterable[str], at: datetime) -> None:
    """Take out participants whose calls are dead, though no event said so."""
    version = changes.advance(now=at)
    stays = list(conference.participants.filter(leg__call_control_id__in=list(call_control_ids)).select_related("leg"))
    for stay in stays:
        stay.gone_at = at
        derive_participant(stay, conference=conference, leg=stay.leg)
    save_rows(Participant, stays)
    touch(conferences=[conference.pk], version=version)
