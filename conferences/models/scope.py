"""Defines whose a call is before an agent has joined it, and what nobody may listen to."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from conferences.masks import masked_within

from .people import Agent, Team


class TeamRule(models.Model):
    """Says whose a call is that neither an agent nor its phone application gives to a team; the first match counts."""

    class LooksAt(models.TextChoices):
        NUMBER = "number", _("dialled number")
        QUEUE = "queue", _("queue")
        CONNECTION = "connection", _("phone application")
        NAME = "name", _("name of the call")
        ANY = "any", _("every call without a team")

    place = models.PositiveIntegerField(
        _("place"), default=100, help_text=_("The first rule that matches counts; small numbers come first.")
    )
    looks_at = models.CharField(_("looks at"), max_length=12, choices=LooksAt.choices)
    pattern = models.CharField(
        _("matches"),
        max_length=200,
        blank=True,
        default="",
        help_text=_(
            "For example +4930*, billing or vip-*: * stands for anything, ? for one character; capitals do not matter. "
            "For a phone application its name or its ID at Telnyx. Empty for every call."
        ),
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("belongs to"),
        help_text=_("Without a team only superusers see such calls."),
    )
    for_leads = models.BooleanField(
        _("leads and staff see it"),
        default=False,
        help_text=_("No team: every lead and all staff see such calls, and the waiting list shows them to every team."),
    )

    class Meta:
        verbose_name = _("team rule")
        constraints = [
            models.CheckConstraint(
                condition=Q(team=None) | Q(for_leads=False),
                name="rule_for_a_team_or_for_leads",
                violation_error_message=_("Choose a team, or let leads and staff see it, not both."),
            )
        ]

    def __str__(self) -> str:
        """Return what it looks at, as lists and the history of its page keep it: without a whole number."""
        what = str(self.get_looks_at_display())
        return what if self.looks_at == self.LooksAt.ANY else f"{what} {masked_within(self.pattern)}"

    def clean(self) -> None:
        """Hold the pattern against what the rule looks at."""
        self.pattern = self.pattern.strip()
        if self.looks_at == self.LooksAt.ANY:
            self.pattern = ""
        elif not self.pattern:
            raise ValidationError({"pattern": _("Say what it has to match, for example billing*.")})

    @property
    def looks_at_legs(self) -> bool:
        """Return whether the rule looks at who is in the call, and not only at the call itself."""
        return self.looks_at in {self.LooksAt.NUMBER, self.LooksAt.QUEUE, self.LooksAt.CONNECTION}


class Protection(models.Model):
    """An agent, a queue or a number that nobody may listen to."""

    class Kind(models.TextChoices):
        AGENT = "agent", _("agent")
        QUEUE = "queue", _("queue")
        NUMBER = "number", _("number")

    kind = models.CharField(_("what"), max_length=8, choices=Kind.choices)
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, null=True, blank=True, related_name="protections", verbose_name=_("agent")
    )
    pattern = models.CharField(
        _("matches"),
        max_length=200,
        blank=True,
        default="",
        help_text=_("The queue's name, or the number as +15551230000, dialled or calling; * stands for anything."),
    )
    reason = models.CharField(
        _("reason"),
        max_length=150,
        blank=True,
        default="",
        help_text=_("Shown to whoever wants to listen, for example “Calls of the works council are private.”"),
    )

    class Meta:
        verbose_name = _("protection")
        verbose_name_plural = _("protected from listening")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="agent", agent__isnull=False, pattern="")
                | Q(kind__in=["queue", "number"], agent=None) & ~Q(pattern=""),
                name="protection_names_one",
                violation_error_message=_("Name the agent, or what the queue or the number matches."),
            )
        ]

    def __str__(self) -> str:
        """Return what is protected, without a whole number."""
        what = str(self.agent) if self.kind == self.Kind.AGENT else masked_within(self.pattern)
        return f"{self.get_kind_display()} {what}"
