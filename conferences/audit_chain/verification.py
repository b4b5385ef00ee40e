"""Walks the audit's chain from its beginning, and names the first entry or segment that is not as it was sealed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError

from conferences.models import AuditAnchor, AuditEntry, AuditSeal, AuditSegment

from .hashes import entry_hash, segment_hash

PAGE = 20  # segments read at once; each page is read anew, so that no transaction is open during the walk


class Broken(Exception):
    """A chain that does not hold, with a sentence that names the first place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """The facts about a chain that holds."""

    entries: int
    segments: int
    unsealed: int
    newest: AuditSegment | None
    anchor: AuditAnchor | None
    """The last segment that retention has removed."""


def verify(*, noted: str = "") -> ChainReport:
    """Walk the whole chain; raise Broken where it does not hold, or where no segment has the hash that was noted."""
    anchor = _anchor()
    while True:
        try:
            return _Walk(anchor, noted=noted).report()
        except Broken:
            # Retention may have removed what was about to be read. Then the chain begins later, and is walked anew.
            before, anchor = anchor, _anchor()
            if (before and before.number) == (anchor and anchor.number):
                raise


class _Walk:
    """One walk through the chain, from the anchor on."""

    def __init__(self, anchor: AuditAnchor | None, *, noted: str) -> None:
        self._anchor, self._noted = anchor, noted
        self._number, self._hash = (anchor.number, anchor.hash) if anchor else (0, "")
        self._seen_noted = self._hash == noted
        self._newest: AuditSegment | None = None
        self._entries = self._segments = 0

    def report(self) -> ChainReport:
        """Walk to the end, and return what was found."""
        while page := self._page():
            self._check_page(page)
        self._refuse_seals_without_a_segment()
        if self._noted and not self._seen_noted:
            raise Broken(self._why_not_noted())
        return ChainReport(
            entries=self._entries,
            segments=self._segments,
            unsealed=AuditEntry.objects.filter(seal=None).count(),
            newest=self._newest,
            anchor=self._anchor,
        )

    def _page(self) -> list[AuditSegment]:
        try:
            return list(AuditSegment.objects.filter(number__gt=self._number).order_by("number")[:PAGE])
        except (ValueError, TypeError) as error:
            raise Broken(f"A segment after segment {self._number} was changed: it cannot be read.") from error

    def _check_page(self, page: Sequence[AuditSegment]) -> None:
        between = {"segment__gte": page[0].number, "segment__lte": page[-1].number}
        seals = defaultdict[int, list[AuditSeal]](list)
        for seal in AuditSeal.objects.filter(**between).order_by("segment", "position"):
            seals[seal.segment_id].append(seal)
        entries = read_entries(**{f"seal__{name}": number for name, number in between.items()})
        for segment in page:
            self._check(segment, seals[segment.number], entries)

    def _check(self, segment: AuditSegment, seals: Sequence[AuditSeal], entries: dict[int, AuditEntry | None]) -> None:
        number = segment.number
        if number != self._number + 1:
            raise Broken(f"Segment {self._number + 1} was removed: the next one is segment {number}.")
        if segment.previous_hash != self._hash:
            raise Broken(f"Segment {number} was changed or put in another place: it does not continue the one before.")
        for seal in seals:
            _check_entry(seal, entries)
        if len(seals) != segment.entries:
            what = "removed from" if len(seals) < segment.entries else "added to"
            raise Broken(f"Entries were {what} segment {number}: {len(seals)} instead of {segment.entries}.")
        if [seal.position for seal in seals] != list(range(len(seals))) or segment.hash != _hash_of(segment, seals):
            raise Broken(f"Segment {number} was changed, or its entries were put in another order.")
        self._number, self._hash, self._newest = number, segment.hash, segment
        self._seen_noted |= segment.hash == self._noted
        self._segments += 1
        self._entries += len(seals)

    def _refuse_seals_without_a_segment(self) -> None:
        """A segment that was removed at the end of the chain leaves its seals, as does one before the anchor."""
        known = AuditSegment.objects.values("number")
        lost = AuditSeal.objects.exclude(segment__in=known).order_by("segment", "position").first()
        if lost:
            raise Broken(f"Segment {lost.segment_id} was removed: entry {lost.entry_id} was sealed in it.")

    def _why_not_noted(self) -> str:
        if self._anchor:
            return (
                f"No segment has the hash {self._noted}. It was in a segment that retention has removed (up to number "
                f"{self._anchor.number}), or the chain was written anew."
            )
        return f"No segment has the hash {self._noted}: the chain was cut off or written anew since it was noted."


def _check_entry(seal: AuditSeal, entries: dict[int, AuditEntry | None]) -> None:
    if seal.entry_id not in entries:
        raise Broken(f"Entry {seal.entry_id} was removed from segment {seal.segment_id}.")
    entry = entries[seal.entry_id]
    if entry is None or entry_hash(entry) != seal.hash:
        raise Broken(f"Entry {seal.entry_id} in segment {seal.segment_id} was changed.")


def _hash_of(segment: AuditSegment, seals: Sequence[AuditSeal]) -> str:
    return segment_hash(
        number=segment.number,
        sealed_at=segment.sealed_at,
        previous_hash=segment.previous_hash,
        entry_hashes=[seal.hash for seal in seals],
    )


def read_entries(**between: int) -> dict[int, AuditEntry | None]:
    """Return entries by their ids; None where a row cannot be read, because somebody wrote what no field can hold."""
    rows = AuditEntry.objects.filter(**between)
    try:
        return {entry.pk: entry for entry in rows}
    except (ValueError, TypeError, DatabaseError):
        return {pk: _readable(pk) for pk in rows.values_list("pk", flat=True)}


def _readable(pk: int) -> AuditEntry | None:
    try:
        return AuditEntry.objects.filter(pk=pk).first()
    except (ValueError, TypeError, DatabaseError):
        return None


def _anchor() -> AuditAnchor | None:
    return AuditAnchor.objects.order_by("-number").first()
