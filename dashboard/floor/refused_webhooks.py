"""Tells which webhooks were refused or could not be read, and what to change so that they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.translation import gettext as _

from conferences.intake.endpoint import intake
from conferences.models import WebhookEvent
from conferences.telnyx.inbound import TEXML, VERSION_1

UNREADABLE_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RefusedKind:
    """One reason, how often, and what to do."""

    reason: str
    count: int
    mend: str


@dataclass(frozen=True, slots=True)
class RefusedWebhooks:
    """The webhooks refused since this process started, and those of a day that were signed and unreadable."""

    since: datetime
    kinds: tuple[RefusedKind, ...]


def refused_webhooks(*, now: datetime) -> RefusedWebhooks:
    """Return the counts by reason, the most frequent first."""
    refusals = intake.refusals
    counts = Counter(refusals.counts)
    unreadable = WebhookEvent.objects.filter(
        state=WebhookEvent.State.UNREADABLE, problem__in=[VERSION_1, TEXML], received_at__gt=now - UNREADABLE_WITHIN
    )
    counts.update(dict(unreadable.values_list("problem").annotate(Count("pk"))))
    kinds = (_kind(reason, count) for reason, count in counts.most_common())
    return RefusedWebhooks(since=refusals.since, kinds=tuple(kinds))


def _kind(reason: str, count: int) -> RefusedKind:
    words, mend = _in_words(reason)
    return RefusedKind(reason=words, count=count, mend=mend)


def _in_words(reason: str) -> tuple[str, str]:
    """Return what was wrong, and the mend."""
    found = {
        "mismatch": (
            _("signed with another key"),
            _("Copy the public key from the portal again: TELNYX_PUBLIC_KEY, or the keys of the account."),
        ),
        "address": (
            _("posted to the address of no account"),
            _("Copy the webhook address again: the admin shows it on the account. An account must be in use."),
        ),
        "stale": (_("too old or too new"), _("Compare this server's clock; a forwarder must not keep webhooks back.")),
        VERSION_1: (_("API version 1"), _("Set the webhook API version of the application or connection to 2.")),
        TEXML: (_("TeXML"), _("Use a Call Control application: a TeXML application sends something else.")),
        "missing": (
            _("without a signature"),
            _("A forwarder must pass both signature headers on; else these are strangers."),
        ),
    }
    damaged = (_("with a damaged signature"), _("A forwarder must pass both signature headers on unchanged."))
    return found.get(reason, damaged)
