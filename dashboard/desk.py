"""The desk: one conference as one viewer may see it, with who hears whom and what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences import evidence
from conferences.evidence import Evidence, Source
from conferences.models import Conference, Leg, Participant, SupervisorSession
from conferences.models.supervision import Role
from conferences.permissions import Rights, rights_book, visible_to

from . import names
from .audience import Audience, Listener, audience_of
from .cards import (
    ConferenceCard,
    Seen,
    connections_by_id,
    facts_about,
    held,
    leg_name,
    record_of,
    shares,
    spoken,
    teams_in,
    with_reasons,
)
from .my_ear import MyEar, Standing, my_ear, standing
from .notes import NoteLine, notes_on
from .progress import Heard, others_hear
from .timeline import Entry, timeline


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
    """What says that it is here or has gone, and what Telnyx' newest listing says to that."""
    speaking: bool
    share: int | None
    """Percent of the newest turns that are over."""
    seen: tuple[Seen, ...]
    choosable: bool
    locked_because: str
    chosen: bool
    key: int
    """1–9 for the first nine agents, otherwise 0."""
    agent_id: int | None = None
    """Whom the ear can follow."""


@dataclass(frozen=True, slots=True)
class RoleButton:
    """A role as it may be chosen now; the decision is made here, the template only draws it."""

    role: str
    label: str
    consequence: str
    off_because: str
    pressed: bool
    asks_twice: str = ""
    """What the first press says where a second one is needed."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One conference, complete for one viewer."""

    card: ConferenceCard
    confirmed: Seen | None
    """What Telnyx' newest listing says about this conference; None before the first."""
    legs: tuple[LegRow, ...]
    present: tuple[UUID, ...]
    """Who the page shows as present, supervisors apart; sent back with every role as its audience."""
    audience: Audience
    roles: tuple[RoleButton, ...]
    stay: RoleButton
    ear: MyEar
    mine: bool
    left: Seen | None
    """Why the viewer's line is not here any more, or never came."""
    notes: tuple[NoteLine, ...]
    timeline: tuple[Entry, ...]


def desk(user: User, *, conference_id: UUID, now: datetime) -> Desk | None:
    """Read one conference for one viewer; None where it is not theirs to see."""
    conference = visible_to(user).select_related("team", "account").filter(id=conference_id).first()
    if conference is None:
        return None
    facts = facts_about([conference.id])
    stays = _with_facts(facts.stays.get(conference.id, []))
    book = rights_book(user)
    rights = book.in_teams(frozenset(teams_in(conference, stays)))
    stands = standing(user, now=now)
    session = stands.session if stands.session and stands.session.conference_id == conference.id else None
    own = stands.ear.call_control_id if stands.ear else ""
    present = [stay for stay in stays if stay.present and stay.leg.call_control_id != own]
    record = record_of(
        conference,
        stays=stays,
        sessions=facts.sessions.get(conference.id, []),
        connections=connections_by_id(),
    )
    legs = _legs(present if conference.ended_at is None else _each_leg(stays), conference, session, facts.sessions)
    audience = _audience(present, session, stands)
    return Desk(
        card=spoken(with_reasons(record, now=now)[0]),
        confirmed=_confirmed(conference.read_at, evidence.of_conference(conference)),
        legs=tuple(legs),
        present=tuple(stay.leg_id for stay in present if stay.leg.party != Leg.Party.SUPERVISOR),
        audience=audience,
        roles=_roles(rights, present, session, conference),
        stay=_stay(rights, present, session),
        ear=my_ear(user, stands, now=now),
        mine=session is not None,
        left=None if session else _left(user, conference),
        notes=notes_on(conference),
        timeline=timeline(conference, stays),
    )


def _left(user: User, conference: Conference) -> Seen | None:
    ended = SupervisorSession.objects.filter(user=user, conference=conference, stage=SupervisorSession.Stage.ENDED)
    last = ended.order_by("-ended_at").first()
    return Seen(names.plain(last.end_reason, limit=200), last.ended_at) if last and last.end_reason else None


def _each_leg(stays: list[Participant]) -> list[Participant]:
    return [stay for stay in stays if stay.leg.party != Leg.Party.SUPERVISOR]


def _legs(
    stays: list[Participant],
    conference: Conference,
    session: SupervisorSession | None,
    sessions: dict[UUID, list[SupervisorSession]],
) -> list[LegRow]:
    colleagues = {
        colleague.ear.call_control_id: colleague
        for colleague in sessions.get(conference.id, [])
        if colleague.ear.call_control_id
    }
    agents = [stay for stay in stays if _is_target(stay)]
    chosen = set(session.targets if session and session.role == Role.WHISPER else ())
    talk = shares(conference.talk)
    keys = {stay.pk: number for number, stay in enumerate(agents[:9], start=1)}
    return [
        LegRow(
            id=stay.leg_id,
            name=_name(stay.leg, colleagues),
            party=stay.leg.party,
            party_label=str(stay.leg.get_party_display()),
            evidence=names.plain(stay.leg.evidence, limit=26),
            since=stay.joined_at,
            rests_on=_rests_on(stay),
            speaking=bool(conference.speaker_call_control_id)
            and stay.leg.call_control_id == conference.speaker_call_control_id,
            share=talk.get(stay.leg.call_control_id),
            seen=tuple(seen for seen in (held(stay), _muted(stay)) if seen),
            choosable=_is_target(stay) and conference.ended_at is None,
            locked_because=_locked_because(stay.leg),
            chosen=str(stay.leg_id) in chosen or (len(agents) == 1 and _is_target(stay)),
            key=keys.get(stay.pk, 0),
            agent_id=stay.leg.agent_id if _is_target(stay) else None,
        )
        for stay in sorted(stays, key=lambda stay: not _is_target(stay))
    ]


def _with_facts(stays: list[Participant]) -> list[Participant]:
    """Give one conference's stays their registers: the floor does without, and one by one each would be a query."""
    facts = dict(Participant.objects.filter(pk__in=[stay.pk for stay in stays]).values_list("pk", "facts"))
    for stay in stays:
        stay.facts = facts.get(stay.pk, {})
    return stays


def _rests_on(stay: Participant) -> tuple[Seen, ...]:
    known = evidence.of_participant(stay)
    if known is None:
        return ()
    by_webhook = known.source is Source.WEBHOOK
    if stay.present:
        told = Seen(_("joined by webhook"), known.at) if by_webhook else Seen(_("joined, as listed"), stay.joined_at)
        return tuple(seen for seen in (told, _confirmed(known.confirmed_at, known)) if seen)
    if not by_webhook:
        return (Seen(_("gone, as listed"), known.at),)
    # Whoever was inside to the end of the call has only a beginning.
    return (Seen(_("left by webhook") if stay.left_at else _("joined by webhook"), known.at),)


def _confirmed(confirmed_at: datetime | None, known: Evidence | None) -> Seen | None:
    if known is not None and known.contested:
        return Seen(_("Telnyx' listing does not name it any more, since"), known.missing_since)
    return Seen(_("Telnyx confirms"), confirmed_at) if confirmed_at else None


def _is_target(stay: Participant) -> bool:
    return stay.leg.party == Leg.Party.AGENT and stay.leg.agent_id is not None


def _name(leg: Leg, colleagues: dict[str, SupervisorSession]) -> str:
    if leg.party == Leg.Party.SUPERVISOR:
        colleague = colleagues.get(leg.call_control_id)
        return names.person(colleague.user) if colleague else _("a supervisor's line")
    return leg_name(leg)


def _muted(stay: Participant) -> Seen | None:
    return Seen(_("muted"), stay.read_at) if stay.muted and stay.leg.party != Leg.Party.SUPERVISOR else None


def _locked_because(leg: Leg) -> str:
    if leg.party == Leg.Party.CUSTOMER:
        return _("never a whisper target")
    if leg.party == Leg.Party.SUPERVISOR:
        return _("supervises, never a whisper target")
    if leg.party == Leg.Party.AGENT:
        return ""
    return _("nobody knows whose leg this is, so it is treated as a customer")


def _audience(present: list[Participant], session: SupervisorSession | None, stands: Standing) -> Audience:
    nobody = {"everyone": Heard.NO, "targets": Heard.NO}
    hears = others_hear(session, stands.command, doubts=stands.doubts) if session else nobody
    targets = set(session.targets) if session else set()
    if session:
        for command in (stands.command, *stands.doubts):
            targets |= set(command.targets if command else ())
    listeners = []
    for stay in present:
        if stay.leg.party == Leg.Party.SUPERVISOR:
            continue
        heard = hears["everyone"]
        if heard != Heard.YES and str(stay.leg_id) in targets and hears["targets"] != Heard.NO:
            heard = hears["targets"]
        listeners.append(
            Listener(
                name=leg_name(stay.leg),
                called=_called(stay.leg),
                customer=stay.leg.party != Leg.Party.AGENT,
                unknown=stay.leg.party == Leg.Party.UNKNOWN,
                hears=heard,
                on_hold=bool(stay.on_hold),
            )
        )
    inside = session is not None and session.stage in {SupervisorSession.Stage.INSIDE, SupervisorSession.Stage.LEAVING}
    return audience_of(listeners, role=session.role if session else "", inside=inside, coming=session is not None)


def _called(leg: Leg) -> str:
    if leg.party == Leg.Party.AGENT:
        return leg_name(leg)
    if leg.party == Leg.Party.CUSTOMER:
        return _("the customer %(number)s") % {"number": leg_name(leg)}
    return _("an unknown caller %(number)s") % {"number": leg_name(leg)}


def _roles(
    rights: Rights,
    present: list[Participant],
    session: SupervisorSession | None,
    conference: Conference,
) -> tuple[RoleButton, ...]:
    agents = [leg_name(stay.leg) for stay in present if _is_target(stay)]
    pressed = session.role if session and session.stage == SupervisorSession.Stage.INSIDE else ""
    general = _("This call has ended.") if conference.ended_at is not None else ""
    no_right = _("You have no right to do this here.")
    whisper_off = general or ("" if rights.whisper else no_right)
    if not whisper_off and not agents:
        whisper_off = _("No agent is recognised in this call.")
    return (
        RoleButton(
            role=Role.MONITOR,
            label=_("Monitor"),
            consequence=_("nobody hears you"),
            off_because=general or ("" if rights.monitor else no_right),
            pressed=pressed == Role.MONITOR,
        ),
        RoleButton(
            role=Role.WHISPER,
            label=_("Whisper"),
            consequence=_("only %(agent)s hears you") % {"agent": agents[0].split(" ")[0]}
            if len(agents) == 1
            else _("only whom you choose"),
            off_because=whisper_off,
            pressed=pressed == Role.WHISPER,
        ),
        RoleButton(
            role=Role.BARGE,
            label=_("Barge"),
            consequence=_("everyone hears you"),
            off_because=general or ("" if rights.barge else no_right),
            pressed=pressed == Role.BARGE,
            asks_twice=_("%(audience)s will hear you — press again") % {"audience": _everyone(present)},
        ),
    )


def _stay(rights: Rights, present: list[Participant], session: SupervisorSession | None) -> RoleButton:
    inside = session is not None and session.stage == SupervisorSession.Stage.INSIDE
    off = "" if inside and rights.barge else _("Only from inside the call, and with the right to barge.")
    return RoleButton(
        role=Role.NONE,
        label=_("Stay as participant"),
        consequence=_("everyone hears you, as in a barge"),
        off_because=off,
        pressed=bool(inside and session and session.role == Role.NONE),
        asks_twice=_("%(audience)s will hear you — press again") % {"audience": _everyone(present)},
    )


def _everyone(present: list[Participant]) -> str:
    """Name everyone who would hear a barge: customers first, they are the reason for asking twice."""
    customers = sum(stay.leg.party == Leg.Party.CUSTOMER for stay in present)
    unknown = sum(stay.leg.party == Leg.Party.UNKNOWN for stay in present)
    agents = [leg_name(stay.leg).split(" ")[0] for stay in present if stay.leg.party == Leg.Party.AGENT]
    who = [_("Customer")] if customers == 1 else [_("%(count)d customers") % {"count": customers}] if customers else []
    who += (
        [_("an unknown caller")]
        if unknown == 1
        else [_("%(count)d unknown callers") % {"count": unknown}]
        if unknown
        else []
    )
    return names.listed(who + agents) or _("Everyone")
