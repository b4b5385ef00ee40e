"""Defines the records kept as evidence: webhooks and audit entries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .account import Account
from .commands import Cause, Command
from .supervision import Role


class WebhookEvent(models.Model):
    """A webhook: signed and delivered, or fetched from Telnyx' log of deliveries; typed digits are blanked."""

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
    # Each is tried once when it comes: its INSERT leaves the number to the database.
    attempts = models.PositiveSmallIntegerField(
        _("attempts"), default=1, db_default=1, help_text=_("How often it was tried to put it on the board.")
    )
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


def command_action(kind: str, step: str) -> str:
    """Return the action of a step of a command: "leave verified"."""
    return f"{Command.Kind(kind).value} {Command.State(step).value}"


def audit_actions() -> list[tuple[str, Any]]:
    """Return every action that an audit entry can have."""
    steps = [
        (command_action(kind, step), f"{kind.label}: {step.label}") for kind in Command.Kind for step in Command.State
    ]
    return [*AuditEntry.Action.choices, *steps]


class AuditEntry(models.Model):
    """One step of supervision; rows are only ever added."""

    class Action(models.TextChoices):
        """Everything that is recorded; the steps of a command are named by `command_action`."""

        ENTERING = "entering", _("joining")
        ENDED = "ended", _("ended")
        REFUSED = "refused", _("refused")
        PENDING_ROLE_DROPPED = "forgot wish", _("waiting role dropped")
        FOLLOWED = "follow", _("following")
        FOLLOW_ENDED = "follow ended", _("following ended")
        NOT_RENEWED = "not renewed", _("phone not rung again")
        ADOPTED = "adopted", _("phone adopted from the call flow")
        UNSTEERED = "unsteered line", _("uncontrolled phone in a call")
        UNSTEERED_ENDED = "unsteered line ended", _("uncontrolled phone left")
        ROLE_SEEN = "role seen", _("role changed by the call flow")
        FOUND_INSIDE = "found inside", _("phone found in a call")
        SENT_BY_NOTE = "sent by the page's note", _("sent without waiting for the database")
        STOPPED_BY_NOTE = "stopped without the database", _("stopped without the database")
        PROBED = "probed", _("account probed")
        SIGNED_IN = "signed in", _("signed in")
        SIGNED_OUT = "signed out", _("signed out")
        SIGNED_OUT_IDLE = "signed out: idle", _("signed out after doing nothing")
        SIGN_IN_ENDED = "sign-in ended", _("signed out after one shift")
        SIGN_IN_FAILED = "sign-in failed", _("sign-in failed")
        SECOND_FACTOR_ADDED = "second factor added", _("second factor added")
        SECOND_FACTOR_REMOVED = "second factor removed", _("second factor removed")
        SECOND_FACTOR_USED = "second factor used", _("second factor used")
        RECOVERY_CODES_MADE = "recovery codes made", _("recovery codes made")
        RECOVERY_CODES_VIEWED = "recovery codes viewed", _("recovery codes viewed")
        RECOVERY_CODE_USED = "recovery code used", _("recovery code used")
        SESSION_ENDED = "session ended", _("somebody's session ended")
        PASSWORD_SET = "password set", _("somebody's password set")
        RIGHTS_CHANGED = "rights changed", _("somebody's rights changed")
        NUMBER_SEARCHED = "number searched", _("searched for a number")
        NUMBER_SEARCH_REFUSED = "number search refused", _("searched for too many numbers")
        NUMBER_SHOWN = "number shown", _("whole number shown")
        NUMBER_REFUSED = "number refused", _("whole number refused")
        EVIDENCE_READ = "evidence read", _("evidence read in the admin")
        SCOPE_CHANGED = "scope changed", _("who may see or hear calls changed")
        SET_UP = "set up", _("the set-up at Telnyx changed")
        AUDIT_EXPORTED = "audit exported", _("audit exported")

    at = models.DateTimeField(_("at"))
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    action = models.CharField(_("action"), max_length=40, choices=audit_actions)
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices, blank=True, default="", db_default="")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True)
    # Ids, not foreign keys: audit entries stay when the rows that they name are deleted.
    conference_id = models.UUIDField(null=True)
    conference_name = models.CharField(_("conference"), max_length=200, blank=True, default="")
    session_id = models.UUIDField(null=True)
    command_id = models.UUIDField(null=True)
    role = models.CharField(_("role"), max_length=8, choices=Role.choices, blank=True, default="")
    targets: models.JSONField[Any, Any] = models.JSONField(_("targets"), default=list)
    detail = models.CharField(_("detail"), max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            # For reading a listening as a whole, and a command that belongs to none.
            models.Index(fields=["session_id"], condition=Q(session_id__isnull=False), name="audit_session"),
            models.Index(
                fields=["command_id"],
                condition=Q(command_id__isnull=False, session_id__isnull=True),
                name="audit_lone_command",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action}"


class CachedValue(models.Model):
    """A value of Django's cache that the web processes on PostgreSQL share: how often a sign-in has failed.

    The columns are those of Django's createcachetable. On SQLite the table is empty (CACHES in dashboard/settings.py).
    """

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.cache_key
