"""Builds a conference's row on the floor: frozen values, finished for the template.

A card holds nothing that depends on the moment or on the person who looks: equal cards render to equal bytes, and
"is this card still what was sent?" is `==`. Its words are not translated yet; `translated` does that for one reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from conferences import names
from conferences.thresholds import Thresholds

from .reasons import Clues, Flag, Reason, weight_of


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that Telnyx told, with the time that belongs to it."""

    text: str
    at: datetime | None
    name: str = ""
    """The person it was seen of, where the name is not beside it."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """Somebody's ear in a conference."""

    user_id: int
    name: str
    role: str
    role_label: str
    targets: tuple[str, ...]
    so_far: str
    """The reason why the role is not certain; empty where a reading has confirmed it."""
    steered: bool = True
    """Whether its owner steers it from here, or the center's call flow alone."""

    @property
    def sure(self) -> bool:
        return not self.so_far

    @property
    def headline(self) -> str:
        """The role with how sure it is; on the way in or out, only that."""
        role = self.role_label.lower()
        return f"{role}, {self.so_far}" if self.so_far else f"{role} ✓"


@dataclass(frozen=True, slots=True)
class Speaker:
    """The person who was named last as speaking; Telnyx never says that nobody does."""

    name: str
    party: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Talk:
    """The time that agents, customers and others have talked in the newest turns."""

    seconds: tuple[float, float, float]
    """The sums of the turns that are over."""
    talks: int | None = None
    """The party whose turn runs, as a place in `seconds`; None where nobody talks."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConferenceCard:
    """One row of the floor, and the head of the desk."""

    id: UUID
    name: str
    stand_in: str = field(repr=False)
    """The beginning of Telnyx's id, until the name is known."""
    team_ids: frozenset[int]
    teams: tuple[str, ...]
    agents: tuple[str, ...]
    customers: tuple[str, ...]
    unknown: int
    started_at: datetime | None
    ended_at: datetime | None
    speaker: Speaker | None
    talk: Talk | None
    holds: tuple[Seen, ...]
    supervisors: tuple[Supervision, ...]
    protected: tuple[str, str] | None = None
    """The sentence that nobody may listen to a protected call, and its reason; None for any other call."""
    reasons: tuple[Reason, ...] = ()

    @property
    def why_protected(self) -> str:
        """Return why nobody may listen, empty where one may."""
        return " ".join(self.protected).strip() if self.protected else ""

    @property
    def weight(self) -> int:
        """Return how much it needs somebody."""
        return weight_of(self.reasons)

    @property
    def held_too_long(self) -> bool:
        """Return whether the hold is a reason to look; until then it is shown, and does not look like one."""
        return any(reason.key == Flag.HELD for reason in self.reasons)

    @property
    def urgent(self) -> tuple[Reason, ...]:
        """The reasons that each suffice, except a hold, which is shown with the time when it began."""
        return tuple(reason for reason in self.reasons if reason.suffices and reason.key != Flag.HELD)

    @property
    def minor(self) -> tuple[Reason, ...]:
        return tuple(reason for reason in self.reasons if not reason.suffices)

    @property
    def needs_somebody(self) -> bool:
        """Return whether it counts as “needs me”: for tile, order, filter and row alike."""
        return any(reason.suffices for reason in self.reasons)

    @property
    def supervisor_ids(self) -> tuple[int, ...]:
        return tuple(supervision.user_id for supervision in self.supervisors if supervision.steered)

    @property
    def shows_a_time(self) -> bool:
        """Return whether the reader's time zone makes a difference to the row."""
        return bool(self.holds)


@dataclass(frozen=True, slots=True)
class BuiltCard:
    """A card before its reasons are known, with the values that searching, filtering and the reasons need.

    Nothing in it depends on the time of day; an Entry is one at a moment. The values are never shown or logged.
    """

    card: ConferenceCard
    clues: Clues
    thresholds: Thresholds
    named_agents: Mapping[int, str]
    """The names of the agents in the call, by id."""
    named_teams: Mapping[int, str]
    queues: frozenset[str]
    """As Window.queue spells them."""
    named_queues: Mapping[str, str]
    numbers: frozenset[str] = field(repr=False)
    """The customers' whole numbers in digits, with and without their country code, and whole SIP names."""
    supervisions: tuple[object, ...] = ()
    """The rows from which the card's supervisors were built."""

    @property
    def agent_ids(self) -> tuple[int, ...]:
        return tuple(self.named_agents)


def translated(card: ConferenceCard) -> ConferenceCard:
    """Return the card in the reader's language."""
    return replace(
        card,
        name=card.name or names.stand_in(card.stand_in),
        customers=tuple(_(customer) for customer in card.customers),
        speaker=card.speaker and replace(card.speaker, name=_(card.speaker.name)),
        holds=tuple(replace(seen, text=_(seen.text), name=_(seen.name) if seen.name else "") for seen in card.holds),
        supervisors=tuple(_translated_supervision(one) for one in card.supervisors),
        protected=card.protected and (_(card.protected[0]), card.protected[1]),
    )


def _translated_supervision(one: Supervision) -> Supervision:
    return replace(one, role_label=_(one.role_label), so_far=_(one.so_far) if one.so_far else "")
