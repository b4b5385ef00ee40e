"""Reads everything that a Telnyx account has set up, as far as its key may see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext as _

from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.refusals import Refusal, cause_of
from conferences.telnyx.setup import (
    Application,
    CredentialConnection,
    Listed,
    OutboundProfile,
    PhoneNumber,
    SetupClient,
    TelephonyCredential,
)

from .refusal_words import in_words

_Row = TypeVar("_Row")
# The next request would be refused for the same reason.
_OF_THE_WHOLE_KEY = {Refusal.KEY, Refusal.ACCOUNT, Refusal.RATE}


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that a key can see; a listing that it may not read is empty, and `problems` says why."""

    applications: Listed[Application]
    connections: Listed[CredentialConnection]
    credentials: Listed[TelephonyCredential]
    numbers: Listed[PhoneNumber]
    profiles: Listed[OutboundProfile]
    problems: tuple[str, ...] = ()

    def names(self) -> dict[str, str]:
        """Return the names of applications and connections by their ids: what can have a role in Floorline."""
        names = {each.id: each.name for each in self.applications.rows}
        return names | {each.id: each.name for each in self.connections.rows}

    def application(self, application_id: str) -> Application | None:
        """Return the application of that id, if the key can see it."""
        return next((each for each in self.applications.rows if each.id == application_id), None)


def read_inventory(client: SetupClient) -> Inventory:
    """Read all listings, one after the other; what a whole key is refused is asked once."""
    reader = _Reader()
    return Inventory(
        applications=reader.read(_("Applications"), client.applications),
        connections=reader.read(_("Connections"), client.credential_connections),
        credentials=reader.read(_("Phones’ user names"), client.telephony_credentials),
        numbers=reader.read(_("Numbers"), client.phone_numbers),
        profiles=reader.read(_("Outbound voice profiles"), client.outbound_profiles),
        problems=tuple(reader.problems),
    )


class _Reader:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self._gave_up = False

    def read(self, what: str, ask: Callable[[], Listed[_Row]]) -> Listed[_Row]:
        if self._gave_up:
            return Listed(complete=False)
        try:
            listing = ask()
        except (Rejected, Unanswered) as error:
            self._gave_up = _is_of_the_whole_key(error)
            sentence = in_words(error)
            self.problems.append(sentence if self._gave_up else f"{what}: {sentence}")
            return Listed(complete=False)
        if not listing.complete:
            self.problems.append(
                _("%(what)s: only the first %(count)d are shown.") % {"what": what, "count": len(listing.rows)}
            )
        return listing


def _is_of_the_whole_key(error: Rejected | Unanswered) -> bool:
    """Return whether the next request would fail as this one did."""
    if isinstance(error, Unanswered):
        return True
    return cause_of(status=error.status, code=error.code, carrier_code=error.carrier_code) in _OF_THE_WHOLE_KEY
