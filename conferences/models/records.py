"""What is kept as evidence: every signed webhook, every step of supervision."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .account import Account


class WebhookEvent(models.Model):
    """A signed webhook as it arrived."""

    class State(models.TextChoices):
        PROJECTED = "projected", _("on the board")
        UNKNOWN = "unknown", _("kept, not used by the board")
        UNREADABLE = "unreadable", _("kept, could not be read")
        FAILED = "failed", _("kept, could not be put on the board")

    # No index of its own: the constraint below begins with it, and every index is paid for at each webhook.
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    event_id = models.CharField(_("event id"), max_length=128)
    event_type = models.CharField(_("event type"), max_length=100)
    occurred_at = models.DateTimeField(_("occurred"))
    received_at = models.DateTimeField(_("received"))
    conference_telnyx_id = models.CharField(_("conference"), max_length=128, blank=True, default="")
    call_control_id = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(_("state"), max_length=12, choices=State.choices)
    problem = models.CharField(_("problem"), max_length=300, blank=True, default="")
    body = models.BinaryField()

    class Meta:
        verbose_name = _("webhook event")
        constraints = [models.UniqueConstraint(fields=["account", "event_id"], name="webhook_event_once")]
        indexes = [
            models.Index(fields=["received_at"], name="webhook_event_received"),
            models.Index(fields=["conference_telnyx_id", "occurred_at"], name="webhook_event_conference"),
            models.Index(fields=["call_control_id", "occurred_at"], name="webhook_event_leg"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class AuditEntry(models.Model):
    """One step of supervision; rows are only ever added."""

    at = models.DateTimeField(_("at"))
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    action = models.CharField(_("action"), max_length=40)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True)
    # Ids, not foreign keys: the audit outlives what it speaks of.
    conference_id = models.UUIDField(null=True)
    conference_name = models.CharField(_("conference"), max_length=200, blank=True, default="")
    session_id = models.UUIDField(null=True)
    command_id = models.UUIDField(null=True)
    role = models.CharField(_("role"), max_length=8, blank=True, default="")
    targets: models.JSONField[Any, Any] = models.JSONField(_("targets"), default=list)
    detail = models.CharField(_("detail"), max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [models.Index(fields=["at"], name="audit_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action}"
