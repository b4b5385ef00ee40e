"""Defines the hash chain over the audit: segments, the seal of each entry, and what retention leaves behind.

Rows are only added. The database itself refuses to change them, and to delete them unless an `AuditOpening` is there.
"""

from __future__ import annotations

from django.db import models

from .records import AuditEntry

HASH_LENGTH = 64  # SHA-256 in hexadecimal digits


class AuditSegment(models.Model):
    """A batch of audit entries, sealed together: its hash covers their hashes and that of the segment before."""

    number = models.PositiveBigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField()
    entries = models.PositiveIntegerField(help_text="How many entries are sealed in it.")
    previous_hash = models.CharField(max_length=HASH_LENGTH, blank=True)
    hash = models.CharField(max_length=HASH_LENGTH)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:8]}"


class AuditSeal(models.Model):
    """The place of one entry in the chain, and its hash when it was sealed."""

    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, primary_key=True, related_name="seal")
    # No index of its own: the constraint below begins with it.
    segment = models.ForeignKey(AuditSegment, on_delete=models.PROTECT, related_name="seals", db_index=False)
    position = models.PositiveIntegerField()
    hash = models.CharField(max_length=HASH_LENGTH)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["segment", "position"], name="audit_seal_position")]

    def __str__(self) -> str:
        return f"{self.segment_id}/{self.position} {self.hash[:8]}"


class AuditAnchor(models.Model):
    """The last segment that retention has removed, on which the first one that is left stands. At most one row."""

    number = models.PositiveBigIntegerField(primary_key=True)
    hash = models.CharField(max_length=HASH_LENGTH)
    removed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:8]}"


class AuditOpening(models.Model):
    """A row that lets its own transaction delete from the audit, and that no transaction can commit.

    It refers to a row that cannot exist, which the database checks at the commit. So it has to be deleted before, and
    no other transaction ever sees it.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    never = models.ForeignKey("self", on_delete=models.DO_NOTHING, related_name="+", db_index=False, default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(id=1, never=0), name="audit_opening_never")]

    def __str__(self) -> str:
        return "open"
