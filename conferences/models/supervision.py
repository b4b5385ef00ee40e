"""A supervisor's live leg, its stay in a conference, and every intention sent to Telnyx."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .account import Account
from .calls import Conference
from .people import Agent, Line


class Role(models.TextChoices):
    """Telnyx's supervisor_role; `none` is audible to everyone, exactly as barge."""

    MONITOR = "monitor", _("Monitor")
    WHISPER = "whisper", _("Whisper")
    BARGE = "barge", _("Barge")
    NONE = "none", _("Stay as participant")


class Ear(models.Model):
    """The live leg on a supervisor's line."""

    class State(models.TextChoices):
        DIALLING = "dialling", _("ringing your line")
        CONFIRMING = "confirming", _("waiting for you to press 1")
        CONNECTED = "connected", _("connected")
        ENDING = "ending", _("hanging up")
        ENDED = "ended", _("ended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="ears")
    line = models.ForeignKey(Line, on_delete=models.SET_NULL, null=True)
    kind = models.CharField(max_length=8, choices=Line.Kind.choices)
    # Empty until Telnyx has answered the dial.
    call_control_id = models.CharField(max_length=200, blank=True, default="")
    dialled_by_us = models.BooleanField(
        _("dialled by Floorline"),
        default=True,
        help_text=_("Otherwise the center's own call flow brought the leg, and it is never hung up on a mere Leave."),
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.DIALLING)
    created_at = models.DateTimeField(_("dialled"))
    confirming_since = models.DateTimeField(null=True)
    connected_at = models.DateTimeField(_("connected"), null=True)
    idle_since = models.DateTimeField(null=True)
    key_heard_at = models.DateTimeField(null=True, help_text="The last key on the phone that was acted upon.")
    follows = models.ForeignKey(
        Agent, on_delete=models.SET_NULL, null=True, related_name="followed_by", verbose_name=_("follows")
    )
    follows_once = models.BooleanField(default=False, help_text="Only into the agent's next call.")
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("why it ended"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("ear")
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(ended_at=None), name="one_live_ear"),
            models.UniqueConstraint(
                fields=["account", "call_control_id"], condition=~Q(call_control_id=""), name="ear_leg_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_state_display()}"


class SupervisorSession(models.Model):
    """An ear inside one conference, from asking to leaving."""

    class Stage(models.TextChoices):
        CONNECTING = "connecting", _("bringing your line in")
        JOINING = "joining", _("joining silently")
        INSIDE = "inside", _("inside")
        LEAVING = "leaving", _("leaving")
        ENDED = "ended", _("ended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="supervisor_sessions")
    ear = models.ForeignKey(Ear, on_delete=models.CASCADE, related_name="sessions")
    conference = models.ForeignKey(Conference, on_delete=models.CASCADE, related_name="supervisor_sessions")
    stage = models.CharField(max_length=16, choices=Stage.choices, default=Stage.CONNECTING)

    # What the supervisor wants once inside; whisper follows by itself, barge asks again (guarantee 6).
    wanted_role = models.CharField(max_length=8, choices=Role.choices, default=Role.MONITOR)
    wanted_targets: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids.")
    wanted_at = models.DateTimeField()
    audience_seen: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids on the screen.")

    # What Telnyx accepted last, and when a reading confirmed it.
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MONITOR)
    targets: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids.")
    verified_at = models.DateTimeField(null=True)
    monitor_reads_muted = models.BooleanField(
        default=False, help_text="This leg was read back as muted while it monitored, so unmuted means audible."
    )
    notice = models.CharField(max_length=300, blank=True, default="", help_text="The last thing to tell, in words.")

    started_at = models.DateTimeField()
    inside_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("supervision")
        constraints = [
            models.UniqueConstraint(fields=["ear"], condition=Q(ended_at=None), name="one_open_session_per_ear"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.conference}"


class Command(models.Model):
    """One stored intention to change something at Telnyx; its id is Telnyx's command_id."""

    class Kind(models.TextChoices):
        DIAL = "dial", _("dial")
        GATHER = "gather", _("ask for a key")
        JOIN = "join", _("join")
        UPDATE = "update", _("change role")
        LEAVE = "leave", _("leave")
        HANGUP = "hangup", _("hang up")

    class State(models.TextChoices):
        ASKED = "asked", _("asked")
        ACCEPTED = "accepted", _("accepted, checking")
        VERIFIED = "verified", _("verified")
        UNCONFIRMED = "unconfirmed", _("accepted, cannot be confirmed")
        CONTRADICTED = "contradicted", _("contradicted")
        REJECTED = "rejected", _("refused")
        UNKNOWN = "unknown", _("no answer yet")
        EXPIRED = "expired", _("given up")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="commands")
    ear = models.ForeignKey(Ear, on_delete=models.SET_NULL, null=True, related_name="commands")
    session = models.ForeignKey(SupervisorSession, on_delete=models.SET_NULL, null=True, related_name="commands")
    conference = models.ForeignKey(Conference, on_delete=models.SET_NULL, null=True, related_name="commands")
    role = models.CharField(_("role"), max_length=8, choices=Role.choices, blank=True, default="")
    targets: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids.")

    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.ASKED)
    asked_at = models.DateTimeField(_("asked"))
    # Told by the database too: a process of the release before, which does not know it, can still insert.
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
    http_status = models.PositiveSmallIntegerField(_("Telnyx status"), null=True)
    telnyx_code = models.CharField(_("Telnyx code"), max_length=16, blank=True, default="")
    outcome = models.CharField(_("outcome"), max_length=300, blank=True, default="", help_text="In the user's words.")

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


class Presence(models.Model):
    """When a supervisor's pages were last alive: an open stream, or a page that refreshes itself."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id} {self.seen_at}"


class Screen(models.Model):
    """What one web process shows its viewers, so that the comparison with Telnyx looks there first."""

    process = models.UUIDField(primary_key=True)
    conference_ids: models.JSONField[Any, Any] = models.JSONField(default=list)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.process} {self.at}"
