"""Merges what Telnyx lists, as weaker evidence beside the events.

A row that a listing names is there at once. A participant that it does not name is only missing: it goes after a second
complete reading of its conference at least five seconds later, without a join or a sight in between, or as soon as it
is seen in another conference. A conference that a listing does not name goes only when Telnyx says that it is over. A
participant that a listing names as having left has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime, timedelta

from django.db.models import Q

from conferences.changes import board_hold
from conferences.fast_sql import save_rows
from conferences.models import Account, Conference, Leg, Participant
from conferences.team_rules import settle
from conferences.telnyx.reads import CallRead, ConferenceRead, ParticipantRead

from .columns import PARTICIPANT_SHOWN, derive_participant, joined_on_our_clock
from .observations import Observation
from .projector import project
from .registers import READING, Facts, merge, moment, stamp

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
    with board_hold(now=at) as change:
        known = Conference.objects.filter(account=account, telnyx_id__in=named)
        rows = known.values_list("telnyx_id", "name", "connection_id", "ended_at")
        says = {telnyx_id: (name, where, ended_at is not None) for telnyx_id, name, where, ended_at in rows}
        # A read that only repeats what is known is not even merged.
        observations = [
            Observation(conference_id=read.id, conference=conference_facts(read, at=at))
            for read in reads
            if read.id and says.get(read.id) != (read.name, read.connection_id, read.ended)
        ]
        change.changed |= project(account=account, observations=observations, version=change.version)
        known.exclude(read_at__gt=at).update(read_at=at, missing_since=None)


def note_missing(*, account: Account, known: Set[str], named: Set[str], at: datetime) -> list[str]:
    """Note live conferences that a complete listing, asked for at `at`, does not name; return those missed twice.

    `known` are those that were on the board when it was asked for: when they began is told by Telnyx' clock, not ours.
    """
    with board_hold(now=at):
        missing = Conference.objects.filter(account=account, ended_at=None, telnyx_id__in=list(known - named))
        again = missing.filter(missing_since__lte=at - SECOND_LOOK)
        suspects = list(again.order_by("missing_since").values_list("telnyx_id", flat=True))
        missing.filter(missing_since=None).update(missing_since=at)
    return suspects


def end_conference(*, account: Account, telnyx_id: str, reason: str, at: datetime) -> None:
    """End a conference that Telnyx did not know at `at`, unless a later reading has named it."""
    with board_hold(now=at) as change:
        if not Conference.objects.filter(account=account, telnyx_id=telnyx_id, read_at__gt=at).exists():
            ended = [_ended(telnyx_id, reason=reason, at=at)]
            change.changed |= project(account=account, observations=ended, version=change.version)


def end_conferences(*, account: Account, reason: str, at: datetime) -> None:
    """End all conferences of an account that is not in use any more: nothing will tell what becomes of them."""
    with board_hold(now=at) as change:
        live = Conference.objects.filter(account=account, ended_at=None).values_list("telnyx_id", flat=True)
        ended = [_ended(telnyx_id, reason=reason, at=at) for telnyx_id in live]
        change.changed |= project(account=account, observations=ended, version=change.version)


def _ended(telnyx_id: str, *, reason: str, at: datetime) -> Observation:
    facts: Facts = {"ended": [stamp(occurred_at=at, event_id=READING), reason]}
    return Observation(conference_id=telnyx_id, conference=facts)


def note_participants(
    *, conference: Conference, reads: list[ParticipantRead], at: datetime, board: int | None = None
) -> None:
    """Put a complete reading of a conference's participants on the board; take out who is missed a second time.

    `board` is the board's version when it was asked for: who came in before is known by it. Without it the time of the
    join decides.
    """
    with board_hold(now=at) as change:
        conference.refresh_from_db(fields=["ended_at", "participants_read_at"])
        if conference.participants_read_at is not None and conference.participants_read_at > at:
            return  # supervision reads too; what was asked for later has already been noted
        conference.account.refresh_from_db(fields=["heard_at", "clock_ahead"])  # whoever asks may know an old clock
        change.changed |= _note_new_legs(conference.account, reads, at=at, version=change.version)
        participants = {
            participant.leg.call_control_id: participant
            for participant in conference.participants.select_related("leg")
        }
        before = {key: _shown(participant) for key, participant in participants.items()}
        _note_named(conference, reads, participants, at=at, board=board, version=change.version)
        _note_absent(conference, reads, participants, at=at, board=board)
        save_rows(Participant, list(participants.values()))
        Conference.objects.filter(pk=conference.pk).update(participants_read_at=at)
        left_behind = _take_out_elsewhere(conference, reads, participants, at=at)
        concerned = {participant.conference_id for participant in left_behind}
        if any(_shown(participant) != before.get(key) for key, participant in participants.items()):
            concerned.add(conference.pk)
        change.touch(*concerned)
        if participants.keys() - before.keys():
            change.changed |= settle([], legs_moved=[conference.pk], version=change.version)


def note_call(*, account: Account, read: CallRead, at: datetime) -> None:
    """Put what a call's reading says about its leg on the board; an empty client_state says that there is none."""
    facts: Facts = {"client_state": [stamp(occurred_at=at, event_id=READING), read.client_state]}
    observation = Observation(call_control_id=read.call_control_id, leg=facts)
    with board_hold(now=at) as change:
        change.changed |= project(account=account, observations=[observation], version=change.version)


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
    conference: Conference,
    reads: list[ParticipantRead],
    participants: dict[str, Participant],
    *,
    at: datetime,
    board: int | None,
    version: int,
) -> None:
    """Update the participants that a reading names; one who rejoined is named twice, and the present one counts."""
    inside = {read.call_control_id: read for read in reads if read.status != "left"}
    for read in reads:
        participant = participants.get(read.call_control_id)
        if (
            read.status == "left"
            and read.call_control_id not in inside
            and participant is not None
            and participant.present
        ):
            known = board is not None and participant.came_in <= board
            after = _after_the_join(participant, at, account=conference.account) if known else at
            _gone(participant, conference=conference, at=after)
    legs = _legs(conference.account, inside.keys() - participants.keys())
    mark = stamp(occurred_at=at, event_id=READING)
    for key, read in inside.items():
        if key not in participants:
            participants[key] = Participant(account=conference.account, conference=conference, leg=legs[key])
        participant = participants[key]
        came_in = not participant.present or _rejoined(participant, read)
        participant.telnyx_id = read.id or participant.telnyx_id
        participant.telnyx_created_at = read.created_at or participant.telnyx_created_at
        merge(participant.facts, {"listed": [mark, True]})
        participant.listed_at, participant.read_at, participant.missing_since = at, at, None
        participant.muted, participant.on_hold = read.muted, read.on_hold
        participant.held_since = (participant.held_since or at) if read.on_hold else None
        participant.whisper_call_control_ids = list(read.whisper_call_control_ids)
        derive_participant(participant, conference=conference, leg=participant.leg, account=conference.account)
        if came_in and participant.present:
            participant.came_in = version


def _rejoined(participant: Participant, read: ParticipantRead) -> bool:
    """Return whether Telnyx lists another participant than before for the same leg; what it leaves out is no news."""
    known = ((participant.telnyx_id, read.id), (participant.telnyx_created_at, read.created_at))
    return any(before and now and before != now for before, now in known)


def _take_out_elsewhere(
    conference: Conference, reads: list[ParticipantRead], participants: dict[str, Participant], *, at: datetime
) -> list[Participant]:
    """Take legs that a reading has seen here out of the other conferences where nothing newer has shown them."""
    here = {participants[read.call_control_id].leg_id: read for read in reads if read.status != "left"}
    elsewhere = Participant.objects.filter(leg__in=here.keys(), present=True).exclude(conference=conference)
    found = elsewhere.filter(Q(listed_at=None) | Q(listed_at__lt=at)).select_related("conference", "leg")
    gone = []
    for participant in found:
        # Telnyx' own time where it tells one: a reading may have been on its way while the leg moved on.
        created_at = here[participant.leg_id].created_at
        seen_here = at if created_at is None else conference.account.on_our_clock(created_at)
        if _joined_before(participant, seen_here, account=conference.account):
            gone.append(participant)
    for participant in gone:
        _gone(participant, conference=participant.conference, at=at)
    save_rows(Participant, gone)
    return [participant for participant in gone if not participant.present]


def _legs(account: Account, call_control_ids: Iterable[str]) -> Mapping[str, Leg]:
    found = Leg.objects.filter(account=account, call_control_id__in=list(call_control_ids))
    return {leg.call_control_id: leg for leg in found}


def _note_absent(
    conference: Conference,
    reads: list[ParticipantRead],
    participants: dict[str, Participant],
    *,
    at: datetime,
    board: int | None,
) -> None:
    named = {read.call_control_id for read in reads}
    for key, participant in participants.items():
        if not participant.present or key in named:
            continue
        if not (
            _joined_before(participant, at, account=conference.account)
            if board is None
            else participant.came_in <= board
        ):
            continue
        # Somebody who came back meanwhile is missing for the first time again: a join forgets this.
        if participant.missing_since is None:
            participant.missing_since = at
        elif participant.missing_since <= at - SECOND_LOOK:
            _gone(participant, conference=conference, at=_after_the_join(participant, at, account=conference.account))


def _after_the_join(participant: Participant, at: datetime, *, account: Account) -> datetime:
    """Return when somebody is gone who had come in before: also where Telnyx' clock, which tells the join, is ahead."""
    told = moment(participant.facts, "presence")
    if told is None:
        return at
    joined = account.on_our_clock(told)
    return at if joined < at else joined + timedelta(microseconds=1)


def _gone(participant: Participant, *, conference: Conference, at: datetime) -> None:
    participant.gone_at = at
    derive_participant(participant, conference=conference, leg=participant.leg, account=conference.account)


def _joined_before(participant: Participant, at: datetime, *, account: Account) -> bool:
    joined_at = joined_on_our_clock(participant, account=account)
    return joined_at is None or joined_at < at


def _shown(participant: Participant) -> object:
    return PARTICIPANT_SHOWN(participant), participant.muted, participant.on_hold, participant.whisper_call_control_ids
