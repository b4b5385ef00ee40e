"""Simulates the supervisors' phones: which answer, press 1, are busy or are away."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from conferences.sandbox.telephony import calls, membership
from conferences.sandbox.telephony.state import SandboxLeg
from conferences.sandbox.telephony.world import World

Behaviour = Literal["answers", "busy", "no_answer", "voicemail", "rejects", "not_registered", "no_sip_calling"]
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)

SIP_ANSWERS_S = 0.6
NUMBER_ANSWERS_S = 1.5
PRESSES_S = 1.5
REFUSES_S = 0.5

_REFUSALS: dict[Behaviour, tuple[str, str]] = {
    "busy": ("user_busy", "486"),
    "rejects": ("call_rejected", "603"),
    "not_registered": ("unspecified", "480"),
    # Documented nowhere; a guess.
    "no_sip_calling": ("call_rejected", "403"),
}


@dataclass
class Phones:
    """The phones' behaviour: each answers unless ordered otherwise; only numbers press 1, since SIP lines need not."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)

    def set(self, *, address: str, behaviour: Behaviour) -> None:
        self.behaviours[_plain(address)] = behaviour

    def pick_up(self, world: World, *, address: str) -> None:
        """Let a phone that rings now be answered."""
        for leg in list(world.legs.values()):
            if leg.direction == "outgoing" and _plain(leg.to) == _plain(address):
                _pick_up(world, leg, None)

    def behaviour(self, leg: SandboxLeg) -> Behaviour:
        return self.behaviours.get(_plain(leg.to), "answers")

    def ring(self, world: World, leg: SandboxLeg, *, answered: Callable[[SandboxLeg], None] | None = None) -> None:
        """Let the dialled phone ring and do what it does; `answered` follows right after a call.answered."""
        behaviour = self.behaviour(leg)
        if refusal := _REFUSALS.get(behaviour):
            world.after(REFUSES_S, _end, world, leg, refusal[0], "callee", refusal[1])
            return
        world.after(leg.timeout_s, _give_up, world, leg)
        if behaviour != "no_answer":
            world.after(SIP_ANSWERS_S if _is_sip(leg.to) else NUMBER_ANSWERS_S, _pick_up, world, leg, answered)

    def asked(self, world: World, leg: SandboxLeg) -> None:
        """Answer a request for a digit: a person presses 1, a mailbox does not."""
        if leg.direction == "outgoing" and not _is_sip(leg.to) and self.behaviour(leg) == "answers":
            world.after(PRESSES_S, _press_one, world, leg)


def _pick_up(world: World, leg: SandboxLeg, answered: Callable[[SandboxLeg], None] | None) -> None:
    if leg.state == "ringing":
        calls.answer(world, leg)
        if answered:
            answered(leg)
        world.after(leg.time_limit_s, _end, world, leg, "time_limit", "unknown", "200")


def _give_up(world: World, leg: SandboxLeg) -> None:
    if leg.state == "ringing":
        _end(world, leg, "timeout", "unknown", "487")


def _press_one(world: World, leg: SandboxLeg) -> None:
    if leg.gather is not None:
        calls.press(world, leg, digit="1")


def _end(world: World, leg: SandboxLeg, cause: str, source: str, sip: str) -> None:
    membership.hangup(world, leg, cause=cause, source=source, sip=sip)


def _is_sip(address: str) -> bool:
    return address.lower().startswith(("sip:", "sips:"))


def _plain(address: str) -> str:
    """Strip what may follow an address: encryption, digits to dial after the answer."""
    return re.split("[;,]", address, maxsplit=1)[0].strip().lower()
