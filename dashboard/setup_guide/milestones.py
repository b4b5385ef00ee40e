"""Names the steps of the set-up, and says which of them an account has reached: one cheap query."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.core.cache import cache
from django.db.models import Case, Exists, OuterRef, QuerySet, Value, When

from conferences.models import Account, Agent, Command, Connection, Ear, Line, TeamMembership
from conferences.models.account import Feed
from conferences.models.supervision import Role
from conferences.telnyx.inbound import is_public_key

LEFT = "setup-steps-left"
LEFT_SECONDS = 20


class Milestone(StrEnum):
    """The steps, in their order."""

    API_KEY = "api-key"
    PUBLIC_KEY = "public-key"
    FEED = "feed"
    EAR_APPLICATION = "ear-application"
    CALLER_NUMBER = "caller-number"
    CONNECTIONS = "connections"
    PEOPLE = "people"
    PHONE = "phone"
    PROBE = "probe"
    WHISPER = "whisper"


def steps_left() -> int:
    """Return how many steps are left in all accounts; kept for a while, because every page of staff shows it."""
    left: int | None = cache.get(LEFT)
    if left is None:
        accounts = list(accounts_in_order())
        left = sum(len(Milestone) - len(reached(account)) for account in accounts) if accounts else len(Milestone)
        cache.set(LEFT, left, LEFT_SECONDS)
    return left


def accounts_in_order() -> QuerySet[Account]:
    """Return the accounts in use with what `reached` looks at; without their keys, as FIELD_KEYS may be lost."""
    whispers = Command.objects.filter(kind=Command.Kind.UPDATE, role=Role.WHISPER, state=Command.State.VERIFIED)
    used = Connection.objects.filter(role__in=[Connection.Role.CALLS, Connection.Role.AGENTS])
    answered = Ear.objects.filter(dialled_by_us=True, connected_at__isnull=False)
    supervisors = TeamMembership.objects.filter(
        Exists(Line.objects.filter(user=OuterRef("user"))), may_whisper=True, user__is_active=True
    )
    return (
        Account.objects.filter(is_active=True)
        .defer("api_key")
        .annotate(
            has_key=_has_key(),
            has_role=Exists(used.filter(account=OuterRef("pk"))),
            has_agent=Exists(Agent.objects.all()),
            has_supervisor=Exists(supervisors),
            has_answered=Exists(answered.filter(account=OuterRef("pk"))),
            has_whispered=Exists(whispers.filter(account=OuterRef("pk"))),
        )
        .order_by("pk")
    )


def _has_key() -> Case:
    """Return the condition that an account has an API key, which only the default one may have from the environment."""
    from_environment = When(api_key="", is_default=True, then=Value(bool(settings.TELNYX_API_KEY)))
    return Case(from_environment, When(api_key="", then=Value(False)), default=Value(True))


def reached(account: Account) -> frozenset[Milestone]:
    """Return the steps that an account of `accounts_in_order` has reached."""
    row = vars(account)
    is_polled = account.feed == Feed.POLLING
    is_reached = {
        Milestone.API_KEY: row["has_key"] and account.checked_at is not None,
        Milestone.PUBLIC_KEY: any(is_public_key(key) for key in account.public_keys_in_force()),
        Milestone.FEED: (account.checked_at if is_polled else account.heard_at) is not None,
        Milestone.EAR_APPLICATION: account.ear_connection_id_in_force(),
        Milestone.CALLER_NUMBER: account.from_number_in_force(),
        Milestone.CONNECTIONS: is_polled or row["has_role"],
        Milestone.PEOPLE: row["has_agent"] and row["has_supervisor"],
        Milestone.PHONE: row["has_answered"],
        Milestone.PROBE: account.probed_at is not None,
        Milestone.WHISPER: row["has_whispered"],
    }
    return frozenset(milestone for milestone, holds in is_reached.items() if holds)
