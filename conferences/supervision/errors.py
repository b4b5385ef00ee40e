"""Explains refusals and hang-ups to a supervisor, and names the next step."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from conferences.models import Command
from conferences.models.supervision import Role
from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.refusals import Refusal, cause_of

CONFERENCE_ENDED = "90019"
CALL_ENDED = "90018"
UNKNOWN_CALL = "90015"
ALREADY_INSIDE = "90044"
NOT_ANSWERED_YET = "90034"
NOT_SILENCED = gettext_noop("Telnyx refused to silence your phone, so it was taken out of the call.")
_IN_A_CONFERENCE = {Command.Kind.JOIN, Command.Kind.UPDATE, Command.Kind.LEAVE}
_BY_CAUSE: dict[Refusal, Promise] = {
    Refusal.KEY: gettext_lazy("Telnyx refuses the API key. Ask an admin to check it."),
    Refusal.ACCOUNT: gettext_lazy("The Telnyx account is inactive, blocked or not verified. Ask an admin."),
    Refusal.FEATURE: gettext_lazy("The Telnyx account does not have this feature. Ask an admin."),
    Refusal.RATE: gettext_lazy("Telnyx received too many requests. Wait a few seconds and try again."),
    Refusal.NO_PROFILE: gettext_lazy(
        "Floorline cannot ring phones: it has no outbound voice profile at Telnyx. Ask an admin to assign one."
    ),
    Refusal.PROFILE: gettext_lazy("Telnyx does not allow this call (outbound voice profile). Ask an admin."),
    Refusal.COUNTRY: gettext_lazy(
        "Telnyx may not call the country of your phone. Ask an admin to allow it in the outbound voice profile."
    ),
    Refusal.CALLER_NUMBER: gettext_lazy(
        "Telnyx does not accept the number that your phone would show. Ask an admin to check it."
    ),
    Refusal.NUMBER: gettext_lazy("Telnyx does not accept the number of your phone. Ask an admin to check it."),
    Refusal.CONNECTION: gettext_lazy("Telnyx does not accept Floorline's application. Ask an admin to check its ID."),
    Refusal.ACCOUNT_LINES: gettext_lazy("Too many calls at once for this Telnyx account. Try again later."),
    Refusal.PROFILE_LINES: gettext_lazy("Too many calls at once for the outbound voice profile. Try again later."),
    Refusal.CONNECTION_LINES: gettext_lazy("Too many calls at once for Floorline's application. Try again later."),
    Refusal.CONFERENCE_ENDED: gettext_lazy("This call has ended."),
    Refusal.CONFERENCE_UNKNOWN: gettext_lazy("Telnyx no longer knows this call. It has probably ended."),
    Refusal.CONFERENCE_FULL: gettext_lazy("This call is full. Telnyx lets nobody else in."),
    Refusal.CALL_UNKNOWN: gettext_lazy("Your phone is no longer connected. Press Monitor to connect it again."),
    Refusal.CALL_ENDED: gettext_lazy("Your phone has hung up. Press Monitor to connect it again."),
    Refusal.NOT_ANSWERED: gettext_lazy("You have not picked up your phone yet. Pick up and try again."),
    Refusal.ALREADY_INSIDE: gettext_lazy("Your phone is already in this call."),
}
_HANGUPS: dict[str, Promise] = {
    "user_busy": gettext_lazy("Your phone is busy."),
    "no_answer": gettext_lazy("Your phone was not answered."),
    "timeout": gettext_lazy("Your phone was not answered."),
    "call_rejected": gettext_lazy("Your phone rejected the call."),
    "not_found": gettext_lazy("Telnyx does not find your phone. Ask an admin to check its address."),
    "time_limit": gettext_lazy("Telnyx hung up your phone after four hours. Press Monitor to connect it again."),
}


class Refused(Exception):
    """A click that sends no louder role; `sentence` says why, in the user's language.

    The line may have left another call for it, or have been rung.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


_NOT_ALLOWED: dict[str, Promise] = {
    Role.MONITOR: gettext_lazy("You are not allowed to monitor in this team."),
    Role.WHISPER: gettext_lazy("You are not allowed to whisper in this team."),
    Role.BARGE: gettext_lazy("You are not allowed to barge in this team."),
    Role.NONE: gettext_lazy("You are not allowed to barge in this team."),
}


def not_allowed_anywhere() -> str:
    """Return why the phone of somebody who may listen in no team is not rung."""
    return _("You are not allowed to listen to any calls. Ask an admin if you need to.")


def not_allowed(role: str) -> str:
    """Return why somebody without the right cannot take this role."""
    return str(_NOT_ALLOWED[role])


def explain(error: Rejected | Unanswered, *, kind: str) -> str:
    """Return what Telnyx answered to a command of this kind, in the words of someone who wants to hear a call."""
    if isinstance(error, Unanswered):
        return _("Telnyx has not answered. Floorline is checking.")
    cause = cause_of(
        status=error.status,
        code=error.code,
        carrier_code=error.carrier_code,
        dialled=kind == Command.Kind.DIAL,
        conference=kind in _IN_A_CONFERENCE,
    )
    if cause in _BY_CAUSE:
        return str(_BY_CAUSE[cause])
    told = {"status": error.status, "code": error.codes or "–"}
    if cause is Refusal.NOT_ALLOWED:
        return _("Telnyx does not allow this (HTTP %(status)s, code %(code)s). Ask an admin.") % told
    return _("Telnyx refused this (HTTP %(status)s, code %(code)s). Ask an admin.") % told


def explain_hangup(cause: str, *, answered: bool) -> str:
    """Return why the supervisor's line is gone."""
    if cause in _HANGUPS:
        return str(_HANGUPS[cause])
    if answered:
        return _("Your phone hung up.")
    return _("Your phone could not be reached. Check that it is on and registered.")
