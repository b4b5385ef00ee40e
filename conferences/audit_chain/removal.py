"""Removes old segments of the audit whole, and opens the way past the database's refusal to delete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from conferences.models import AuditAnchor, AuditEntry, AuditOpening, AuditSeal, AuditSegment


@contextmanager
def opened_for_removal() -> Iterator[None]:
    """Let this transaction delete rows of the audit inside the block; no other transaction can meanwhile.

    Only retention and the sandbox, which clears what an earlier one left, go this way.
    """
    with transaction.atomic():
        AuditOpening.objects.create()
        yield
        AuditOpening.objects.all().delete()


def remove_old_segments(*, sealed_before: datetime, entries_at_most: int, now: datetime) -> int:
    """Remove the oldest segments, whole ones, one at least where one is old; return how many entries went."""
    old = _oldest(sealed_before=sealed_before, entries_at_most=entries_at_most)
    if not old:
        return 0
    last = old[-1]
    with opened_for_removal():
        seals = AuditSeal.objects.filter(segment__lte=last.number)
        entries = list(seals.values_list("entry", flat=True))
        seals.delete()
        AuditEntry.objects.filter(pk__in=entries).delete()
        AuditSegment.objects.filter(number__lte=last.number).delete()
        AuditAnchor.objects.all().delete()
        AuditAnchor.objects.create(number=last.number, hash=last.hash, removed_at=now)
    return len(entries)


def _oldest(*, sealed_before: datetime, entries_at_most: int) -> list[AuditSegment]:
    found: list[AuditSegment] = []
    entries = 0
    # From the beginning of the chain without a gap: what is left still stands on one anchor.
    for segment in AuditSegment.objects.order_by("number")[:entries_at_most]:
        entries += segment.entries
        if segment.sealed_at >= sealed_before or (found and entries > entries_at_most):
            break
        found.append(segment)
    return found
