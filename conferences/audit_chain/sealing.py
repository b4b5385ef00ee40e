"""Seals audit entries in segments, a batch at a time, some seconds after they were committed.

The worker does it, so no click waits for it. An entry counts as new while it has no seal, whatever its id: ids are
given out before the commit, and a lower one may appear after a higher one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from conferences.models import AuditAnchor, AuditEntry, AuditSeal, AuditSegment

from .hashes import entry_hash, segment_hash

BATCH = 250
"""Entries in a segment at most: few, because SQLite lets nobody else write while they are stored."""
LOOK_BACK = 10_000
"""Each step looks at so many ids before the newest one: what is still uncommitted is nearly always among them."""
WHOLE_LOOK_EVERY = timedelta(hours=1)
"""Then every id is looked at, so that no entry stays without a seal."""


class Sealer:
    """Seals what has no seal yet; remembers from which id on to look, so as not to read the whole audit each time."""

    def __init__(self) -> None:
        self._after: int | None = None
        self._whole_look_at: datetime | None = None

    def step(self, *, now: datetime) -> int:
        """Seal one batch at most; return how many entries, `BATCH` where there may be more."""
        if self._whole_look_at is None or now >= self._whole_look_at:
            self._after, self._whole_look_at = None, now + WHOLE_LOOK_EVERY
        newest = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        entries = self._unsealed()
        if entries:
            add_segment(entries, now=now)
        looked_until = entries[-1].pk if len(entries) == BATCH else newest
        self._after = looked_until - LOOK_BACK
        return len(entries)

    def _unsealed(self) -> list[AuditEntry]:
        unsealed = AuditEntry.objects.filter(seal=None).order_by("pk")
        return list((unsealed if self._after is None else unsealed.filter(pk__gt=self._after))[:BATCH])


def last_link() -> tuple[int, str]:
    """Return the number and the hash that the next segment stands on."""
    last = AuditSegment.objects.order_by("-number").first() or AuditAnchor.objects.order_by("-number").first()
    return (last.number, last.hash) if last else (0, "")


def add_segment(entries: Sequence[AuditEntry], *, now: datetime) -> None:
    """Seal entries that have no seal, in one segment at the end of the chain."""
    hashes = [entry_hash(entry) for entry in entries]
    with transaction.atomic():
        number, previous_hash = last_link()
        number += 1
        # Two workers at once, one of which has lost its lease: the second one's number or seal is there already, and
        # nothing of it is stored.
        AuditSegment.objects.create(
            number=number,
            sealed_at=now,
            entries=len(entries),
            previous_hash=previous_hash,
            hash=segment_hash(number=number, sealed_at=now, previous_hash=previous_hash, entry_hashes=hashes),
        )
        AuditSeal.objects.bulk_create(
            AuditSeal(entry=entry, segment_id=number, position=position, hash=hashes[position])
            for position, entry in enumerate(entries)
        )
