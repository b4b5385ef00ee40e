"""Dials the probe's own legs, finds them by their mark, and hangs them up at the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from conferences.recognition.probes import client_state_of_probe
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.roles import MyLeg

from .capture import Capture
from .client import ProbeClient

Party = Literal["supervisor", "agent", "customer"]
PARTIES: tuple[Party, ...] = ("customer", "agent", "supervisor")
HANG_UP_TRIES = 5


class ProbeFailed(Exception):
    """Why the probe could not go on, as a sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class ProbePhones:
    """The phones to ring and their applications: agent and customer may be dialled on another one of the account."""

    supervisor: str
    agent: str
    customer: str
    from_number: str
    ear_connection_id: str
    other_connection_id: str = ""


class TestLegs:
    """The three legs of one probe."""

    __test__ = False  # no test class, whatever pytest makes of its name

    def __init__(self, *, client: ProbeClient, phones: ProbePhones, run: str, capture: Capture) -> None:
        self._client, self._phones, self._capture = client, phones, capture
        self._mark = client_state_of_probe(run)
        self._legs: dict[Party, MyLeg] = {}
        for value, words in (
            (self._mark, "the probe's mark"),
            (phones.supervisor, "the supervisor's phone"),
            (phones.agent, "the agent's phone"),
            (phones.customer, "the customer's phone"),
            (phones.from_number, "the caller number"),
            (phones.ear_connection_id, "the ear application"),
            (phones.other_connection_id, "the other application"),
        ):
            capture.name(value, words)

    def __getitem__(self, party: Party) -> MyLeg:
        return self._legs[party]

    def dial(self, party: Party) -> None:
        """Ring one phone. Raises ProbeFailed where Telnyx does not accept that, or does not say."""
        phones = self._phones
        own = party == "supervisor" or not phones.other_connection_id
        self._capture.step = f"dial {party}"
        address = {"supervisor": phones.supervisor, "agent": phones.agent, "customer": phones.customer}[party]
        try:
            self._legs[party] = self._client.dial_test_leg(
                command_id=uuid4(),
                connection_id=phones.ear_connection_id if own else phones.other_connection_id,
                to=address,
                from_number=phones.from_number,
                mark=self._mark,
            )
        except (Rejected, Unanswered) as error:
            raise ProbeFailed(f"The {party}'s phone could not be rung ({in_short(error)}).") from error
        self._capture.name_leg(self._legs[party], f"the {party}'s leg")

    def all_alive(self) -> None:
        """Raise ProbeFailed where a phone hung up meanwhile: what it did not hear then means nothing."""
        for party, leg in self._legs.items():
            if self._is_dead(leg):
                raise ProbeFailed(f"The {party}'s phone hung up during the probe.")

    def hang_up_all(self, *, pause: Callable[[float], None]) -> int:
        """Hang up every leg until Telnyx knows none that is alive; return how many may still be."""
        alive = set(self._legs.values()) | self._marked()
        for attempt in range(HANG_UP_TRIES):
            for leg in alive:
                self._hang_up(leg)
            pause(1 + attempt)
            alive = {leg for leg in alive | self._marked() if not self._is_dead(leg)}
            if not alive:
                break
        return len(alive)

    def _hang_up(self, leg: MyLeg) -> None:
        try:
            self._client.hangup(command_id=uuid4(), my_leg=leg)
        except (Rejected, Unanswered):
            return  # reading whether it is dead decides, and it is tried again

    def _marked(self) -> set[MyLeg]:
        """Return the living legs with our mark (T20), also those whose dial was never answered to us."""
        found: set[MyLeg] = set()
        for connection_id in {self._phones.ear_connection_id, self._phones.other_connection_id} - {""}:
            try:
                found |= set(self._client.legs_marked(connection_id=connection_id, mark=self._mark))
            except (Rejected, Unanswered):
                continue
        return found

    def _is_dead(self, leg: MyLeg) -> bool:
        try:
            return not self._client.call(leg).is_alive
        except Rejected as error:
            return error.means_gone
        except Unanswered:
            return False


def in_short(error: Rejected | Unanswered) -> str:
    """Return what Telnyx answered, as a status and a code; it may stand in a report, so a code has five digits."""
    if not isinstance(error, Rejected):
        return "no answer"
    return f"{error.status} {error.code}" if re.fullmatch(r"[0-9]{5}", error.code) else str(error.status)
