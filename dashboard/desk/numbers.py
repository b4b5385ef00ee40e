"""Shows a masked number in full to whoever has the right, and notes each time in the audit."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from conferences import audit, names
from conferences.audit import Action
from conferences.models import Conference, Leg
from conferences.permissions import rights_book, teams_of


class NumberRefused(Exception):
    """A number that stays masked; `sentence` says why, in the viewer's language."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def is_masked(leg: Leg) -> bool:
    """Return whether a desk shows the leg by a masked number."""
    return leg.party != Leg.Party.SUPERVISOR and leg.agent_id is None and bool(names.number_in(leg.far_end))


def show_number(*, viewer: User, conference: Conference, leg: Leg, now: datetime) -> str:
    """Return the whole number of a leg, once it is noted who had it shown. Raises NumberRefused without the right."""
    may = rights_book(viewer).in_teams(teams_of(conference)).numbers
    if not is_masked(leg):
        raise NumberRefused(_("There is no number to show."))
    audit.record(
        Action.NUMBER_SHOWN if may else Action.NUMBER_REFUSED,
        at=now,
        actor=viewer,
        conference=conference,
        targets=[leg.pk],
        detail=names.masked(leg.far_end),
    )
    if not may:
        raise NumberRefused(_("You are not allowed to see numbers in this team."))
    return names.harmless(leg.far_end, limit=Leg._meta.get_field("to_address").max_length or 200)
