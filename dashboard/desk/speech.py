"""Builds the strip of who spoke when, out of the turns that the projection keeps with a conference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby, pairwise

from conferences.models import Conference, Leg, Participant
from conferences.projection.registers import speaking_turns
from dashboard.durations import Span
from dashboard.floor.building import person_of

TURNS_LISTED = 12
PARTIES = (Leg.Party.AGENT, Leg.Party.CUSTOMER, Leg.Party.UNKNOWN, Leg.Party.SUPERVISOR)


@dataclass(frozen=True, slots=True)
class SpeakingTurn:
    """The time from where somebody was named as speaking to where somebody else was, or they were gone."""

    name: str
    began: datetime
    ended: datetime | None
    """None while it runs."""


@dataclass(frozen=True, slots=True)
class SpeakerLane:
    """One speaker's line of the strip."""

    name: str
    party: str
    turns: tuple[SpeakingTurn, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple((turn.began, turn.ended) for turn in self.turns)


@dataclass(frozen=True, slots=True)
class SpeechStrip:
    """The newest turns of a conference; nothing in it depends on the time of day, so equal ones are not sent again."""

    began: datetime
    ended: datetime | None
    """None while the call is live: the strip then ends now."""
    lanes: tuple[SpeakerLane, ...]
    newest: tuple[SpeakingTurn, ...]
    """The turns that are listed in words, the newest first."""


def speech_strip(
    conference: Conference, participants: Sequence[Participant], called: Mapping[str, str]
) -> SpeechStrip | None:
    """Return who spoke when; None where nobody has been named as speaking."""
    by_leg = {participant.leg.call_control_id: participant for participant in participants}
    named = [
        (datetime.fromtimestamp(begun / 1000, UTC), by_leg[leg])
        for begun, leg in speaking_turns(conference.facts)
        if leg in by_leg
    ]
    # Whoever is named once more, perhaps on a new leg, goes on with the same turn.
    parts = [list(part) for _person, part in groupby(named, key=lambda one: person_of(one[1]))]
    if not parts:
        return None
    turns = [_turn(part, conference, called) for part in parts]
    turns[:-1] = [_until(turn, following.began) for turn, following in pairwise(turns)]
    by_person: dict[object, list[SpeakingTurn]] = {}
    for part, turn in zip(parts, turns, strict=True):
        by_person.setdefault(person_of(part[-1][1]), []).append(turn)
    return SpeechStrip(
        began=turns[0].began,
        ended=conference.ended_at,
        lanes=tuple(
            SpeakerLane(called[speaker.leg.call_control_id], speaker.leg.party, tuple(by_person[person_of(speaker)]))
            for speaker in _in_order(participants)
            if person_of(speaker) in by_person
        ),
        newest=tuple(turns[: -TURNS_LISTED - 1 : -1]),
    )


def _in_order(participants: Sequence[Participant]) -> list[Participant]:
    """Return one participant for each person, in an order that does not change with who spoke last."""
    people = {person_of(participant): participant for participant in participants}
    return sorted(people.values(), key=lambda participant: PARTIES.index(Leg.Party(participant.leg.party)))


def _turn(named: list[tuple[datetime, Participant]], conference: Conference, called: Mapping[str, str]) -> SpeakingTurn:
    (began, _first), (_at, newest) = named[0], named[-1]
    over = (conference.ended_at, conference.account.feed_stopped_since, None if newest.present else newest.left_at)
    return SpeakingTurn(
        name=called[newest.leg.call_control_id],
        began=began,
        ended=min((moment for moment in over if moment and moment > began), default=None),
    )


def _until(turn: SpeakingTurn, moment: datetime) -> SpeakingTurn:
    return replace(turn, ended=min(filter(None, (turn.ended, moment))))
