"""Defines teams, agents, rights per team, and supervisors' lines."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from conferences.thresholds import DEFAULTS, Thresholds

e164 = RegexValidator(r"^\+[1-9][0-9]{6,14}$", _("Write the number with its country code, for example +15551230000."))
# sip:name@host, with a port where one is needed. Telnyx dials it as it is, and call legs, lists and webhooks repeat it.
sip_address = RegexValidator(
    r"^sip:[^@:;?\s]+@(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?$", _("Write it as sip:name@sip.telnyx.com.")
)
sip_password = RegexValidator(
    r"^sip:[^@\s]*:[^@\s]*@",
    _("Leave the password out: write sip:name@sip.telnyx.com. The phone itself signs in at Telnyx with its password."),
    inverse_match=True,
)
sip_additions = RegexValidator(
    r"[;?\s]",
    _("Leave out spaces and whatever follows a ; or a ?: write only sip:name@sip.telnyx.com."),
    inverse_match=True,
)

HOUR_SECONDS = 60 * 60
DAY_MINUTES = 24 * 60


def _threshold(label: Any, *, most: int) -> models.PositiveSmallIntegerField[int | None, int | None]:
    return models.PositiveSmallIntegerField(
        label, null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(most)]
    )


class Team(models.Model):
    """Agents who belong together; rights are given per team."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # The thresholds from which on a call of the team needs somebody; empty for the default.
    long_call_minutes = _threshold(_("long call after (minutes)"), most=DAY_MINUTES)
    very_long_call_minutes = _threshold(_("very long call after (minutes)"), most=DAY_MINUTES)
    same_speaker_seconds = _threshold(_("same speaker after (seconds)"), most=HOUR_SECONDS)
    hold_seconds = _threshold(_("on hold too long after (seconds)"), most=HOUR_SECONDS)
    many_transfers = _threshold(_("many transfers from (number)"), most=99)
    waiting_seconds = _threshold(_("waiting too long after (seconds)"), most=HOUR_SECONDS)

    class Meta:
        verbose_name = _("team")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a very long call that is shorter than a long one, as one of them may be the default."""
        if self.thresholds.very_long_call <= self.thresholds.long_call:
            minutes = int(self.thresholds.long_call.total_seconds() // 60)
            raise ValidationError(
                {
                    "very_long_call_minutes": _(
                        "A very long call takes longer than a long one, which takes %d minutes."
                    )
                    % minutes
                }
            )

    @property
    def thresholds(self) -> Thresholds:
        """Return what the team has set, and the defaults where it has set nothing."""
        return Thresholds(
            long_call=_minutes(self.long_call_minutes) or DEFAULTS.long_call,
            very_long_call=_minutes(self.very_long_call_minutes) or DEFAULTS.very_long_call,
            same_speaker=_seconds(self.same_speaker_seconds) or DEFAULTS.same_speaker,
            hold=_seconds(self.hold_seconds) or DEFAULTS.hold,
            transfers=self.many_transfers or DEFAULTS.transfers,
            waiting=_seconds(self.waiting_seconds) or DEFAULTS.waiting,
        )


def _minutes(number: int | None) -> timedelta | None:
    return timedelta(minutes=number) if number else None


def _seconds(number: int | None) -> timedelta | None:
    return timedelta(seconds=number) if number else None


class Agent(models.Model):
    """Someone who takes calls, and the marks by which their legs are recognised."""

    name = models.CharField(_("name"), max_length=100)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="agents")
    sip_username = models.CharField(
        _("SIP credential"),
        max_length=128,
        blank=True,
        default="",
        help_text=_(
            "At Telnyx the part before the @ of the agent's SIP address, for example gencredAbc123; of a phone that is "
            "registered elsewhere the whole name@host."
        ),
    )
    number = models.CharField(
        _("number"),
        max_length=32,
        blank=True,
        default="",
        validators=[e164],
        help_text=_("Recognised only when the call flow dials it; a caller with this number is a customer."),
    )
    reference = models.CharField(
        _("reference"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("What the call flow writes into client_state or the agent header."),
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="agent",
        verbose_name=_("signs in as"),
        help_text=_(
            "With this user name the agent sees who listened to their own calls, if AGENTS_SEE_LISTENING allows it. "
            "A user without rights in a team sees nothing else. Leave it empty for an agent who does not sign in."
        ),
    )
    created_at = models.DateTimeField(_("entered"), auto_now_add=True)

    class Meta:
        verbose_name = _("agent")
        # SIP names are looked up in any case, for every batch of webhooks (conferences.recognition.directory).
        indexes = [models.Index(Lower("sip_username"), name="agent_sip_in_lower_case")]
        constraints = [
            models.UniqueConstraint(
                fields=[field], condition=~Q(**{field: ""}), name=f"agent_{field}_once", violation_error_message=text
            )
            for field, text in (
                ("sip_username", _("Another agent has this SIP credential.")),
                ("number", _("Another agent has this number.")),
                ("reference", _("Another agent has this reference.")),
            )
        ]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """A supervisor's rights in a team's conferences; being a member is the right to see them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="team_memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    may_monitor = models.BooleanField(_("may monitor"), default=True)
    may_whisper = models.BooleanField(_("may whisper"), default=False)
    may_barge = models.BooleanField(_("may barge"), default=False)
    may_see_numbers = models.BooleanField(
        _("may see numbers"),
        default=False,
        db_default=False,
        help_text=_("May have a masked number shown in full; each time it is noted in the audit."),
    )
    may_note = models.BooleanField(_("may write notes"), default=True, db_default=True)
    is_lead = models.BooleanField(
        _("lead"),
        default=False,
        help_text=_("Also sees the calls that a rule gives to leads and staff, with the same rights."),
    )

    class Meta:
        verbose_name = _("team right")
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.team}"


class Supervisor(User):
    """A person as one who listens: with teams and phones. The rights to edit one are those to edit a user."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("supervisor")

    def __str__(self) -> str:
        return self.get_full_name() or self.get_username()


class Line(models.Model):
    """A supervisor's phone: where Floorline rings when they want to listen."""

    class Kind(models.TextChoices):
        PHONE = "phone", _("phone number")
        SIP = "sip", _("SIP phone")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lines")
    label = models.CharField(_("label"), max_length=60, help_text=_("For example “Desk phone”."))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.PHONE)
    address = models.CharField(
        _("address"), max_length=200, help_text=_("+15551230000 for a phone, sip:name@sip.telnyx.com for a SIP phone.")
    )
    is_default = models.BooleanField(_("rings when the supervisor connects"), default=False)

    class Meta:
        verbose_name = _("supervisor phone")
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(is_default=True),
                name="one_default_line",
                violation_error_message=_("Only one phone of a person rings when they connect."),
            ),
            models.UniqueConstraint(
                fields=["address"],
                name="line_address_once",
                violation_error_message=_("Another supervisor phone already has this address."),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def clean(self) -> None:
        """Hold the address against the kind of line."""
        checks = [e164] if self.kind == self.Kind.PHONE else [sip_password, sip_additions, sip_address]
        try:
            for check in checks:
                check(self.address)
        except ValidationError as refused:
            raise ValidationError({"address": refused}) from refused
        if self.kind == self.Kind.SIP:
            name, _at, host = self.address.rpartition("@")
            self.address = f"{name}@{host.lower()}"

    def ring_first(self) -> None:
        """Make this the line of its supervisor that rings first."""
        with transaction.atomic():
            Line.objects.filter(user=self.user_id, is_default=True).update(is_default=False)
            Line.objects.filter(pk=self.pk).update(is_default=True)
