"""Defines the commands that are sent to Telnyx, and why they were sent."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .account import Account
from .calls import Conference
from .supervision import Ear, Role, SupervisorSession


class Cause(models.TextChoices):
    """Why something was done to a supervisor's line. Whose line it is, and whose right, is the actor."""

    PRESSED = "pressed", _("pressed on the page")
    KEYED = "keyed", _("pressed on the phone")
    SIGNED_OUT = "signed out", _("signed out")
    CALL_ENDED = "call ended", _("the call ended")
    CALL_FLOW = "call flow", _("by the phone system")
    FOLLOWING = "following", _("following an agent")
    RENEWAL = "renewal", _("phone call renewed")
    RIGHTS = "rights", _("no longer allowed or signed out")
    IDLE = "idle", _("phone not used")
    SAFETY = "safety", _("to make sure that nobody hears them")


class CommandQuerySet(models.QuerySet["Command"]):
    """Commands by how far they have come."""

    def open(self) -> CommandQuerySet:
        """Return those whose outcome is not known yet."""
        return self.filter(state__in=Command.OPEN_STATES)

    def audible(self) -> CommandQuerySet:
        """Return those that ask for a role in which somebody hears the supervisor."""
        return self.filter(role__in=Role.audible_to_somebody())

    def newest(self, *kinds: str) -> Command | None:
        """Return the one that was stored last, of these kinds where any are named."""
        return (self.filter(kind__in=kinds) if kinds else self).order_by("-generation").first()


class Command(models.Model):
    """One stored intention to change something at Telnyx; its id is Telnyx's command_id."""

    class Kind(models.TextChoices):
        DIAL = "dial", _("ring the phone")
        GATHER = "gather", _("ask for a key")
        JOIN = "join", _("join")
        UPDATE = "update", _("change role")
        LEAVE = "leave", _("leave")
        HANGUP = "hangup", _("hang up")

    class State(models.TextChoices):
        ASKED = "asked", _("asked")
        ACCEPTED = "accepted", _("sent, checking")
        VERIFIED = "verified", _("confirmed")
        UNCONFIRMED = "unconfirmed", _("sent, but Telnyx can't confirm it")
        CONTRADICTED = "contradicted", _("Telnyx shows something else")
        REJECTED = "rejected", _("refused")
        UNKNOWN = "unknown", _("no answer yet")
        EXPIRED = "expired", _("not done")

    OPEN_STATES = (State.ASKED, State.ACCEPTED, State.UNKNOWN)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    # The owner of the line, by whose right it is sent. The cause says whether this person asked for it.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="commands")
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices, blank=True, default="", db_default="")
    ear = models.ForeignKey(Ear, on_delete=models.SET_NULL, null=True, related_name="commands")
    session = models.ForeignKey(SupervisorSession, on_delete=models.SET_NULL, null=True, related_name="commands")
    conference = models.ForeignKey(Conference, on_delete=models.SET_NULL, null=True, related_name="commands")
    role = models.CharField(_("role"), max_length=8, choices=Role.choices, blank=True, default="")
    targets: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids.")

    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.ASKED)
    asked_at = models.DateTimeField(_("asked"))
    pressed_at = models.DateTimeField(null=True, help_text="When it was pressed; empty for what follows by itself.")
    # With a default in the database: a process of the previous release does not know the column and can still insert.
    generation = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The board's version it was stored with: the order of storing, whatever the clocks of two nodes say.",
    )
    sent_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    settled_at = models.DateTimeField(_("settled"), null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    reads = models.PositiveSmallIntegerField(default=0)
    looked_at = models.DateTimeField(null=True, help_text="When Telnyx was last asked whether it was executed late.")
    http_status = models.PositiveSmallIntegerField(_("Telnyx status"), null=True)
    telnyx_code = models.CharField(_("Telnyx code"), max_length=16, blank=True, default="")
    # With a default in the database, as `generation`.
    carrier_code = models.CharField(
        _("carrier code"),
        max_length=8,
        blank=True,
        default="",
        db_default="",
        help_text=_("For example D38."),
    )
    outcome = models.CharField(_("outcome"), max_length=300, blank=True, default="", help_text="In the user's words.")

    objects = CommandQuerySet.as_manager()

    class Meta:
        verbose_name = _("command")
        indexes = [
            models.Index(
                fields=["asked_at"], condition=Q(state__in=["asked", "accepted", "unknown"]), name="command_open"
            ),
            models.Index(fields=["conference", "asked_at"], name="command_timeline"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_state_display()}"

    @property
    def is_open(self) -> bool:
        """Return whether the outcome is not known yet."""
        return self.state in self.OPEN_STATES

    @property
    def is_audible(self) -> bool:
        """Return whether it asks for a role in which somebody hears the supervisor."""
        return self.role in Role.audible_to_somebody()

    @property
    def is_quieter(self) -> bool:
        """Return whether it leads towards silence."""
        leads_out = self.kind in {self.Kind.LEAVE, self.Kind.HANGUP}
        return leads_out or (self.kind == self.Kind.UPDATE and self.role == Role.MONITOR)

    def age(self, now: datetime) -> timedelta:
        """Return how long ago it was answered, or asked where there is no answer."""
        return now - (self.answered_at or self.asked_at)
