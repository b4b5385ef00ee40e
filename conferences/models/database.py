"""Defines the rows about the database itself: the board's version, who works in the background, and whose it is."""

from __future__ import annotations

from django.db import models


class BoardVersion(models.Model):
    """The number of the last visible change: one row, raised inside the transaction that changes something."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    value = models.BigIntegerField(default=0)
    ingested_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_board_version")]

    def __str__(self) -> str:
        return str(self.value)


class Lease(models.Model):
    """The process that does the background work: one at a time, known by a number that only grows."""

    name = models.CharField(primary_key=True, max_length=20)
    token = models.BigIntegerField(default=0, help_text="Fences off a process that was paused until its lease ran out.")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.token}"


class DatabaseStamp(models.Model):
    """Says whether this database belongs to the sandbox or to a real account; the other mode refuses it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sandbox = models.BooleanField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_database_stamp")]

    def __str__(self) -> str:
        return "sandbox" if self.sandbox else "live"
