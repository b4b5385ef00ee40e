"""Builds the rows of a desk's legs, with the evidence for each and whether it can be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from conferences import names
from conferences.models import Conference, Leg, Participant, UnsteeredLine
from conferences.projection import evidence
from conferences.projection.evidence import Evidence, Source
from dashboard.floor.building import Supervising, held
from dashboard.floor.cards import Seen

from .buttons import is_target
from .numbers import is_masked


@dataclass(frozen=True, slots=True)
class LegRow:
    """One leg on the desk; only an agent's can be chosen for a whisper."""

    id: UUID
    name: str
    party: str
    party_label: str
    evidence: str
    since: datetime | None
    rests_on: tuple[Seen, ...]
    """The evidence that it is here or has gone, and what Telnyx' newest listing says about that."""
    speaking: bool
    share: int | None
    """Percent of the newest turns of those who are listed, the running one included."""
    seen: tuple[Seen, ...]
    choosable: bool
    locked_because: str
    chosen: bool
    key: int
    """1–9 for the first nine agents, otherwise 0."""
    agent_id: int | None = None
    """The agent whom the ear can follow."""
    may_show_number: bool = False
    """Whether the viewer may have its masked number shown in full."""


def leg_rows(
    participants: list[Participant],
    conference: Conference,
    chosen: frozenset[str],
    sessions: Sequence[Supervising],
    talk: Mapping[str, int],
    *,
    numbers: bool,
) -> list[LegRow]:
    """Return the rows of these participants, agents first; `talk` are their shares of it.

    `numbers` says whether the viewer may have masked numbers shown in full.
    """
    colleagues = {_line_of(colleague): colleague for colleague in sessions}
    agents = [participant for participant in participants if is_target(participant)]
    keys = {participant.pk: number for number, participant in enumerate(agents[:9], start=1)}
    return [
        LegRow(
            id=participant.leg_id,
            name=_name(participant.leg, colleagues),
            party=participant.leg.party,
            party_label=str(participant.leg.get_party_display()),
            evidence=names.plain(participant.leg.evidence, limit=26),
            since=participant.joined_at,
            rests_on=_rests_on(participant),
            speaking=bool(conference.speaker_call_control_id)
            and participant.leg.call_control_id == conference.speaker_call_control_id,
            share=talk.get(participant.leg.call_control_id),
            seen=tuple(seen for seen in (held(participant), _muted(participant)) if seen),
            choosable=is_target(participant) and conference.ended_at is None,
            locked_because=_locked_because(participant.leg),
            chosen=str(participant.leg_id) in chosen or (len(agents) == 1 and is_target(participant)),
            key=keys.get(participant.pk, 0),
            agent_id=participant.leg.agent_id if is_target(participant) else None,
            may_show_number=numbers and is_masked(participant.leg),
        )
        for participant in sorted(participants, key=lambda participant: not is_target(participant))
    ]


def _rests_on(participant: Participant) -> tuple[Seen, ...]:
    known = evidence.of_participant(participant)
    if known is None:
        return ()
    by_webhook = known.source is Source.WEBHOOK
    if participant.present:
        told = (
            Seen(_("joined by webhook"), known.at)
            if by_webhook
            else Seen(_("joined, as listed"), participant.joined_at)
        )
        return tuple(seen for seen in (told, confirmed(known.confirmed_at, known)) if seen)
    if not by_webhook:
        return (Seen(_("gone, as listed"), known.at),)
    # Somebody who stayed until the call ended has a join and no leave.
    return (Seen(_("left by webhook") if participant.left_at else _("joined by webhook"), known.at),)


def confirmed(confirmed_at: datetime | None, known: Evidence | None) -> Seen | None:
    """Return what Telnyx' newest listing says about something; None before the first."""
    if known is not None and known.contested:
        return Seen(_("not found at Telnyx since"), known.missing_since)
    return Seen(_("last checked"), confirmed_at) if confirmed_at else None


def _line_of(colleague: Supervising) -> str:
    return colleague.leg.call_control_id if isinstance(colleague, UnsteeredLine) else colleague.ear.call_control_id


def _name(leg: Leg, colleagues: dict[str, Supervising]) -> str:
    if leg.party == Leg.Party.SUPERVISOR:
        colleague = colleagues.get(leg.call_control_id)
        return names.person(colleague.user) if colleague else _("a supervisor")
    return names.leg_name(leg)


def _muted(participant: Participant) -> Seen | None:
    return (
        Seen(_("muted, last checked"), participant.read_at)
        if participant.muted and participant.leg.party != Leg.Party.SUPERVISOR
        else None
    )


def _locked_because(leg: Leg) -> str:
    if leg.party == Leg.Party.CUSTOMER:
        return _("cannot be whispered to")
    return _("treated as a customer") if leg.party == Leg.Party.UNKNOWN else ""
