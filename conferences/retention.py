"""Deletes old rows, a few at a time, so that the database does not grow without end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from .audit_chain.removal import remove_old_segments
from .models import (
    Command,
    Conference,
    Ear,
    Leg,
    NumberSearch,
    Participant,
    Stop,
    SupervisorSession,
    UnsteeredLine,
    WebhookEvent,
)

# A stop matters only for presses of the same minute; its effect stays in the audit.
STOPS_KEPT = timedelta(minutes=10)
# The pages that ask for one ask again each ten minutes.
NUMBER_SEARCHES_KEPT = timedelta(minutes=30)
BATCH = 1000  # rows per transaction: some ten milliseconds of the writer's time

logger = logging.getLogger(__name__)


def events_kept_since(now: datetime) -> datetime:
    """Return from when on the webhooks are still stored."""
    return now - timedelta(days=settings.EVENTS_KEPT_DAYS)


def delete_old_rows(*, now: datetime) -> int:
    """Delete at most one batch of each kind; return how many rows went, 0 when there is nothing old left.

    Raw webhooks are the bulk; calls are small; commands say who listened to whom, beside the audit, which stays unless
    AUDIT_KEPT_DAYS is set.
    """
    calls, commands = (now - timedelta(days=days) for days in (settings.CALLS_KEPT_DAYS, settings.COMMANDS_KEPT_DAYS))
    return sum(
        (
            _delete(WebhookEvent.objects.filter(received_at__lt=events_kept_since(now)).order_by("received_at")),
            _delete(Command.objects.filter(asked_at__lt=commands)),
            _delete(SupervisorSession.objects.filter(ended_at__lt=commands)),
            _delete(UnsteeredLine.objects.filter(ended_at__lt=commands)),
            _delete(Ear.objects.filter(ended_at__lt=commands).exclude(_has(SupervisorSession, "ear"))),
            _delete(_ended_conferences(calls)),
            _delete(_dead_legs(calls)),
            _delete(Stop.objects.filter(pressed_at__lt=now - STOPS_KEPT)),
            _delete(NumberSearch.objects.filter(used_at__lt=now - NUMBER_SEARCHES_KEPT)),
            _delete_old_audit(now),
        )
    )


def _delete_old_audit(now: datetime) -> int:
    """Remove whole segments of the audit, by the time at which they were sealed."""
    if not settings.AUDIT_KEPT_DAYS:
        return 0
    before = now - timedelta(days=settings.AUDIT_KEPT_DAYS)
    gone = remove_old_segments(sealed_before=before, entries_at_most=BATCH, now=now)
    if gone:
        logger.info("forgot %d audit entries", gone)
    return gone


def _ended_conferences(before: datetime) -> models.QuerySet[Conference]:
    over = Conference.objects.filter(ended_at__lt=before).exclude(_has(SupervisorSession, "conference"))
    return over.exclude(_has(UnsteeredLine, "conference"))


def _dead_legs(before: datetime) -> models.QuerySet[Leg]:
    """Legs that are over (no call lives longer than four hours, whether or not its end was heard) and in nothing."""
    over = Q(hung_up_at__lt=before) | Q(hung_up_at=None, started_at__lt=before)
    return Leg.objects.filter(over).exclude(_has(Participant, "leg"))


def _has(model: type[models.Model], name: str) -> Exists:
    return Exists(model._default_manager.filter(**{name: OuterRef("pk")}))


def _delete(old: models.QuerySet[models.Model]) -> int:
    # Looked for outside the transaction: a walk through a year of commands must not hold SQLite's one lock meanwhile.
    pks = list(old.values_list("pk", flat=True)[:BATCH])
    if not pks:
        return 0
    with transaction.atomic():
        gone, _by_model = old.model._default_manager.filter(pk__in=pks).delete()
    logger.info("forgot %d rows with %s", gone, old.model._meta.verbose_name_plural)
    return gone
