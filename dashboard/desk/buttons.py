"""Builds the buttons of the desk: each role's consequence, why it is off, and the state of its press."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from conferences import names
from conferences.models import Conference, Leg, Participant
from conferences.models.supervision import Role
from conferences.permissions import Rights
from conferences.supervision import not_allowed

from .claim import Claim, State, Step


@dataclass(frozen=True, slots=True)
class RoleButton:
    """A role as it may be chosen now; the decision is made here, the template only draws it."""

    role: str
    label: str
    consequence: str
    off_because: str
    claim: Claim | None = None
    """The claim that the button shows where its role was asked for last."""
    asks_twice: str = ""
    """The sentence after a first press where a second one is needed."""

    @property
    def about(self) -> str:
        """Return the text below the button: why it is off, how far its press has come, or its consequence."""
        return self.off_because or (_so_far(self.claim) if self.claim else "") or self.consequence


def is_target(participant: Participant) -> bool:
    """Return whether a leg can be chosen for a whisper."""
    return participant.leg.party == Leg.Party.AGENT and participant.leg.agent_id is not None


def role_buttons(
    rights: Rights,
    present: list[Participant],
    pressed: Claim | None,
    conference: Conference,
    *,
    protected: str,
) -> tuple[RoleButton, ...]:
    """Return Monitor, Whisper and Barge; `pressed` is the claim that the one that was asked for last shows.

    `protected` says why nobody may listen to the call, where it is so.
    """
    agents = [names.leg_name(participant.leg) for participant in present if is_target(participant)]
    asked = pressed.role if pressed else ""
    general = _("This call has ended.") if conference.ended_at is not None else protected
    whisper_off = general or ("" if rights.whisper else not_allowed(Role.WHISPER))
    if not whisper_off and not agents:
        whisper_off = _("No known agent is on this call.")
    return (
        RoleButton(
            role=Role.MONITOR,
            label=_("Monitor"),
            consequence=_("nobody hears you"),
            off_because=general or ("" if rights.monitor else not_allowed(Role.MONITOR)),
            claim=pressed if asked == Role.MONITOR else None,
        ),
        RoleButton(
            role=Role.WHISPER,
            label=_("Whisper"),
            consequence=_("only %(agent)s hears you") % {"agent": agents[0].split(" ")[0]}
            if len(agents) == 1
            else _("only the agents you pick"),
            off_because=whisper_off,
            claim=pressed if asked == Role.WHISPER else None,
        ),
        RoleButton(
            role=Role.BARGE,
            label=_("Barge"),
            consequence=_("everyone hears you"),
            off_because=general or ("" if rights.barge else not_allowed(Role.BARGE)),
            claim=pressed if asked == Role.BARGE else None,
            asks_twice=_("%(audience)s will hear you. Press again.") % {"audience": _everyone(present)},
        ),
    )


def stay_button(rights: Rights, present: list[Participant], pressed: Claim | None) -> RoleButton:
    """Return the button to stay in the call as its participant."""
    inside = pressed is not None and pressed.step is Step.INSIDE
    off = "" if inside and rights.barge else _("Only when you are in the call and allowed to barge.")
    return RoleButton(
        role=Role.NONE,
        label=_("Stay in the call"),
        consequence=_("everyone hears you, same as Barge"),
        off_because=off,
        claim=pressed if pressed and pressed.role == Role.NONE else None,
        asks_twice=_("%(audience)s will hear you. Press again.") % {"audience": _everyone(present)},
    )


def _so_far(claim: Claim) -> str:
    """Return how far a press has come; nothing once a reading has shown it, as then its consequence is true."""
    if claim.step is Step.JOINING:
        return _("joining…")
    told = {
        State.ASKED: _("switching…"),
        State.ACCEPTED: _("switching…"),
        State.VERIFIED: "",
        State.UNCONFIRMED: _("sent, not confirmed"),
        State.CONTRADICTED: _("Telnyx shows another role"),
        State.UNKNOWN: _("not confirmed yet"),
    }
    return told[claim.state]


def _everyone(present: list[Participant]) -> str:
    """Name everyone who would hear a barge: customers first, they are the reason for asking twice."""
    customers = sum(participant.leg.party == Leg.Party.CUSTOMER for participant in present)
    unknown = sum(participant.leg.party == Leg.Party.UNKNOWN for participant in present)
    agents = [
        names.leg_name(participant.leg).split(" ")[0]
        for participant in present
        if participant.leg.party == Leg.Party.AGENT
    ]
    who = [_("Customer")] if customers == 1 else [_("%(count)d customers") % {"count": customers}] if customers else []
    who += (
        [_("an unknown caller")]
        if unknown == 1
        else [_("%(count)d unknown callers") % {"count": unknown}]
        if unknown
        else []
    )
    return names.listed(who + agents) or _("Everyone")
