"""The Telnyx account, its connections, and two rows that describe the database itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from conferences.secrets import EncryptedTextField

# Telnyx repeats an unanswered webhook for about a minute: a shorter silence of ours has lost nothing.
CHECKED_IS_RECENT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is needed to speak with Telnyx for one account; the key stays out of repr."""

    api_base: str
    api_key: str = field(repr=False)
    public_keys: tuple[str, ...]
    ear_connection_id: str
    from_number: str


class Region(models.TextChoices):
    """Where Telnyx keeps the conferences (the `region` of conference requests)."""

    DEFAULT = "", _("the account's own region")
    US = "US", "US"
    EUROPE = "Europe", _("Europe")
    AUSTRALIA = "Australia", _("Australia")
    MIDDLE_EAST = "Middle East", _("Middle East")


class WhisperReach(models.TextChoices):
    """Whether somebody who joins later hears a whisper that is already running; Telnyx does not document it."""

    UNPROVEN = "unproven", _("unproven")
    LISTED_ONLY = "listed", _("only the chosen legs, whoever joins later")
    LATER_JOINERS_TOO = "later", _("also legs that join later")


class Feed(models.TextChoices):
    """How the events of an account reach the board."""

    WEBHOOKS = "webhooks", _("webhooks: Telnyx posts them here")
    COPIES = "copies", _("copies: the center's application forwards them, signature included")
    POLLING = "polling", _("polling: no webhook reaches us, Telnyx is asked every few seconds")


class Account(models.Model):
    """One Telnyx account; what is left empty on the default account comes from the environment."""

    name = models.CharField(_("name"), max_length=100, unique=True)
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
            "Empty: client_state is not used."
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
        validators=[
            RegexValidator(r"^[^=]+=.+$", _("Write it as role=customer: where to look, and what stands there."))
        ],
        help_text=_(
            "What the call flow writes into the client_state of a customer's leg, for example role=customer. Customers "
            "whom the center dials are known by it. Empty: only those who call in are known."
        ),
    )
    reads_per_second = models.PositiveSmallIntegerField(
        _("reads per second"),
        default=5,
        validators=[MinValueValidator(1)],
        help_text=_(
            "How often Floorline may ask Telnyx what is true. The rate limit is shared with your call flow, and "
            "commands go first; more reads show changes earlier where webhooks got lost."
        ),
    )
    max_ears = models.PositiveSmallIntegerField(
        _("lines at once"),
        default=5,
        help_text=_("How many supervisors' lines may be up at once; your call flow shares Telnyx' limit of calls."),
    )
    ear_idle_minutes = models.PositiveSmallIntegerField(
        _("release an idle line after (minutes)"),
        default=30,
        validators=[MinValueValidator(1)],
        help_text=_("A line that is connected and in no conference costs a call; after this time it is hung up."),
    )
    whisper_alone_seconds = models.PositiveSmallIntegerField(
        _("whisper without an open page ends after (seconds)"),
        default=60,
        validators=[MinValueValidator(15)],
        help_text=_("Whoever whispers and has closed every page goes back to listening silently."),
    )
    barge_alone_seconds = models.PositiveSmallIntegerField(
        _("barge without an open page ends after (seconds)"),
        default=120,
        validators=[MinValueValidator(15)],
        help_text=_("The same for whoever speaks to everyone."),
    )
    # The capability profile: what this account really does, unproven until `manage.py probe_telnyx` has run.
    whisper_reaches = models.CharField(
        _("a running whisper reaches"),
        max_length=16,
        choices=WhisperReach.choices,
        default=WhisperReach.UNPROVEN,
        help_text=_(
            "Only where it is proven that a whisper stays with the chosen legs does it go on when a customer or an "
            "unknown leg joins; else it is stopped then."
        ),
    )
    monitor_reads_muted = models.BooleanField(
        _("a monitor reads back as muted"),
        null=True,
        blank=True,
        help_text=_(
            "If so, Telnyx' list tells a silent line from an audible one, and Monitor and Barge are shown as verified. "
            "If not, they are shown as accepted, which cannot be confirmed."
        ),
    )
    monitor_harms_call = models.BooleanField(
        _("a monitor cuts the audio of the call"),
        null=True,
        blank=True,
        help_text=_("If so, Floorline refuses to listen on this account, and tells supervisors why."),
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
        help_text=_("Events may have been missed since then; empty once everything has been compared again."),
    )

    undelivered_read_at = models.DateTimeField(
        _("Telnyx' log of failed deliveries read"), null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("Telnyx account")

    def __str__(self) -> str:
        return self.name

    def credentials(self) -> Credentials:
        """Return what the row says, completed from the environment."""
        return Credentials(
            api_base=settings.TELNYX_API_BASE,
            api_key=self.api_key or settings.TELNYX_API_KEY,
            public_keys=self.public_keys_in_force(),
            ear_connection_id=self.ear_connection_id or settings.TELNYX_CONNECTION_ID,
            from_number=self.from_number or settings.TELNYX_FROM_NUMBER,
        )

    def public_keys_in_force(self) -> tuple[str, ...]:
        """Return the keys that this account's webhooks may be signed with."""
        stored = tuple(key.strip() for key in self.public_keys.replace(",", "\n").splitlines() if key.strip())
        return stored or tuple(settings.TELNYX_PUBLIC_KEYS)

    def is_live(self, *, now: datetime) -> bool:
        """Say whether the board may be shown as live: compared a moment ago, and in full since the last outage."""
        recent = self.checked_at is not None and now - self.checked_at < CHECKED_IS_RECENT
        return recent and self.unsure_since is None


class Connection(models.Model):
    """A Telnyx connection or application that events name; unknown ones wait here for an admin's word."""

    class Role(models.TextChoices):
        UNASSIGNED = "unassigned", _("unassigned")
        CALLS = "calls", _("calls: customers and agents")
        AGENTS = "agents", _("agents' phones only")
        EAR = "ear", _("ear: supervisors' lines only")
        IGNORED = "ignored", _("ignored")

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="connections")
    connection_id = models.CharField(_("connection id"), max_length=64)
    name = models.CharField(_("name"), max_length=100, blank=True, default="")
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.UNASSIGNED)
    team = models.ForeignKey(
        "Team", on_delete=models.SET_NULL, null=True, blank=True, help_text=_("Its conferences belong to this team.")
    )

    class Meta:
        verbose_name = _("connection")
        constraints = [
            models.UniqueConstraint(fields=["account", "connection_id"], name="connection_once"),
        ]

    def __str__(self) -> str:
        return self.name or self.connection_id


class BoardVersion(models.Model):
    """The number of the last visible change: one row, raised inside the transaction that changes something."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    value = models.BigIntegerField(default=0)
    ingested_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_board_version")]

    def __str__(self) -> str:
        return str(self.value)


class Lease(models.Model):
    """Who does the background work: one process at a time, known by a number that only grows."""

    name = models.CharField(primary_key=True, max_length=20)
    token = models.BigIntegerField(default=0, help_text="Fences off a holder who slept through the end of the lease.")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.token}"


class DatabaseStamp(models.Model):
    """Says whether this database belongs to the sandbox or to a real account; the other mode refuses it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sandbox = models.BooleanField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_database_stamp")]

    def __str__(self) -> str:
        return "sandbox" if self.sandbox else "live"
