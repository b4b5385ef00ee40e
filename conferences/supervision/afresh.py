"""A louder click on a floor that is not live: who is in the call is asked of Telnyx, not believed of the board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from conferences.clients import client_for
from conferences.listings import note_participants
from conferences.models import Conference
from conferences.models.supervision import Role
from conferences.telnyx.client import Rejected, Unanswered

from .commands import LOUD, clock, target_call_control_ids
from .readback import READ_PATIENCE
from .words import Refused


def needs_reading(conference: Conference, *, role: Role, now: datetime) -> bool:
    """Say whether what the board knows of a conference is too old for a role that somebody would hear."""
    return role in LOUD and not conference.account.is_live(now=now)


def read_afresh(conference: Conference, *, listeners: Sequence[UUID]) -> None:
    """Put on the board who is in a conference now; raise Refused where Telnyx does not say, or a listener is gone.

    Whoever came is on the board at once, and whoever is named as having left is not; the audience is compared after
    that. Who is only not named stays on the board until a second look, but is no target of a whisper.
    """
    at = clock()
    try:
        reads = client_for(conference.account).participants(
            conference.telnyx_id, with_left=True, patience=READ_PATIENCE
        )
    except (Rejected, Unanswered) as error:
        raise Refused(
            _("The floor is not live, and Telnyx could not be asked who is in this call. Try again in a moment.")
        ) from error
    note_participants(conference=conference, reads=reads, at=at)
    inside = {read.call_control_id for read in reads if read.status != "left"}
    if not inside.issuperset(target_call_control_ids([str(pk) for pk in listeners])):
        raise Refused(_("Someone you chose is no longer in this conference. Look again and choose anew."))
