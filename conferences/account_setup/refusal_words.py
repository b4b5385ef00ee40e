"""Puts what Telnyx refuses during the set-up into sentences for the admin who waits for it."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.telnyx.errors import Rejected, Unanswered
from conferences.telnyx.refusals import Refusal, cause_of

_LOOK_AT_THE_ACCOUNT = gettext_lazy(
    "The Telnyx account is inactive, blocked or not verified. Look at it in the portal."
)
_SENTENCES: Mapping[Refusal, Promise] = {
    Refusal.KEY: gettext_lazy(
        "Telnyx does not know this API key. Copy it again from the portal (Keys & Credentials) into this account."
    ),
    Refusal.NOT_ALLOWED: gettext_lazy(
        "Telnyx knows the API key, but the key may not do this. Give it the right in the portal."
    ),
    Refusal.ACCOUNT: _LOOK_AT_THE_ACCOUNT,
    Refusal.FEATURE: _LOOK_AT_THE_ACCOUNT,
    Refusal.RATE: gettext_lazy("Telnyx limits the requests of this key at the moment. Try again in a minute."),
}


def why_refused(*, status: int, code: str, title: str = "", carrier_code: str = "") -> str:
    """Return why Telnyx refused something, and what to do about it."""
    cause = cause_of(status=status, code=code, carrier_code=carrier_code)
    if cause in _SENTENCES:
        return str(_SENTENCES[cause])
    return _("Telnyx refused: %(answer)s.") % {"answer": f"{status} {code} {title}".strip()}


def in_words(error: Rejected | Unanswered) -> str:
    """Return what went wrong with a request to Telnyx, and what to do about it."""
    if isinstance(error, Unanswered):
        return _(
            "Telnyx did not answer. Can this machine reach the internet by HTTPS, without a proxy? Then try again."
        )
    return why_refused(status=error.status, code=error.code, title=error.title, carrier_code=error.carrier_code)
