"""Defines ears, supervisor sessions, lines that Floorline does not control, and stops."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .account import Account
from .calls import Conference, Leg
from .people import Agent, Line


class Role(models.TextChoices):
    """Telnyx's supervisor_role; `none` is audible to everyone, exactly as barge."""

    MONITOR = "monitor", _("Monitor")
    WHISPER = "whisper", _("Whisper")
    BARGE = "barge", _("Barge")
    NONE = "none", _("Stay in the call")

    @classmethod
    def audible_to_all(cls) -> frozenset[Role]:
        """Return the roles in which everybody in the conference hears the supervisor."""
        return frozenset({cls.BARGE, cls.NONE})

    @classmethod
    def audible_to_somebody(cls) -> frozenset[Role]:
        """Return the roles in which anybody at all hears the supervisor."""
        return cls.audible_to_all() | {cls.WHISPER}


class EarQuerySet(models.QuerySet["Ear"]):
    """Ears by what they are used for."""

    def live(self) -> EarQuerySet:
        """Return those whose leg is still to be looked after."""
        return self.filter(ended_at=None)


class Ear(models.Model):
    """The live leg on a supervisor's line."""

    class State(models.TextChoices):
        DIALLING = "dialling", _("ringing")
        CONFIRMING = "confirming", _("waiting for key 1")
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
        help_text=_("If not, the center's own call flow dialled it. Leave call then does not hang it up."),
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.DIALLING)
    created_at = models.DateTimeField(_("dialled"))
    confirming_since = models.DateTimeField(null=True)
    connected_at = models.DateTimeField(_("connected"), null=True)
    idle_since = models.DateTimeField(null=True)
    # Both by Telnyx' clock.
    key_heard_at = models.DateTimeField(null=True, help_text="The last key on the phone that was acted upon.")
    hold_heard_at = models.DateTimeField(null=True, help_text="The last hold on the phone that was acted upon.")
    follows = models.ForeignKey(
        Agent, on_delete=models.SET_NULL, null=True, related_name="followed_by", verbose_name=_("follows")
    )
    follows_once = models.BooleanField(default=False, help_text="Only into the agent's next call.")
    follow_pressed_at = models.DateTimeField(null=True, help_text="When following was asked for.")
    follow_page = models.UUIDField(null=True, help_text="The page on which it was asked for.")
    follow_number = models.PositiveIntegerField(null=True, help_text="Which press of that page it was.")
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("why it ended"), max_length=200, blank=True, default="")
    renews = models.BooleanField(
        default=False, db_default=False, help_text="Hung up before Telnyx' limit, to be rung again once it is down."
    )

    objects = EarQuerySet.as_manager()

    class Meta:
        verbose_name = _("supervisor phone call")
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(ended_at=None), name="one_live_ear"),
            models.UniqueConstraint(
                fields=["account", "call_control_id"], condition=~Q(call_control_id=""), name="ear_leg_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_state_display()}"


class SupervisorSessionQuerySet(models.QuerySet["SupervisorSession"]):
    """Sessions by what they are used for."""

    def open(self) -> SupervisorSessionQuerySet:
        """Return those that have not ended: on the way in, inside, or on the way out."""
        return self.filter(ended_at=None)

    def for_next_step(self) -> SupervisorSessionQuerySet:
        """Load with each session what its next step needs."""
        return self.select_related("ear__account", "ear__user", "conference__account", "user")


class SupervisorSession(models.Model):
    """An ear inside one conference, from asking to leaving."""

    class Stage(models.TextChoices):
        CONNECTING = "connecting", _("ringing the phone")
        JOINING = "joining", _("joining")
        INSIDE = "inside", _("inside")
        LEAVING = "leaving", _("leaving")
        ENDED = "ended", _("ended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="supervisor_sessions")
    ear = models.ForeignKey(Ear, on_delete=models.CASCADE, related_name="sessions")
    conference = models.ForeignKey(Conference, on_delete=models.CASCADE, related_name="supervisor_sessions")
    stage = models.CharField(max_length=16, choices=Stage.choices, default=Stage.CONNECTING)

    # The role that follows once inside: whisper by itself, barge after asking again.
    wanted_role = models.CharField(max_length=8, choices=Role.choices, default=Role.MONITOR)
    wanted_targets: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids.")
    wanted_at = models.DateTimeField()
    audience_seen: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids on the screen.")

    # The newest press of this session. `wanted_at` moves with each step that follows by itself; this never does.
    pressed_at = models.DateTimeField(null=True, help_text="On the server's clock; empty where nobody pressed.")
    press_page = models.UUIDField(null=True, help_text="The page on which it was pressed.")
    press_number = models.PositiveIntegerField(null=True, help_text="Which press of that page it was.")

    # The role that Telnyx accepted last, and when a reading confirmed it.
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

    objects = SupervisorSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("listening")
        verbose_name_plural = _("listening history")
        constraints = [
            models.UniqueConstraint(fields=["ear"], condition=Q(ended_at=None), name="one_open_session_per_ear"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.conference}"

    @property
    def is_audible(self) -> bool:
        """Return whether somebody hears the supervisor in this role."""
        return self.role in Role.audible_to_somebody()


class UnsteeredLineQuerySet(models.QuerySet["UnsteeredLine"]):
    """Uncontrolled lines by whether they are still inside."""

    def open(self) -> UnsteeredLineQuerySet:
        """Return those that have not ended."""
        return self.filter(ended_at=None)


class UnsteeredLine(models.Model):
    """A supervisor's line that the center's call flow brought in, and that Floorline records but does not control."""

    class Reason(models.TextChoices):
        NO_RIGHT = "no right", _("not allowed to listen here")
        OTHER_LINE = "other line", _("another phone is in use")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="unsteered_lines")
    line = models.ForeignKey(Line, on_delete=models.SET_NULL, null=True)
    conference = models.ForeignKey(Conference, on_delete=models.CASCADE, related_name="unsteered_lines")
    leg = models.ForeignKey(Leg, on_delete=models.CASCADE, related_name="unsteered_lines")
    reason = models.CharField(_("why Floorline does not control it"), max_length=16, choices=Reason.choices)

    # As last read from Telnyx.
    role = models.CharField(_("role"), max_length=8, choices=Role.choices)
    targets: models.JSONField[Any, Any] = models.JSONField(default=list, help_text="Leg ids.")
    verified_at = models.DateTimeField(null=True)

    started_at = models.DateTimeField(_("inside since"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("why it ended"), max_length=200, blank=True, default="")

    objects = UnsteeredLineQuerySet.as_manager()

    class Meta:
        verbose_name = _("uncontrolled supervisor phone")
        constraints = [
            models.UniqueConstraint(fields=["conference", "leg"], condition=Q(ended_at=None), name="unsteered_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.conference}"


class Stop(models.Model):
    """A press of a supervisor that asks for silence; everything that the same person pressed before it is void.

    It belongs to the person and not to a session: a stop counts on the way from one conference to the next, too.
    """

    class Way(models.TextChoices):
        QUIETER = "quieter", _("quieter")
        LEAVE = "leave", _("leave")
        DISCONNECT = "disconnect", _("disconnect")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stops")
    way = models.CharField(max_length=12, choices=Way.choices)
    pressed_at = models.DateTimeField(help_text="On the server's clock.")
    page = models.UUIDField(null=True, help_text="The page, or the phone's ear, on which it was pressed.")
    number = models.PositiveIntegerField(null=True, help_text="Which press of that page it was.")

    class Meta:
        indexes = [models.Index(fields=["user", "pressed_at"], name="stop_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id} · {self.way} · {self.pressed_at}"
