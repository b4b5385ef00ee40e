"""Puts the guide together for one viewer: each account with its steps, and how many are left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User

from conferences import names

from .evidence import evidence, people
from .milestones import Milestone, accounts_in_order
from .step import SetupStep, StepState, ago
from .steps import steps

READ_APPLICATIONS = "conferences.change_account"


@dataclass(frozen=True, slots=True)
class AccountGuide:
    """The steps of one account."""

    account_id: int
    name: str
    steps: tuple[SetupStep, ...]
    left: int
    applications_read: str
    """When the applications were read from Telnyx, "" where that is long ago."""
    may_read_applications: bool

    @property
    def problems(self) -> int:
        return sum(step.state == StepState.PROBLEM for step in self.steps)


def guide(viewer: User, *, now: datetime) -> tuple[AccountGuide, ...]:
    """Return the accounts in order, with links to those places alone that the viewer may open."""
    counted = people()
    guides = []
    for account in accounts_in_order():
        seen = evidence(account, people=counted, now=now)
        shown = tuple(_for_viewer(step, viewer) for step in steps(seen))
        guides.append(
            AccountGuide(
                account_id=account.pk,
                name=names.plain(account.name),
                steps=shown,
                left=len(Milestone) - len(seen.reached),
                applications_read=ago(seen.applications.read_at, now=now) if seen.applications else "",
                may_read_applications=seen.has_key and viewer.has_perm(READ_APPLICATIONS),
            )
        )
    return tuple(guides)


def _for_viewer(step: SetupStep, viewer: User) -> SetupStep:
    if step.link is None or not step.link.permission or viewer.has_perm(step.link.permission):
        return step
    return replace(step, link=None)
