"""Defines notes on a conference, saved views, searches for a number and keyboard maps."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .calls import Conference


class Note(models.Model):
    """Something a supervisor wrote down about a conference; everybody who may see it reads it."""

    LIMIT = 2000

    conference = models.ForeignKey(Conference, on_delete=models.CASCADE, related_name="notes", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="notes")
    at = models.DateTimeField(_("at"))
    text = models.CharField(_("text"), max_length=LIMIT)

    class Meta:
        verbose_name = _("note")
        indexes = [models.Index(fields=["conference", "at"], name="note_timeline")]

    def __str__(self) -> str:
        return f"{self.author} {self.at:%Y-%m-%d %H:%M:%S}"


class SavedView(models.Model):
    """A window on the floor under a name; shared, also for everybody of a common team."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views", db_index=False
    )  # the constraint begins with it
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=500, help_text="The window, as the floor's address spells it.")
    shared = models.BooleanField(_("shared with my teams"), default=False)

    class Meta:
        verbose_name = _("saved view")
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_view_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.name}"


class NumberSearch(models.Model):
    """A search for a telephone number, which no address may hold: addresses name it by its token."""

    # The index below begins with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False)
    token = models.CharField(max_length=32, unique=True)
    query = models.CharField(max_length=60)
    at = models.DateTimeField(_("at"))
    used_at = models.DateTimeField(help_text="When a page last asked for it.")

    class Meta:
        verbose_name = _("search for a number")
        indexes = [models.Index(fields=["user", "at"], name="number_search_user")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.at:%Y-%m-%d %H:%M:%S}"


class Preferences(models.Model):
    """A supervisor's changes to the screens; no row means the defaults."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)
    keys_off = models.BooleanField(_("no keyboard shortcuts"), default=False)
    keys: models.JSONField[Any, Any] = models.JSONField(default=dict, help_text="Changed keys, by what they do.")
    default_view = models.ForeignKey(
        SavedView,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="The view that the bare address of the floor opens.",
    )

    def __str__(self) -> str:
        return str(self.user_id)
