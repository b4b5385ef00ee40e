"""Finds out who needs a second factor and has none: such a session may only add one, stop, and sign out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User

from .models import TeamMembership

ASKED = "second_factor_asked"
"""In every session opened since Floorline asks for second factors, unless an issuer has asked for one instead.

A session of before goes on until it runs out.
"""
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def is_owed(user: User, session: Mapping[str, Any]) -> bool:
    """Return whether somebody has to add a second factor before this session may do anything else."""
    return bool(session.get(ASKED)) and user.pk in owing([user])


def owing(users: Collection[User]) -> frozenset[int]:
    """Return which of these people need a second factor and have none; nothing is read where nobody needs one."""
    needing = _needing(users)
    if not needing:
        return needing
    having = Authenticator.objects.filter(user__in=needing, type__in=FACTORS).values_list("user", flat=True)
    return needing.difference(having)


def _needing(users: Collection[User]) -> frozenset[int]:
    wanted: Collection[str] = settings.SECOND_FACTOR_FOR
    if not wanted:
        return frozenset()
    by_office = {user.pk for user in users if user.is_superuser or ("staff" in wanted and user.is_staff)}
    others = {user.pk for user in users} - by_office
    if not others or "barge" not in wanted:
        return frozenset(by_office)
    barging = TeamMembership.objects.filter(user__in=others, may_barge=True).values_list("user", flat=True)
    return frozenset(by_office.union(barging))
