"""Builds the page about a supervisor's ear: its line, its state, whom it follows, and what is unproven."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from conferences.models import Account, Line
from conferences.models.account import WhisperReach
from dashboard.desk.ear import MyEar

from . import fragments


def lines_of(user: User) -> list[Line]:
    """Return the viewer's own lines, the one that rings first at the top."""
    return list(Line.objects.filter(user=user).order_by("-is_default", "label", "id"))


def ear_state(mine: MyEar, *, now: datetime) -> str:
    """Render where the ear is, as the ear's own page shows it."""
    return fragments.piece("ear-state", render_to_string("ear/_state.html", {"ear": mine, "now": now}))


def account_facts(account: Account | None) -> list[str]:
    """Return in plain words what an account does, and what has not been tested yet."""
    if account is None:
        return [_("No Telnyx account is set up yet. Ask an admin.")]
    return [_listening(account), _reading(account), _whispering(account)]


def _listening(account: Account) -> str:
    if account.monitor_harms_call:
        return _("Tested: listening cuts the sound between customer and agent, so Floorline does not join calls.")
    if account.monitor_harms_call is None:
        return _("Not tested: that listening does not change the sound of the call. Telnyx says that it does not.")
    return _("Tested: listening does not change the sound of the call.")


def _reading(account: Account) -> str:
    if account.monitor_reads_muted is None:
        return _(
            "Not tested: that Telnyx shows whether a supervisor can be heard. A change of role may stay unconfirmed."
        )
    if account.monitor_reads_muted:
        return _("Tested: Telnyx shows whether a supervisor can be heard, so Monitor and Barge can be confirmed.")
    return _("Tested: Telnyx does not show whether a supervisor is heard. Monitor and Barge cannot be confirmed.")


def _whispering(account: Account) -> str:
    if account.whisper_reaches == WhisperReach.LISTED_ONLY:
        return _("Tested: a whisper reaches only the chosen agents, whoever joins later.")
    if account.whisper_reaches == WhisperReach.LATER_JOINERS_TOO:
        return _("Tested: a running whisper also reaches people who join later, so it is stopped when somebody joins.")
    return _(
        "Not tested: that a running whisper does not reach people who join later. It is stopped when somebody joins."
    )
