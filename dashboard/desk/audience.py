"""Builds the picture of who hears the supervisor: one circle for them, one for everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from conferences import names
from conferences.models.supervision import Role

from .claim import Claim, Heard, State, Step
from .command_status import role_label
from .ear import MyEar, Place

SHOWN = 4
HEIGHT = 132
"""The height of every picture: who joins must not move the buttons below it."""
WIDEST = 46
"""The most room that one listener takes in it."""


class Hears(StrEnum):
    """The answer to whether one listener hears the supervisor."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody else in the conference, and whether they hear me."""

    name: str
    called: str
    """The name as a sentence says it."""
    customer: bool
    """A customer, or an unknown leg, which is treated as one."""
    unknown: bool
    hears: Hears
    on_hold: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A listener's place in the picture."""

    name: str
    initial: str
    words: str
    hears: Hears
    customer: bool
    y: int


@dataclass(frozen=True, slots=True)
class HearingPicture:
    """The picture and its sentence, both drawn from one claim."""

    claim: Claim
    sentence: str
    warning: str
    role: str
    inside: bool
    elsewhere: bool
    """Whether the claim is about another call than the one on the desk."""
    nodes: tuple[Node, ...]
    more: int
    height: int = HEIGHT
    middle: int = HEIGHT // 2


def audience_here(claim: Claim, listeners: Sequence[Listener], *, gone: Sequence[str] = ()) -> HearingPicture:
    """Draw and say who hears a supervisor in the call on the desk; `gone` names those a whisper does not find there."""
    inside = claim.step in {Step.JOINING, Step.INSIDE, Step.LEAVING}
    sentence = _sentence(claim, listeners)
    return _drawn(claim, listeners, sentence=sentence, warning=_warning(claim, listeners, gone), inside=inside)


def audience_elsewhere(ear: MyEar, listeners: Sequence[Listener]) -> HearingPicture:
    """Draw a call that the supervisor is not in, and say where they are and who hears them there."""
    said = sentence_from_outside(ear)
    return _drawn(ear.claim, listeners, sentence=said, inside=False, elsewhere=ear.place is Place.IN_CONFERENCE)


def _drawn(
    claim: Claim,
    listeners: Sequence[Listener],
    *,
    sentence: str,
    warning: str = "",
    inside: bool,
    elsewhere: bool = False,
) -> HearingPicture:
    shown = listeners[:SHOWN]
    return HearingPicture(
        claim=claim,
        sentence=sentence,
        warning=warning,
        role=claim.role if inside else "",
        inside=inside,
        elsewhere=elsewhere,
        nodes=tuple(
            Node(
                name=listener.name,
                initial=_initial(listener),
                words=_words(listener, deaf=inside and claim.is_certain),
                hears=listener.hears,
                customer=listener.customer,
                y=y,
            )
            for listener, y in zip(shown, _places(len(shown)), strict=True)
        ),
        more=len(listeners) - len(shown),
    )


def _places(count: int) -> list[int]:
    """Return where the circles of so many listeners stand, around the middle of the picture."""
    room = min(WIDEST, HEIGHT // max(1, count))
    first = (HEIGHT - room * count + room) // 2
    return [first + room * number for number in range(count)]


def hears(claim: Claim, leg_id: str) -> Hears:
    """Return whether one leg hears the supervisor."""
    if leg_id not in claim.may_hear:
        return Hears.NO
    return Hears.MAYBE if claim.heard is Heard.MAYBE else Hears.YES


def _sentence(claim: Claim, listeners: Sequence[Listener]) -> str:
    hearing = [listener.called for listener in listeners if listener.hears != Hears.NO]
    said = {"names": capfirst(names.listed(hearing)) or _("Somebody"), "role": role_label(claim.role)}
    if claim.step is Step.LEAVING:
        return _("Leaving. %(names)s may still hear you.") % said if hearing else _("Leaving…")
    if claim.step is Step.COMING:
        return _("Joining. Your phone is not in the call yet.")
    if claim.heard is Heard.NOBODY:
        return _silence(claim) % said
    if claim.heard is Heard.MAYBE:
        return _doubt(claim) % {**said, "careful": names.listed(hearing) or _("somebody")}
    if not hearing:
        return _("Nobody you chose is on the call now.")
    if claim.heard is Heard.EVERYONE:
        return _("Everyone hears you: %(names)s.") % {"names": names.listed(hearing)}
    only = _("Only %(names)s hears you.") if len(hearing) == 1 else _("Only %(names)s hear you.")
    deaf = _("The customer does not.") if any(listener.customer for listener in listeners) else ""
    return f"{only % {'names': names.listed(hearing)}} {deaf}".strip()


def _silence(claim: Claim) -> str:
    if claim.is_certain:
        return _("Nobody hears you. You hear everyone.")
    if claim.step is Step.JOINING:
        return _("Joining on Monitor…")
    if claim.state is State.UNCONFIRMED:
        return _("You are on %(role)s. Telnyx can't confirm it.")
    return _("Switching to %(role)s…")


def _doubt(claim: Claim) -> str:
    if claim.state in {State.ASKED, State.ACCEPTED}:
        if claim.role == Role.MONITOR:
            return _("Switching to Monitor. %(names)s may still hear you.")
        return _("Switching to %(role)s. %(names)s may hear you.")
    if claim.state is State.UNCONFIRMED:
        return _("%(role)s was sent, but Telnyx can't confirm it. Careful: %(careful)s may hear you.")
    if claim.state is State.CONTRADICTED:
        return _("Telnyx shows something other than %(role)s. Careful: %(careful)s may hear you.")
    return _("Careful: %(careful)s may hear you.")


def sentence_from_outside(ear: MyEar) -> str:
    """Return where a supervisor is and who hears them, for a place that shows another call or none."""
    said = {"call": ear.conference_name, "names": names.listed(list(ear.hearing)) or _("somebody")}
    if ear.place is Place.IN_CONFERENCE:
        return _there(ear.claim, alone=len(ear.hearing) == 1) % said
    if ear.place is Place.PARKED:
        return _("Your phone is connected and in no call. Nobody hears you.")
    if ear.place is Place.HANGING_UP:
        return _("You are not in this call. Your phone is being hung up.")
    return _("You are not in this call. Nobody hears you.")


def _there(claim: Claim, *, alone: bool) -> str:
    if claim.step is Step.LEAVING:
        return (
            _("You are leaving %(call)s: %(names)s may still hear you there.")
            if claim.may_hear
            else _("You are leaving %(call)s.")
        )
    joins = claim.step in {Step.COMING, Step.JOINING}
    if joins and claim.heard is Heard.NOBODY:
        return _("You are joining %(call)s silently.")
    if joins and claim.heard is Heard.MAYBE:
        return _("You are joining %(call)s: careful, %(names)s may hear you there.")
    if claim.heard is Heard.EVERYONE:
        return _("You are in %(call)s: everyone hears you there.")
    if claim.heard is Heard.CHOSEN:
        only = _("You are in %(call)s: only %(names)s hears you there.")
        return only if alone else _("You are in %(call)s: only %(names)s hear you there.")
    if claim.heard is Heard.MAYBE:
        return _("You are in %(call)s: careful, %(names)s may hear you there.")
    if claim.is_certain:
        return _("You are in %(call)s: nobody hears you there.")
    return _("You are in %(call)s on Monitor. Telnyx has not confirmed it.")


def _warning(claim: Claim, listeners: Sequence[Listener], gone: Sequence[str]) -> str:
    held = [listener.called for listener in listeners if listener.hears != Hears.NO and listener.on_hold]
    told = []
    if held:
        told.append(_("%(names)s cannot hear you now: on hold.") % {"names": capfirst(names.listed(held))})
    if gone and claim.heard is not Heard.NOBODY:
        told.append(_("%(names)s cannot hear you now: not in the call.") % {"names": names.listed(list(gone))})
    return " ".join(told)


def _initial(listener: Listener) -> str:
    if listener.unknown:
        return "?"
    if listener.customer:
        return _("C")
    return "".join(word[0] for word in listener.name.split()[:2]).upper()


def _words(listener: Listener, *, deaf: bool) -> str:
    who = _("unknown") if listener.unknown else _("customer") if listener.customer else _("agent")
    if listener.hears == Hears.MAYBE:
        return _("%(who)s · may hear you") % {"who": who}
    if listener.hears == Hears.YES:
        return _("%(who)s · hears you") % {"who": who}
    return _("%(who)s · does not hear you") % {"who": who} if deaf else who
