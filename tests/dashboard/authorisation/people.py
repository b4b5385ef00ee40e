"""Everybody whom the matrix asks for, and whose calls each of them sees."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

from conferences.models import Line, Team, TeamMembership


class Who(StrEnum):
    """Somebody with certain rights; those of a team are rights in the team of the call `Whose.OWN`."""

    ANONYMOUS = "anonymous"
    INACTIVE = "deactivated"
    STRANGER = "in no team"
    SEES = "in the team, no mode"
    MONITORS = "monitor only"
    WHISPERS = "whisper only"
    BARGES = "barge only"
    SUPERVISOR = "every mode"
    LEAD = "lead"
    STAFF = "staff without permissions"
    ADMINISTRATOR = "staff with every permission"
    SUPERUSER = "superuser"


class Whose(StrEnum):
    """The team that a call belongs to."""

    OWN = "own team"
    OTHER = "other team"
    NONE = "no team"


NOT_SIGNED_IN = frozenset({Who.ANONYMOUS, Who.INACTIVE})
SIGNED_IN = frozenset(Who) - NOT_SIGNED_IN
MEMBERS = frozenset({Who.SEES, Who.MONITORS, Who.WHISPERS, Who.BARGES, Who.SUPERVISOR, Who.LEAD})
ADMINISTRATORS = frozenset({Who.ADMINISTRATOR, Who.SUPERUSER})
STAFF = ADMINISTRATORS | {Who.STAFF}
MODES = {
    Who.SEES: {"may_monitor": False},
    Who.MONITORS: {"may_monitor": True},
    Who.WHISPERS: {"may_monitor": False, "may_whisper": True},
    Who.BARGES: {"may_monitor": False, "may_barge": True},
    Who.SUPERVISOR: {"may_monitor": True, "may_whisper": True, "may_barge": True},
    Who.LEAD: {"may_monitor": True, "may_whisper": True, "may_barge": True, "is_lead": True},
}
MAY_MONITOR = frozenset({Who.MONITORS, Who.SUPERVISOR, Who.LEAD, Who.SUPERUSER})
MAY_WHISPER = frozenset({Who.WHISPERS, Who.SUPERVISOR, Who.LEAD, Who.SUPERUSER})
MAY_BARGE = frozenset({Who.BARGES, Who.SUPERVISOR, Who.LEAD, Who.SUPERUSER})

SEES = {
    Whose.OWN: MEMBERS | {Who.SUPERUSER},
    Whose.OTHER: frozenset({Who.SUPERUSER}),
    Whose.NONE: STAFF | {Who.LEAD},
}
"""The people who see the calls of each; to everybody else nothing may tell that there is such a call."""


def invited(who: Who, team: Team) -> User | None:
    """Make somebody with these rights, and a phone; nobody for who is anonymous."""
    if who == Who.ANONYMOUS:
        return None
    user = User.objects.create_user(
        f"user-{who.name.lower()}", is_staff=who in STAFF, is_superuser=who == Who.SUPERUSER
    )
    if who == Who.ADMINISTRATOR:
        user.user_permissions.set(Permission.objects.all())
    if who in MODES:
        TeamMembership.objects.create(user=user, team=team, **MODES[who])
    Line.objects.create(user=user, label="Phone", kind="sip", address=f"sip:{user.pk}@a.example", is_default=True)
    return user


def session_of(user: User | None) -> str:
    """Sign somebody in, and return the key of the session; a deactivated user was signed in before."""
    if user is None:
        return ""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
