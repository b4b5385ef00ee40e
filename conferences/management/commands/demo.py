"""Fills the sandbox's database with its people, and clears what an earlier sandbox left on the board."""

from __future__ import annotations

import math
import secrets
from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission, User
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from conferences.audit_chain.removal import opened_for_removal
from conferences.changes import board_change
from conferences.models import (
    Account,
    Agent,
    AuditAnchor,
    AuditEntry,
    AuditSeal,
    AuditSegment,
    Conference,
    Connection,
    DatabaseStamp,
    Ear,
    Leg,
    Line,
    Note,
    Participant,
    SupervisorSession,
    Team,
    TeamMembership,
    UnsteeredLine,
    WebhookEvent,
)
from conferences.models import Command as StoredCommand
from conferences.sandbox.center import directory

PASSWORD = "floorline-demo"  # noqa: S105 - printed on purpose; the sandbox holds no secret
DRAWN = "drawn"
"""The beginning of the salt of a password that was drawn for one start outside loopback."""
CALLS = 40
CALLS_PER_READ = 500
LEAST_READS, MOST_READS = 5, 20
"""A second; with ten thousand calls each costs the worker tens of milliseconds, and the intake needs the cores too."""
AGENT_PATH = "agent"
CUSTOMER_MARK = "role=customer"

LEADS_CHANGE = ("add_agent", "change_agent", "change_connection")

# The records of a sandbox that is gone, with everything that refers to it.
PLAYED = (
    WebhookEvent,
    AuditSeal,
    AuditSegment,
    AuditAnchor,
    AuditEntry,
    Note,
    StoredCommand,
    SupervisorSession,
    UnsteeredLine,
    Ear,
    Participant,
    Leg,
    Conference,
)

ROLES = {
    directory.CALLS_CONNECTION_ID: Connection.Role.CALLS,
    directory.EAR_CONNECTION_ID: Connection.Role.EAR,
    directory.CREDENTIAL_CONNECTION_ID: Connection.Role.AGENTS,
}


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Someone who may sign in to the demo."""

    username: str
    name: str
    what: str
    teams: tuple[str, ...] = ()
    lines: tuple[directory.Phone, ...] = ()
    is_lead: bool = False
    is_superuser: bool = False
    agent: str = ""
    """The name of the agent that this person is."""


SIGN_INS = (
    SignIn(
        username="kim",
        name="Kim Winter",
        what="supervisor of Billing and Support: may monitor, whisper and barge",
        teams=("Billing", "Support"),
        lines=(directory.KIM_SIP, directory.KIM_MOBILE),
    ),
    SignIn(
        username="lena",
        name="Lena Sommer",
        what="lead of every team: also sees calls that belong to no team",
        teams=tuple(team.name for team in directory.TEAMS),
        lines=(directory.LENA_SIP,),
        is_lead=True,
    ),
    SignIn(
        username="ana",
        name="Ana Ruiz",
        what="an agent of Billing: sees who listened to her calls, and who listens now",
        agent="Ana Ruiz",
    ),
    SignIn(username="omar", name="Omar Reyes", what="in no team: sees nothing"),
    SignIn(username="admin", name="Ada Stern", what="administrator: configures everything", is_superuser=True),
)

COLLEAGUE = SignIn(
    username="mara",
    name="Mara Lind",
    what="a colleague at work, whom the sandbox plays; nobody can sign in as her",
    teams=("Billing", "Support"),
    lines=(directory.MARA_SIP,),
)


class Command(BaseCommand):
    help = "Fill the sandbox's database with its people, and clear what an earlier sandbox left on the board."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=CALLS, help="Make agents for so many calls (40).")
        parser.add_argument("--agents", type=int, default=0, help="Make at least so many agents.")

    def handle(self, *args: Any, calls: int, agents: int, **options: Any) -> None:
        _refuse_outside_the_sandbox()
        # Some calls have two agents, and some agents pause.
        enough = max(agents, math.ceil(1.6 * calls) + 20)
        with board_change(now=timezone.now()):
            _clear_the_board()
            _seed_account(calls)
            _seed_agents(enough)
            _seed_people()
        if options["verbosity"] > 0:
            for person in SIGN_INS:
                self.stdout.write(f"{person.username:<6} {PASSWORD}  {person.what}")


def _refuse_outside_the_sandbox() -> None:
    if not settings.SANDBOX:
        raise CommandError("The demo belongs to the sandbox: start it with `floorline demo`; nothing was changed here.")
    stamp = DatabaseStamp.objects.first()
    if (stamp is None and Account.objects.exists()) or (stamp is not None and not stamp.sandbox):
        raise CommandError("This database is not the sandbox's, so nothing was changed; name another in DATABASE_URL.")
    DatabaseStamp.objects.get_or_create(id=1, defaults={"sandbox": True})


def _clear_the_board() -> None:
    # As `manage.py flush` does: whole tables at once, since collecting what hangs on each row takes minutes.
    tables = [model._meta.db_table for model in PLAYED]
    with opened_for_removal():
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))


def _seed_account(calls: int) -> None:
    account, _new = Account.objects.update_or_create(
        name="default",
        defaults={
            "agent_path": AGENT_PATH,
            "customer_mark": CUSTOMER_MARK,
            "bridged_call_seen_at": None,
            "checked_at": None,
            "check_problem": "",
            "unsure_since": None,
            "heard_at": None,
            "feed_stopped_since": None,
            "feed_only_unanswered": False,
            "feed_resumed_at": None,
            # Until everything has been read once, a first start is "still comparing": some ten minutes.
            "reads_per_second": min(MOST_READS, max(LEAST_READS, calls // CALLS_PER_READ)),
        },
    )
    for connection_id, role in ROLES.items():
        name = directory.CONNECTION_NAMES[connection_id].capitalize()
        Connection.objects.update_or_create(
            account=account, connection_id=connection_id, defaults={"name": name, "role": role}
        )


def _seed_agents(count: int) -> None:
    Team.objects.bulk_create([Team(name=team.name) for team in directory.TEAMS], ignore_conflicts=True)
    teams = {team.name: team for team in Team.objects.all()}
    known = set(Agent.objects.values_list("sip_username", flat=True))
    Agent.objects.bulk_create(
        [
            Agent(
                name=agent.name,
                team=teams[agent.team],
                sip_username=agent.sip_username,
                reference=agent.reference,
            )
            for agent in directory.agents(count)
            if agent.sip_username not in known
        ],
        ignore_conflicts=True,
    )
    # One newcomer a team is enough to show what "new agent" looks like.
    newcomers = [team.agents[-1].sip_username for team in directory.TEAMS]
    settled = Agent.objects.exclude(sip_username__in=newcomers)
    settled.update(created_at=timezone.now() - timedelta(days=90))


def _seed_people() -> None:
    known = set(User.objects.values_list("username", flat=True))
    if COLLEAGUE.username not in known:
        _seed_person(COLLEAGUE, password=make_password(None))
    missing = [person for person in SIGN_INS if person.username not in known]
    password = make_password(PASSWORD) if missing else ""  # once: hashing is slow on purpose
    for person in missing:
        _seed_person(person, password=password)


def set_passwords(*, in_the_open: bool) -> dict[str, str]:
    """Give the demo's people passwords fit for where it is served; return those that were drawn, by user name.

    In the open everybody gets a new one at each start, whatever they had. On loopback the known one comes back, but a
    password that somebody chose in the admin stays.
    """
    people = User.objects.filter(username__in=[person.username for person in SIGN_INS])
    if in_the_open:
        drawn = {user.username: secrets.token_urlsafe(12) for user in people}
        for user in people:
            user.password = make_password(drawn[user.username], salt=DRAWN + secrets.token_hex(12))
            user.save(update_fields=["password"])
        return drawn
    if were_drawn := people.filter(password__contains=f"${DRAWN}"):
        were_drawn.update(password=make_password(PASSWORD))
    return {}


def _seed_person(person: SignIn, *, password: str) -> None:
    first_name, last_name = person.name.split(" ", 1)
    user = User.objects.create(
        username=person.username,
        password=password,
        first_name=first_name,
        last_name=last_name,
        is_staff=person.is_lead or person.is_superuser,
        is_superuser=person.is_superuser,
    )
    for team in Team.objects.filter(name__in=person.teams):
        TeamMembership.objects.create(
            user=user, team=team, may_monitor=True, may_whisper=True, may_barge=True, is_lead=person.is_lead
        )
    for phone in person.lines:
        Line.objects.create(
            user=user,
            label=phone.label,
            kind=Line.Kind.SIP if phone.address.startswith("sip:") else Line.Kind.PHONE,
            address=phone.address,
            is_default=phone is person.lines[0],
        )
    if person.agent:
        Agent.objects.filter(name=person.agent).update(user=user)
    if person.is_lead:
        ours = Permission.objects.filter(content_type__app_label="conferences")
        user.user_permissions.set(ours.filter(Q(codename__startswith="view_") | Q(codename__in=LEADS_CHANGE)))
