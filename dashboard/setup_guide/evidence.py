"""Reads what shows how far an account's set-up has come: plain values, without a decision about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, Max, Q, QuerySet

from conferences import names
from conferences.account_setup.applications import Applications, known_applications
from conferences.intake.endpoint import intake
from conferences.models import (
    Account,
    Agent,
    Command,
    Conference,
    Ear,
    Leg,
    Line,
    Team,
    TeamMembership,
    WebhookEvent,
)
from conferences.models.account import Feed
from conferences.models.commands import CommandQuerySet
from conferences.models.supervision import Role
from conferences.telnyx.inbound import TEXML, VERSION_1, clean_text, parse
from conferences.telnyx.refusals import Refusal, cause_of

from .milestones import Milestone, reached

LATELY = timedelta(hours=1)
LISTED_WITHIN = timedelta(seconds=30)
"""A conference is named by a listing or a reading of its own long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedDial:
    """A phone that Telnyx did not ring."""

    at: datetime
    cause: Refusal
    said: str
    """The sentence that the supervisor was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnansweredPhone:
    """A phone that was rung, and whose call ended before anybody listened."""

    at: datetime
    is_sip: bool
    hangup_cause: str
    sip_status: str
    """The SIP status of the refusal, "" where no webhook told it."""
    said: str
    """Why it ended, in the supervisor's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The numbers of those without whom nobody is heard."""

    teams: int
    agents: int
    supervisors: int
    """People who may whisper in a team."""
    with_phone: int
    """Those of them who have a phone."""
    unrecognised: bool
    """Whether somebody is on a call now, and nobody knows who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvidence:
    """Everything that shows how far one account has come, at a moment."""

    now: datetime
    account_id: int
    reached: frozenset[Milestone]
    has_key: bool
    may_store_key: bool
    """Whether there is something to encrypt a key with that is typed into the account."""
    webhook_url: str
    is_polled: bool
    ear_application: str
    """Its id."""
    applications: Applications | None = None
    """As they are set up at Telnyx, where somebody has had them read a while ago."""
    region: str
    """As people read it."""
    checked_at: datetime | None = None
    check_problem: str = ""
    heard_at: datetime | None = None
    stopped_since: datetime | None = None
    clock_off: int = 0
    """By how many seconds our clock is ahead of Telnyx', negative where behind; 0 where it is right."""
    refused: Mapping[str, datetime]
    """When a webhook was last refused, by the reason."""
    unreadable: Mapping[str, datetime]
    """When a signed webhook of a format that is not ours last arrived, by the format."""
    conferences_not_found: int = 0
    """Live ones that webhooks told of, and that Telnyx does not know when asked."""
    bridged_at: datetime | None = None
    connections: Mapping[str, int]
    """The number of connections with each role."""
    people: People
    rung_at: datetime | None = None
    """When Telnyx last accepted to ring a phone."""
    refused_dial: RefusedDial | None = None
    unanswered: UnansweredPhone | None = None
    answered_at: datetime | None = None
    probed_at: datetime | None = None
    monitor_harms_call: bool = False
    whispered_at: datetime | None = None


def people() -> People:
    """Count teams, agents and supervisors."""
    whisperers = Q(pk__in=TeamMembership.objects.filter(may_whisper=True).values("user"))
    phones = Count("pk", filter=Q(pk__in=Line.objects.values("user")))
    counted = User.objects.filter(whisperers, is_active=True).aggregate(all=Count("pk"), with_phone=phones)
    return People(
        teams=Team.objects.count(),
        agents=Agent.objects.count(),
        supervisors=counted["all"],
        with_phone=counted["with_phone"],
        unrecognised=Leg.objects.filter(party=Leg.Party.UNKNOWN, hung_up_at=None).exists(),
    )


def evidence(account: Account, *, people: People, now: datetime) -> AccountEvidence:
    """Read what there is of an account that `accounts_in_order` returned."""
    commands = Command.objects.filter(account=account)
    roles = account.connections.values_list("role").annotate(Count("pk")).order_by()
    return AccountEvidence(
        now=now,
        account_id=account.pk,
        reached=reached(account),
        has_key=bool(vars(account)["has_key"]),
        may_store_key=bool(settings.FIELD_KEYS),
        webhook_url=account.webhook_url,
        is_polled=account.feed == Feed.POLLING,
        ear_application=account.ear_connection_id_in_force(),
        applications=known_applications(account),
        region=account.get_region_display(),
        checked_at=account.checked_at,
        check_problem=account.check_problem,
        heard_at=account.heard_at,
        stopped_since=account.feed_stopped_since,
        clock_off=account.clock_is_off_by(now=now),
        refused=dict(intake.refusals.newest),
        unreadable=_unreadable(account, now=now),
        conferences_not_found=_conferences_not_found(account),
        bridged_at=account.bridged_call_seen_at,
        connections=dict(roles),
        people=people,
        rung_at=_newest(commands.filter(kind=Command.Kind.DIAL, http_status=200), "answered_at"),
        refused_dial=_refused_dial(commands),
        unanswered=_unanswered(account),
        answered_at=_newest(Ear.objects.filter(account=account, dialled_by_us=True), "connected_at"),
        probed_at=account.probed_at,
        monitor_harms_call=bool(account.monitor_harms_call),
        whispered_at=_newest(
            commands.filter(kind=Command.Kind.UPDATE, role=Role.WHISPER, state=Command.State.VERIFIED), "settled_at"
        ),
    )


def _newest(rows: QuerySet[Command] | QuerySet[Ear], column: str) -> datetime | None:
    found: datetime | None = rows.aggregate(newest=Max(column))["newest"]
    return found


def _unreadable(account: Account, *, now: datetime) -> dict[str, datetime]:
    events = WebhookEvent.objects.filter(
        account=account,
        state=WebhookEvent.State.UNREADABLE,
        problem__in=[VERSION_1, TEXML],
        received_at__gt=now - LATELY,
    )
    return dict(events.values_list("problem").annotate(Max("received_at")).order_by())


def _conferences_not_found(account: Account) -> int:
    """Count the live conferences that no reading knows, although listings are complete."""
    if account.checked_at is None or account.check_problem:
        return 0
    before = account.checked_at - LISTED_WITHIN
    return Conference.objects.filter(account=account, ended_at=None, read_at=None, started_at__lt=before).count()


def _refused_dial(commands: CommandQuerySet) -> RefusedDial | None:
    dial = commands.newest(Command.Kind.DIAL)
    if dial is None or dial.state != Command.State.REJECTED or dial.http_status is None:
        return None
    cause = cause_of(
        status=dial.http_status, code=dial.telnyx_code, carrier_code=dial.carrier_code, dialled=True, conference=False
    )
    return RefusedDial(at=dial.asked_at, cause=cause, said=names.plain(dial.outcome, limit=300))


def _unanswered(account: Account) -> UnansweredPhone | None:
    """Return the newest phone that was rung, where its call ended before it was connected."""
    ear = Ear.objects.filter(account=account, dialled_by_us=True).exclude(call_control_id="").order_by("-created_at")
    newest = ear.first()
    if newest is None or newest.connected_at is not None or newest.ended_at is None:
        return None
    leg = Leg.objects.filter(account=account, call_control_id=newest.call_control_id).only("hangup_cause").first()
    return UnansweredPhone(
        at=newest.ended_at,
        is_sip=newest.kind == Line.Kind.SIP,
        hangup_cause=leg.hangup_cause if leg is not None else "",
        sip_status=_sip_status(account, newest.call_control_id),
        said=names.plain(newest.end_reason, limit=200),
    )


def _sip_status(account: Account, call_control_id: str) -> str:
    """Return the status by which the phone's side ended a call, of the webhook that told its end."""
    told = WebhookEvent.objects.filter(
        account=account, call_control_id=call_control_id, event_type="call.hangup"
    ).first()
    if told is None:
        return ""
    payload = parse(body=bytes(told.body), received_at=told.received_at).payload
    return clean_text(payload.get("sip_hangup_cause"), limit=8)
