"""Defines the Telnyx account and its connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from conferences.secrets import EncryptedTextField
from conferences.webhook_addresses import path_of

CLOCK_IS_KNOWN = timedelta(minutes=15)
CLOCK_TOLERANCE = 5.0  # seconds
# Telnyx signs whole seconds, and a webhook is on its way for a while: clocks that agree seem to differ by as much.
CLOCK_PRECISION = 1.5  # seconds
# Telnyx repeats an unanswered webhook for about a minute: a shorter silence of ours has lost nothing.
CHECKED_IS_RECENT = timedelta(seconds=60)
LONGEST_STEM = 40  # a slug has room for fifty characters, a number behind the name included


@dataclass(frozen=True, slots=True)
class Credentials:
    """Address and API key for one account's requests to Telnyx; the key stays out of repr."""

    api_base: str
    api_key: str = field(repr=False)
    public_keys: tuple[str, ...]
    ear_connection_id: str
    from_number: str


def keys_within(text: str) -> tuple[str, ...]:
    """Return public keys as a person types them: parted by lines, commas or blanks."""
    return tuple(text.replace(",", " ").split())


class Region(models.TextChoices):
    """The region in which Telnyx keeps the conferences (`region` in conference requests)."""

    DEFAULT = "", _("the account's own region")
    US = "US", "US"
    EUROPE = "Europe", _("Europe")
    AUSTRALIA = "Australia", _("Australia")
    MIDDLE_EAST = "Middle East", _("Middle East")


class WhisperReach(models.TextChoices):
    """Whether a running whisper reaches somebody who joins later; Telnyx does not document it."""

    UNPROVEN = "unproven", _("not tested")
    LISTED_ONLY = "listed", _("only the chosen legs, whoever joins later")
    LATER_JOINERS_TOO = "later", _("also legs that join later")


class Feed(models.TextChoices):
    """The way in which an account's events reach the board."""

    WEBHOOKS = "webhooks", _("webhooks: Telnyx posts them here")
    COPIES = "copies", _("copies: the center's application forwards them, signature included")
    POLLING = "polling", _("polling: no webhook reaches us, Telnyx is asked every few seconds")


class Account(models.Model):
    """One Telnyx account; what is left empty on the default account comes from the environment."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # Made of the first name and kept when that changes: it is in the portal. Empty where the release before added it.
    slug = models.SlugField(_("webhook address"), unique=True, null=True, blank=True, editable=False)
    is_default = models.BooleanField(
        _("default account"),
        default=False,
        db_default=False,
        editable=False,
    )
    is_active = models.BooleanField(
        _("in use"),
        default=True,
        db_default=True,
        help_text=_(
            "If not, this account’s webhooks are refused, it is not compared with Telnyx, and no phone is rung on it. "
            "Calls that are on the floor when you save leave it for good. What is stored stays."
        ),
    )
    api_key = EncryptedTextField(_("API key"), blank=True, default="")
    public_keys = models.TextField(
        _("public keys"), blank=True, default="", help_text=_("One a line; two while Telnyx rotates them.")
    )
    ear_connection_id = models.CharField(
        _("ear application"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("The id of the Call Control application that supervisors' lines are dialled on."),
    )
    from_number = models.CharField(
        _("number to dial from"), max_length=32, blank=True, default="", help_text=_("In the form +15551230000.")
    )
    region = models.CharField(_("region"), max_length=16, blank=True, default=Region.DEFAULT, choices=Region.choices)
    agent_path = models.CharField(
        _("agent in client_state"),
        max_length=100,
        blank=True,
        default="",
        help_text=_(
            "Where the call flow writes an agent's reference in a leg's client_state, for example agent.id. "
            "A single dot: the whole client_state is the reference. Empty: client_state is not used."
        ),
    )
    agent_header = models.CharField(
        _("agent header"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("A SIP header on outgoing legs that carries an agent's reference, for example X-Agent."),
    )
    customer_mark = models.CharField(
        _("customer in client_state"),
        max_length=150,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[^=]+=.+$", _("Write it as role=customer: the place, and the value there."))],
        help_text=_(
            "What the call flow writes into the client_state of a customer's leg, for example role=customer. Floorline "
            "recognises by it the customers whom the center dials. Empty: it recognises only those who call in."
        ),
    )
    reads_per_second = models.PositiveSmallIntegerField(
        _("reads per second"),
        default=5,
        validators=[MinValueValidator(1)],
        help_text=_(
            "How often Floorline may read from Telnyx. Your call flow shares the rate limit, and commands go first. "
            "More reads show changes earlier where webhooks are lost."
        ),
    )
    max_ears = models.PositiveSmallIntegerField(
        _("supervisor phones at once"),
        default=5,
        help_text=_(
            "How many supervisor phones may be connected at once. Your call flow shares Telnyx' limit of calls."
        ),
    )
    ear_idle_minutes = models.PositiveSmallIntegerField(
        _("hang up an unused phone after (minutes)"),
        default=30,
        validators=[MinValueValidator(1)],
        help_text=_("A phone that is connected and in no conference costs a call. After this time it is hung up."),
    )
    whisper_alone_seconds = models.PositiveSmallIntegerField(
        _("whisper without an open page ends after (seconds)"),
        default=60,
        validators=[MinValueValidator(15)],
        help_text=_("A supervisor who whispers and has closed every page goes back to Monitor after this time."),
    )
    barge_alone_seconds = models.PositiveSmallIntegerField(
        _("barge without an open page ends after (seconds)"),
        default=120,
        validators=[MinValueValidator(15)],
        help_text=_("The same for a supervisor who barges."),
    )
    # The capability profile: what this account really does, unproven until `floorline probe` has run.
    whisper_reaches = models.CharField(
        _("a running whisper reaches"),
        max_length=16,
        choices=WhisperReach.choices,
        default=WhisperReach.UNPROVEN,
        help_text=_(
            "A running whisper continues when a customer or an unknown caller joins only where it was tested that "
            "the whisper stays with the chosen legs. Otherwise Floorline stops it then."
        ),
    )
    monitor_reads_muted = models.BooleanField(
        _("Telnyx shows a monitor as muted"),
        null=True,
        blank=True,
        help_text=_(
            "If so, Telnyx shows whether a supervisor is heard, and Monitor and Barge can be confirmed. If not, they "
            "are shown as sent, but not confirmed."
        ),
    )
    monitor_harms_call = models.BooleanField(
        _("a monitor cuts the sound of the call"),
        null=True,
        blank=True,
        help_text=_("If so, Floorline lets nobody listen on this account, and tells supervisors why."),
    )
    probed_at = models.DateTimeField(_("probed"), null=True, blank=True, editable=False)
    feed = models.CharField(_("feed"), max_length=8, choices=Feed.choices, default=Feed.WEBHOOKS)
    bridged_call_seen_at = models.DateTimeField(_("bridged call seen"), null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(_("last full comparison with Telnyx"), null=True, blank=True, editable=False)
    check_problem = models.CharField(_("why the last comparison failed"), max_length=300, blank=True, default="")
    unsure_since = models.DateTimeField(
        _("not compared in full since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Events may have been missed since then. Empty again after a full comparison."),
    )

    heard_at = models.DateTimeField(_("last webhook"), null=True, blank=True, editable=False)
    clock_ahead = models.FloatField(
        _("seconds that our clock is ahead of Telnyx'"), null=True, blank=True, editable=False
    )
    feed_stopped_since = models.DateTimeField(
        _("webhooks stopped since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_(
            "Telnyx showed a change that no webhook reported, or does not answer. Empty while webhooks arrive."
        ),
    )
    # Stored, because a worker that begins meanwhile cannot know it: then an answer of Telnyx is enough to begin again.
    feed_only_unanswered = models.BooleanField(
        _("webhooks stopped only as Telnyx does not answer"), default=False, db_default=False, editable=False
    )
    feed_resumed_at = models.DateTimeField(_("webhooks come again since"), null=True, blank=True, editable=False)

    undelivered_read_at = models.DateTimeField(
        _("Telnyx' log of failed deliveries read"), null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("Telnyx account")
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=models.Q(is_default=True), name="one_default"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Give a new account its webhook address; the first one is the default."""
        if self._state.adding:
            self.slug = self.slug or _free_slug(self.name)
            self.is_default = self.is_default or not Account.objects.filter(is_default=True).exists()
        super().save(*args, **kwargs)

    def credentials(self) -> Credentials:
        """Return what the row says; the default account's is completed from the environment."""
        return Credentials(
            api_base=settings.TELNYX_API_BASE,
            api_key=self.api_key or self._from_environment(settings.TELNYX_API_KEY),
            public_keys=self.public_keys_in_force(),
            ear_connection_id=self.ear_connection_id_in_force(),
            from_number=self.from_number_in_force(),
        )

    def public_keys_in_force(self) -> tuple[str, ...]:
        """Return the keys that this account's webhooks may be signed with."""
        return keys_within(self.public_keys) or (tuple(settings.TELNYX_PUBLIC_KEYS) if self.is_default else ())

    def ear_connection_id_in_force(self) -> str:
        """Return the id of the application that supervisors' lines are dialled on."""
        return self.ear_connection_id or self._from_environment(settings.TELNYX_CONNECTION_ID)

    def from_number_in_force(self) -> str:
        """Return the number that supervisors' phones show when they are rung."""
        return self.from_number or self._from_environment(settings.TELNYX_FROM_NUMBER)

    def _from_environment(self, given: str) -> str:
        return given if self.is_default else ""

    @property
    def webhook_url(self) -> str:
        """The account's own webhook address, to be entered in the Telnyx portal."""
        return f"{settings.PUBLIC_URL}{path_of(self.slug)}"

    def clock_is_off_by(self, *, now: datetime) -> int:
        """Return by how many whole seconds our clock is ahead of Telnyx', negative where behind; 0 where it is right.

        Telnyx signs whole seconds, and a webhook takes a moment: what is less than a few seconds says nothing.
        """
        known = self.clock_ahead is not None and self.heard_at is not None and abs(now - self.heard_at) < CLOCK_IS_KNOWN
        return round(self.clock_ahead) if known and abs(self.clock_ahead) > CLOCK_TOLERANCE else 0  # type: ignore[arg-type]

    def on_telnyx_clock(self, at: datetime) -> datetime:
        """Return what Telnyx' clock showed at a moment of ours, by the difference that was measured last.

        Not rounded: it decides which of a reading and a webhook is newer, where a second counts.
        """
        return at - self._difference

    def on_our_clock(self, at: datetime) -> datetime:
        """Return what our clock showed at a moment that Telnyx tells, by the difference that was measured last."""
        return at + self._difference

    @property
    def _difference(self) -> timedelta:
        ahead = self.clock_ahead or 0
        return timedelta(seconds=ahead if abs(ahead) > CLOCK_PRECISION else 0)

    def is_live(self, *, now: datetime) -> bool:
        """Return whether the board is live: fed, compared a moment ago, and in full since the last outage."""
        recent = self.checked_at is not None and now - self.checked_at < CHECKED_IS_RECENT
        return recent and self.unsure_since is None and self.feed_stopped_since is None

    def speech_heard_since(self, moment: datetime) -> datetime | None:
        """Return from when on the silence since a moment says something; None while no event tells who speaks."""
        if self.feed_stopped_since is not None or self.feed == Feed.POLLING:
            return None
        return max(moment, self.feed_resumed_at or moment)


def _free_slug(name: str) -> str:
    """Return a slug for a new account's name that no account has."""
    stem = slugify(name)[:LONGEST_STEM].strip("-_") or "account"
    taken = set(Account.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    return stem if stem not in taken else next(slug for n in count(2) if (slug := f"{stem}-{n}") not in taken)


class Connection(models.Model):
    """A Telnyx connection or application that events name; new ones are unassigned until an admin gives a role."""

    class Role(models.TextChoices):
        UNASSIGNED = "unassigned", _("unassigned")
        CALLS = "calls", _("calls: customers and agents")
        AGENTS = "agents", _("agents' phones only")
        EAR = "ear", _("ear: supervisors' phones only")
        IGNORED = "ignored", _("ignored")

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="connections")
    connection_id = models.CharField(_("connection id"), max_length=64)
    name = models.CharField(_("name"), max_length=100, blank=True, default="")
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.UNASSIGNED)
    team = models.ForeignKey(
        "Team", on_delete=models.SET_NULL, null=True, blank=True, help_text=_("Its conferences belong to this team.")
    )

    class Meta:
        verbose_name = _("phone application")
        constraints = [
            models.UniqueConstraint(fields=["account", "connection_id"], name="connection_once"),
        ]

    def __str__(self) -> str:
        return self.name or self.connection_id
