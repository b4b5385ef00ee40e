"""Defines a step of the guide, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from .evidence import AccountEvidence
from .milestones import Milestone
from .mistakes import Mistake, Recognises


class StepState(StrEnum):
    DONE = "done"
    TO_DO = "to-do"
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    """Cannot be told, or not yet."""


@dataclass(frozen=True, slots=True)
class Link:
    """The place that mends a step; whoever lacks the permission is not sent there."""

    text: str
    url: str
    permission: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupStep:
    """One step as the page shows it."""

    milestone: Milestone
    title: str
    state: StepState
    shown_by: str
    """The evidence, in a sentence."""
    next: str = ""
    """The thing to do, "" where there is none."""
    link: Link | None = None
    mistakes: tuple[Mistake, ...] = ()


def step(
    seen: AccountEvidence,
    milestone: Milestone,
    title: str,
    shown_by: str,
    next_step: str,
    *,
    link: Link,
    recognise: tuple[Recognises, ...] = (),
    reached_is: StepState = StepState.DONE,
    otherwise: StepState = StepState.TO_DO,
) -> SetupStep:
    """Return a step: done where it is reached, and a problem where one of its mistakes is recognised."""
    found = tuple(mistake for recognises in recognise for mistake in recognises(seen))
    state = reached_is if milestone in seen.reached else otherwise
    return SetupStep(
        milestone=milestone,
        title=title,
        state=StepState.PROBLEM if found else state,
        shown_by=shown_by,
        next=next_step,
        link=link,
        mistakes=found,
    )


def ago(moment: datetime, *, now: datetime) -> str:
    """Tell how long ago something was, or when, after an hour."""
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < 120:
        return _("%(number)d s ago") % {"number": seconds}
    if moment > now - timedelta(hours=1):
        return _("%(number)d min ago") % {"number": seconds // 60}
    return _("on %(time)s") % {"time": date_format(timezone.localtime(moment), "Y-m-d H:i")}
