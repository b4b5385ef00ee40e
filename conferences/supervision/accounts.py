"""Chooses the account on which a supervisor's line is rung where no conference decides it."""

from __future__ import annotations

from django.contrib.auth.models import User

from conferences.models import Account, Connection
from conferences.permissions import rights_book


def account_of(user: User) -> Account | None:
    """Return the one account whose phone applications belong to a supervisor's teams; else the default account.

    Where the default account is not in use, the first one that is counts instead; None where there is none.
    """
    accounts = Account.objects.filter(is_active=True).order_by("-is_default", "pk")
    teams = rights_book(user).scope.monitored.teams
    named = Connection.objects.filter(team__in=teams).exclude(role=Connection.Role.IGNORED).values("account")
    of_teams = accounts.filter(pk__in=named)[:2]
    return of_teams[0] if len(of_teams) == 1 else accounts.first()
