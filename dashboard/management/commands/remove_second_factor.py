"""Removes somebody's second factor: `floorline remove-second-factor USER`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from conferences import audit
from conferences.models import AuditEntry


class Command(BaseCommand):
    help = "Remove somebody's second factor and recovery codes; at their next sign-in they add another one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="The user name.")

    def handle(self, *, user: str, **_: Any) -> None:
        person = User.objects.filter(username=user).first()
        if person is None:
            raise CommandError(f"There is no user {user!r}.")
        with transaction.atomic():
            removed, _models = Authenticator.objects.filter(user=person).delete()
            if removed:
                action = AuditEntry.Action.SECOND_FACTOR_REMOVED
                audit.record(action, at=timezone.now(), actor=None, detail=f"{user}, by a command on the server")
        self.stdout.write(f"The second factor of {user} is removed." if removed else f"{user} has no second factor.")
