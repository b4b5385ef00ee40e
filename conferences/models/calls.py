"""Defines conferences, legs and participants.

Rows are registers first (`facts`, merged by conferences.projection.registers) and columns second: every other projected
column is derived from the registers by conferences.projection.columns, so any order of events gives the same row.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conferences.masks import masked_within

from .account import Account
from .people import Agent, Team
from .scope import TeamRule


class Conference(models.Model):
    """One Telnyx conference."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)  # the constraint begins with it
    telnyx_id = models.CharField(_("Telnyx id"), max_length=128)
    facts: models.JSONField[Any, Any] = models.JSONField(default=dict)

    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    connection_id = models.CharField(max_length=64, blank=True, default="")
    team = models.ForeignKey(Team, on_delete=models.SET_NULL, null=True, blank=True)
    # No constraint: a rule may be deleted while webhooks are stored, and a call without its rule is superusers' alone.
    rule = models.ForeignKey(
        TeamRule,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,  # asked for only when a rule is deleted, and paid for at each webhook
        help_text="The rule that says whose it is while no agent and no connection does.",
    )
    region = models.CharField(max_length=16, blank=True, default="")
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("end reason"), max_length=32, blank=True, default="")
    speaker_call_control_id = models.CharField(max_length=200, blank=True, default="")
    speaker_since = models.DateTimeField(null=True)
    talk: models.JSONField[Any, Any] = models.JSONField(
        default=dict, help_text="Seconds that each leg held the floor, of the newest turns that are over."
    )
    version = models.BigIntegerField(default=0, help_text="The board version of the last visible change.")

    # Softer evidence, from REST listings (conferences.reconciliation.reconciler).
    read_at = models.DateTimeField(null=True, help_text="When Telnyx last answered about this conference.")
    participants_read_at = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True, help_text="The first complete listing that did not name it.")

    class Meta:
        verbose_name = _("conference")
        constraints = [models.UniqueConstraint(fields=["account", "telnyx_id"], name="conference_once")]
        indexes = [
            # The floor: live conferences only, and the changes since a version.
            models.Index(fields=["started_at"], condition=Q(ended_at=None), name="conference_live"),
            models.Index(fields=["version"], name="conference_version"),
            # For the order in which participants are read (conferences.reconciliation.schedule).
            models.Index(fields=["participants_read_at"], condition=Q(ended_at=None), name="conference_rotation"),
        ]

    def __str__(self) -> str:
        """Return the name with its numbers masked: a call flow may name a call by one."""
        return masked_within(self.name) or f"Call {self.telnyx_id[:8]}"


class Leg(models.Model):
    """One call leg."""

    class Party(models.TextChoices):
        UNKNOWN = "unknown", _("unknown caller")
        CUSTOMER = "customer", _("customer")
        AGENT = "agent", _("agent")
        SUPERVISOR = "supervisor", _("supervisor")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)  # the constraint begins with it
    call_control_id = models.CharField(max_length=200)
    facts: models.JSONField[Any, Any] = models.JSONField(default=dict)

    call_leg_id = models.CharField(max_length=64, blank=True, default="")
    call_session_id = models.CharField(max_length=64, blank=True, default="")
    connection_id = models.CharField(max_length=64, blank=True, default="")
    direction = models.CharField(_("direction"), max_length=16, blank=True, default="")
    from_address = models.CharField(_("from"), max_length=200, blank=True, default="")
    to_address = models.CharField(_("to"), max_length=200, blank=True, default="")
    caller_name = models.CharField(_("caller name"), max_length=200, blank=True, default="")
    started_at = models.DateTimeField(_("started"), null=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    bridged_at = models.DateTimeField(null=True, help_text="Bridged to another leg (call.bridged).")
    hung_up_at = models.DateTimeField(_("hung up"), null=True)
    hangup_cause = models.CharField(_("hangup cause"), max_length=64, blank=True, default="")
    queue = models.CharField(_("queue"), max_length=100, blank=True, default="")
    enqueued_at = models.DateTimeField(null=True)
    dequeued_at = models.DateTimeField(null=True)
    phone_held_since = models.DateTimeField(null=True, help_text="Hold pressed on the phone itself (call.hold).")

    party = models.CharField(_("party"), max_length=16, choices=Party.choices, default=Party.UNKNOWN)
    evidence = models.CharField(_("recognised by"), max_length=100, blank=True, default="")
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, blank=True, related_name="legs")

    class Meta:
        verbose_name = _("call leg")
        constraints = [models.UniqueConstraint(fields=["account", "call_control_id"], name="leg_once")]
        indexes = [
            # Recognising afresh after an admin's change: the living legs, not the archive.
            models.Index(fields=["account"], condition=Q(hung_up_at=None), name="leg_living"),
            models.Index(fields=["account"], condition=Q(party="supervisor", hung_up_at=None), name="leg_supervising"),
            models.Index(fields=["queue"], condition=Q(hung_up_at=None, dequeued_at=None), name="leg_waiting"),
            # For finding the leg that began a SIP caller's call (conferences.recognition.sessions).
            models.Index(fields=["call_session_id"], name="leg_session"),
        ]

    def __str__(self) -> str:
        """Return who is on it: the agent, or the masked address at its far end."""
        if self.agent is not None:
            return self.agent.name
        return f"{self.get_party_display()} {masked_within(self.far_end)}".strip()

    @property
    def far_end(self) -> str:
        """The address of whoever is on this leg: an incoming one comes from it, an outgoing one was dialled to it."""
        return self.to_address if self.direction == "outgoing" else self.from_address


class Participant(models.Model):
    """One leg inside one conference, from joining to leaving."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)  # never looked up alone
    conference = models.ForeignKey(
        Conference, on_delete=models.CASCADE, related_name="participants", db_index=False
    )  # the constraint begins with it
    leg = models.ForeignKey(Leg, on_delete=models.CASCADE, related_name="participations")
    facts: models.JSONField[Any, Any] = models.JSONField(default=dict)

    joined_at = models.DateTimeField(_("joined"), null=True)
    left_at = models.DateTimeField(_("left"), null=True)
    present = models.BooleanField(_("present"), default=False)

    # Softer evidence, as last read from Telnyx, with its time.
    read_at = models.DateTimeField(null=True)
    muted = models.BooleanField(null=True)
    on_hold = models.BooleanField(null=True)
    held_since = models.DateTimeField(null=True, help_text="The first reading that saw the hold which still lasts.")
    whisper_call_control_ids: models.JSONField[Any, Any] = models.JSONField(default=list)
    listed_at = models.DateTimeField(null=True, help_text="When a listing last named it as joined.")
    missing_since = models.DateTimeField(null=True, help_text="The first complete listing that did not name it.")
    gone_at = models.DateTimeField(null=True, help_text="When Telnyx confirmed that it is gone.")
    # A participant that leaves and rejoins keeps its call_control_id, and gets both of these anew.
    telnyx_id = models.CharField(max_length=128, blank=True, default="", db_default="")
    telnyx_created_at = models.DateTimeField(null=True)
    came_in = models.BigIntegerField(
        default=0, db_default=0, help_text="The board's version with which its newest coming in was noticed."
    )

    class Meta:
        verbose_name = _("participant")
        constraints = [models.UniqueConstraint(fields=["conference", "leg"], name="participant_once")]
        indexes = [models.Index(fields=["conference"], condition=Q(present=True), name="participant_present")]

    def __str__(self) -> str:
        return f"{self.leg} · {self.conference}"
