"""Builds a conference's card from its rows, with its reasons at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.utils import translation
from django.utils.translation import gettext as _

from conferences import names
from conferences.masks import numbers_within
from conferences.models import (
    Account,
    Conference,
    Connection,
    Leg,
    Participant,
    Protection,
    SupervisorSession,
    UnsteeredLine,
)
from conferences.models.supervision import Role
from conferences.permissions import Teams, rule_of, teams_of
from conferences.protections import protecting, sentences_of
from conferences.thresholds import Thresholds, strictest
from dashboard.durations import percent

from .cards import BuiltCard, ConferenceCard, Seen, Speaker, Supervision, Talk
from .reasons import Clues, reasons_of

# An agent whose stay ended so short before is the same one on a new leg.
RECONNECTS = timedelta(seconds=60)
LATER = datetime.max.replace(tzinfo=UTC)

# Somebody's line inside a conference, steered from here or only seen there.
Supervising = SupervisorSession | UnsteeredLine


def record_of(
    conference: Conference,
    *,
    participants: list[Participant],
    sessions: Sequence[Supervising],
    connections: Mapping[tuple[int, str], Connection],
    accounts: Mapping[int, Account],
    protections: Sequence[Protection],
    thresholds: Mapping[int, Thresholds],
) -> BuiltCard:
    """Build a conference's card without its reasons, which belong to a moment; `thresholds` are those of every team."""
    # Not in any reader's language: everybody shares the card.
    with translation.override(None):
        connection = connections.get((conference.account_id, conference.connection_id))
        account = accounts.get(conference.account_id)
        record = _record(conference, participants, sessions, connection, account, thresholds=thresholds)
    protected = _protected(protections, participants) if protections else None
    return replace(record, card=replace(record.card, protected=protected)) if protected else record


def with_reasons(record: BuiltCard, *, now: datetime) -> tuple[ConferenceCard, datetime | None]:
    """Return a record's card with its reasons at a moment, and when they change by themselves."""
    reasons, changes_at = reasons_of(record.clues, record.thresholds, now=now)
    return replace(record.card, reasons=reasons), changes_at


def teams_in(conference: Conference, participants: Iterable[Participant]) -> Teams:
    """Return the teams a conference belongs to, from the participants it had, as they were read."""
    agents = [participant.leg.agent for participant in participants]
    return teams_of(conference, (agent.team_id for agent in agents if agent))


def _team_names(conference: Conference, participants: Iterable[Participant]) -> dict[int, str]:
    """Return the names of those teams by id, its connection's first; its rule's where there is none."""
    known = {conference.team.pk: names.plain(conference.team.name)} if conference.team else {}
    agents = [participant.leg.agent for participant in participants]
    known |= {agent.team_id: names.plain(agent.team.name) for agent in agents if agent}
    if not known and (rule := rule_of(conference)) is not None and rule.team is not None:
        return {rule.team.pk: names.plain(rule.team.name)}
    return known


def held(participant: Participant) -> Seen | None:
    """Return that a leg is on hold, and since when: the first reading that saw it, or the phone's own report."""
    if participant.on_hold:
        return Seen(_("on hold since"), participant.held_since or participant.read_at)
    if participant.leg.phone_held_since:
        return Seen(_("on hold since"), participant.leg.phone_held_since)
    return None


def shares(
    conference: Conference, shown: Sequence[Participant], everybody: Iterable[Participant], *, now: datetime
) -> dict[str, int]:
    """Return the percentage of the talk of each who is shown, by call_control_id; together they make a hundred.

    Somebody who came in again talks on as who they were: their newest leg has it all.
    """
    who = {participant.leg.call_control_id: person_of(participant) for participant in everybody}
    newest = {person_of(participant): participant.leg.call_control_id for participant in shown}
    seconds = dict.fromkeys(newest, 0.0)
    for leg, spoke in (*conference.talk.items(), _running_turn(conference, everybody, now=now)):
        if (person := who.get(leg)) in seconds:
            seconds[person] += spoke
    if not sum(seconds.values()):
        return {}
    return {newest[person]: part for person, part in zip(seconds, percent(list(seconds.values())), strict=True)}


def person_of(participant: Participant) -> object:
    """Return who a participant is, whichever leg they are on."""
    return participant.leg.agent_id or participant.leg_id


def _running_turn(conference: Conference, everybody: Iterable[Participant], *, now: datetime) -> tuple[str, float]:
    """Return who speaks, and for how many seconds: as long as they, the call and the feed of webhooks are there."""
    leg, since = conference.speaker_call_control_id, conference.speaker_since
    left = [one.left_at for one in everybody if one.leg.call_control_id == leg and not one.present and one.left_at]
    over = min(filter(None, (now, conference.ended_at, conference.account.feed_stopped_since, *left)))
    return leg, max(0.0, (over - since).total_seconds()) if since else 0.0


def supervision_marks(sessions: Iterable[Supervising]) -> tuple[object, ...]:
    """Return what a card's supervisors follow from, to see whether they are still the same."""
    return tuple(
        (session.user_id, names.person(session.user), session.role, tuple(session.targets), _so_far(session))
        for session in sessions
    )


def _record(
    conference: Conference,
    participants: list[Participant],
    sessions: Sequence[Supervising],
    connection: Connection | None,
    account: Account | None,
    *,
    thresholds: Mapping[int, Thresholds],
) -> BuiltCard:
    present = [participant for participant in participants if participant.present]
    # Whoever left before a call ended was in it all the same: its row keeps their names until it goes.
    named_on_row = present if conference.ended_at is None else participants
    teams = _team_names(conference, participants)
    clues = _clues(conference, participants, present, account)
    legs = [participant.leg for participant in present]
    queues = _named_queues(participants, connection)
    card = ConferenceCard(
        id=conference.id,
        name=names.plain(conference.name),
        stand_in=names.id_start(conference),
        team_ids=teams_in(conference, participants),
        teams=tuple(teams.values()),
        agents=_legs_of(named_on_row, Leg.Party.AGENT),
        customers=_legs_of(named_on_row, Leg.Party.CUSTOMER),
        unknown=sum(participant.leg.party == Leg.Party.UNKNOWN for participant in present),
        started_at=conference.started_at,
        ended_at=conference.ended_at,
        speaker=_speaker(conference, present),
        talk=_talk(conference, participants, _speaker(conference, present), account),
        holds=tuple(seen for seen in (_named_hold(participant) for participant in present) if seen),
        supervisors=_supervisions(sessions, participants),
    )
    return BuiltCard(
        card=card,
        clues=clues,
        thresholds=strictest(card.team_ids, thresholds),
        named_agents={leg.agent.pk: names.plain(leg.agent.name) for leg in legs if leg.agent},
        named_teams=teams,
        queues=frozenset(queues),
        named_queues=queues,
        numbers=_whole_numbers(conference, present),
        supervisions=supervision_marks(sessions),
    )


def _protected(protections: Sequence[Protection], participants: Iterable[Participant]) -> tuple[str, str] | None:
    """Return why nobody may listen: as protections.why_protected does, from what has been read already."""
    theirs = [participant for participant in participants if participant.leg.party != Leg.Party.SUPERVISOR]
    agents = {one.leg.agent_id for one in theirs if one.present and one.leg.agent_id is not None}
    found = protecting(protections, legs=[participant.leg for participant in theirs], agents=agents)
    return sentences_of(found[0]) if found else None


def _named_queues(participants: Iterable[Participant], connection: Connection | None) -> dict[str, str]:
    """Return the queues in which somebody waited, and the connection, by what names them in addresses."""
    waited = {participant.leg.queue for participant in participants if participant.leg.queue}
    queues = {f"q:{names.queue_key(queue)}": names.plain(queue) for queue in waited}
    return queues | ({f"c:{connection.pk}": names.plain(str(connection))} if connection else {})


def _whole_numbers(conference: Conference, present: Iterable[Participant]) -> frozenset[str]:
    """Return what the masks hide: the callers' numbers, and those that a call flow put into the name."""
    callers = [
        participant.leg for participant in present if participant.leg.party in {Leg.Party.CUSTOMER, Leg.Party.UNKNOWN}
    ]
    return frozenset(numbers_within(conference.name)).union(*(names.searched_as(leg) for leg in callers))


def _clues(
    conference: Conference, participants: list[Participant], present: list[Participant], account: Account | None
) -> Clues:
    if conference.ended_at:
        return Clues()
    people = [participant for participant in present if participant.leg.party != Leg.Party.SUPERVISOR]
    agents = changes_of_agent(participants)
    speaker = _speaker(conference, present)
    holds = [
        since for participant in people for since in (participant.held_since, participant.leg.phone_held_since) if since
    ]
    entered = [participant.leg.agent.created_at for participant in people if participant.leg.agent]
    return Clues(
        started_at=conference.started_at,
        one_speaker_since=_one_speaker_since(speaker, account) if len(people) > 1 else None,
        held_since=min(holds, default=None),
        agent_legs=len(agents),
        last_agent_joined_at=max(
            (participant.joined_at for participant in agents if participant.joined_at), default=None
        ),
        newest_agent_since=max(entered, default=None),
    )


def changes_of_agent(participants: Iterable[Participant]) -> list[Participant]:
    """Return the agents' stays that began with another agent than the one before; who only reconnects is no change."""
    changes: list[Participant] = []
    gone: dict[object, datetime] = {}
    for participant in participants:
        if participant.leg.party != Leg.Party.AGENT:
            continue
        person, joined = person_of(participant), participant.joined_at
        again = person in gone and joined is not None and joined - gone[person] < RECONNECTS
        if not again and (not changes or person_of(changes[-1]) != person):
            changes.append(participant)
        gone[person] = participant.left_at or LATER
    return changes


def _one_speaker_since(speaker: Speaker | None, account: Account | None) -> datetime | None:
    """Return since when nobody else was named as speaking; None while webhooks have stopped and nobody is named."""
    if speaker is None or speaker.since is None or account is None:
        return speaker.since if speaker else None
    return account.speech_heard_since(speaker.since)


def _speaker(conference: Conference, present: Iterable[Participant]) -> Speaker | None:
    """Return who speaks, as long as that leg is still in the conference."""
    if not conference.speaker_call_control_id or conference.ended_at:
        return None
    for participant in present:
        if participant.leg.call_control_id == conference.speaker_call_control_id:
            return Speaker(
                name=names.short_leg_name(participant.leg), party=participant.leg.party, since=conference.speaker_since
            )
    return None


def _talk(
    conference: Conference, participants: list[Participant], speaker: Speaker | None, account: Account | None
) -> Talk | None:
    parties = {participant.leg.call_control_id: participant.leg.party for participant in participants}
    seconds = [0.0, 0.0, 0.0]
    for leg, spoke in conference.talk.items():
        seconds[_place(parties.get(leg, ""))] += spoke
    runs = speaker is not None and speaker.since is not None and account is not None and not account.feed_stopped_since
    if not sum(seconds) and not runs:
        return None
    talks = _place(speaker.party) if speaker and runs else None
    return Talk(
        seconds=(seconds[0], seconds[1], seconds[2]), talks=talks, since=speaker.since if speaker and runs else None
    )


def _place(party: str) -> int:
    return {Leg.Party.AGENT: 0, Leg.Party.CUSTOMER: 1}.get(party, 2)  # type: ignore[call-overload, no-any-return]


def _supervisions(sessions: Iterable[Supervising], participants: Iterable[Participant]) -> tuple[Supervision, ...]:
    called = {str(participant.leg_id): names.leg_name(participant.leg) for participant in participants}
    return tuple(
        Supervision(
            user_id=session.user_id,
            name=names.person(session.user),
            role=session.role,
            role_label=str(session.get_role_display()),
            targets=tuple(called[target] for target in session.targets if target in called),
            so_far=_so_far(session),
            steered=isinstance(session, SupervisorSession),
        )
        for session in sessions
    )


def _so_far(session: Supervising) -> str:
    """Return what keeps a colleague's role from being certain, as their session's row alone tells it."""
    if isinstance(session, UnsteeredLine):
        return str(session.get_reason_display())
    if session.stage == SupervisorSession.Stage.LEAVING:
        return _("leaving")
    if session.stage != SupervisorSession.Stage.INSIDE:
        return _("joining")
    if (session.wanted_role, session.wanted_targets) != (session.role, session.targets):
        return _("switching")
    # An adopted line that cannot be read counts as audible; that is an assumption, not a reading.
    assumed = session.role == Role.NONE and not session.ear.dialled_by_us
    return _("not confirmed") if session.verified_at is None or assumed else ""


def _legs_of(present: Iterable[Participant], party: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(names.leg_name(participant.leg) for participant in present if participant.leg.party == party)
    )


def _named_hold(participant: Participant) -> Seen | None:
    seen = held(participant)
    return seen and replace(seen, name=names.short_leg_name(participant.leg))
