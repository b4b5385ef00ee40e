"""What a supervisor reads when something did not work: what happened, and what to do."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.telnyx.client import Rejected, Unanswered

CONFERENCE_ENDED = "90019"
CALL_ENDED = "90018"
UNKNOWN_CALL = "90015"
ALREADY_INSIDE = "90044"
NOT_ANSWERED_YET = "90034"

_BY_CODE: dict[str, Promise] = {
    "90019": gettext_lazy("This conference has ended."),
    "90058": gettext_lazy("Telnyx does not know this conference any more; it has probably ended."),
    "90015": gettext_lazy("Your line is no longer connected. Choose Monitor to connect it again."),
    "90018": gettext_lazy("Your line has hung up. Choose Monitor to connect it again."),
    "90034": gettext_lazy("Your line has not answered yet. Pick it up and try again."),
    "90044": gettext_lazy("Your line is already in this conference."),
    "90032": gettext_lazy("The conference is full; Telnyx lets nobody else in."),
    "90041": gettext_lazy("No free line: the account's limit of simultaneous calls is reached. Try again later."),
    "90042": gettext_lazy("No free line: the outbound profile's limit is reached. Try again later."),
    "90043": gettext_lazy("No free line: the ear application's limit is reached. Try again later."),
    "10015": gettext_lazy("Telnyx does not accept the ear application. Ask an administrator to check its id."),
    "10016": gettext_lazy("Telnyx does not accept the number. Ask an administrator to check your line."),
}


class Refused(Exception):
    """A click that changes nothing; `sentence` says why, in the user's language."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def explain(error: Rejected | Unanswered) -> str:
    """Say what Telnyx answered, in the words of someone who wants to hear a call."""
    if isinstance(error, Unanswered):
        return _("Telnyx has not answered. Floorline is checking what it did.")
    if error.code in _BY_CODE:
        return str(_BY_CODE[error.code])
    if error.status in {401, 403}:
        return _("Telnyx refuses the API key. Ask an administrator to check it.")
    if error.status == 429:
        return _("Telnyx' rate limit is reached. Wait a few seconds and try again.")
    if error.status == 404:
        return _("Telnyx does not know this conference any more; it has probably ended.")
    return _("Telnyx refused this (HTTP %(status)s, code %(code)s). Ask an administrator.") % {
        "status": error.status,
        "code": error.code or "–",
    }


_HANGUPS: dict[str, Promise] = {
    "user_busy": gettext_lazy("Your line is busy."),
    "no_answer": gettext_lazy("Your line was not answered."),
    "timeout": gettext_lazy("Your line was not answered."),
    "call_rejected": gettext_lazy("Your phone rejected the call."),
    "not_found": gettext_lazy("Your line does not exist. Ask an administrator to check its address."),
    "time_limit": gettext_lazy("Telnyx ended your line after four hours. Choose Monitor to connect it again."),
}


def explain_hangup(cause: str, *, answered: bool) -> str:
    """Say why the supervisor's line is gone."""
    if cause in _HANGUPS:
        return str(_HANGUPS[cause])
    if answered:
        return _("Your line hung up.")
    return _("Your line could not be reached. Check that the phone is on and registered.")
