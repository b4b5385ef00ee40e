"""The page about my ear: which line is mine, where it is, whom it follows, and what is unproven about the account."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from conferences.models import Account, Line
from conferences.models.account import WhisperReach

from . import fragments
from .my_ear import MyEar


def lines_of(user: User) -> list[Line]:
    """Return the viewer's own lines, the one that rings first at the top."""
    return list(Line.objects.filter(user=user).order_by("-is_default", "label", "id"))


def ear_state(mine: MyEar, *, now: datetime) -> str:
    """Render where the ear is, as the ear's own page shows it; any other page lacks the place and ignores it."""
    return fragments.piece("ear-state", render_to_string("ear/_state.html", {"ear": mine, "now": now}))


def account_facts() -> list[str]:
    """Say in plain words what this account does, and what nobody has proven yet."""
    account = Account.objects.order_by("id").first()
    if account is None:
        return [_("No Telnyx account is set up yet. Ask an administrator.")]
    return [_listening(account), _reading(account), _whispering(account)]


def _listening(account: Account) -> str:
    if account.monitor_harms_call:
        return _("A silent line cuts the audio between customer and agent here, so Floorline does not listen at all.")
    if account.monitor_harms_call is None:
        return _(
            "Unproven: that listening leaves the call's own audio alone. Telnyx says so; nobody has tried it here."
        )
    return _("Proven: listening leaves the call's own audio alone.")


def _reading(account: Account) -> str:
    if account.monitor_reads_muted is None:
        return _(
            "Unproven: that a reading tells a silent line from an audible one. A change of role may stay unconfirmed."
        )
    if account.monitor_reads_muted:
        return _("Proven: a reading tells a silent line from an audible one, so Monitor and Barge can be verified.")
    return _("A reading does not tell a silent line from an audible one here: Monitor and Barge cannot be confirmed.")


def _whispering(account: Account) -> str:
    if account.whisper_reaches == WhisperReach.LISTED_ONLY:
        return _("Proven: a whisper stays with whom you chose, whoever joins later.")
    if account.whisper_reaches == WhisperReach.LATER_JOINERS_TOO:
        return _("A running whisper also reaches who joins later, so it is stopped when somebody else joins.")
    return _(
        "Unproven: that a running whisper does not reach who joins later. Until then it is stopped when they join."
    )
