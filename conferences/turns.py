"""Whose participants are read next: where a supervisor is inside, then by turns what is on a screen and the rest.

The rest in this order: nothing known, doubtful, longest not read, just begun.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import F, QuerySet

from .listings import SECOND_LOOK
from .models import Account, Conference, Leg, Screen, SupervisorSession

SUPERVISED_EVERY = timedelta(seconds=5)
ROTATION_EVERY = timedelta(seconds=60)
ON_SCREEN_EVERY = timedelta(seconds=20)
SCREEN_IS_RECENT = timedelta(seconds=30)

Look = Callable[[datetime], Conference | Leg | None]


class Turns:
    """One account's conferences and legs, and whose turn it is to be read."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._screens_turn = False
        self._legs_turn = False

    def live(self) -> QuerySet[Conference]:
        """Return what has not ended as far as anybody told."""
        return Conference.objects.filter(account=self._account, ended_at=None)

    def stubs(self) -> QuerySet[Conference]:
        """Return live conferences that only events have told of: they have no name yet."""
        return self.live().filter(read_at=None, missing_since=None)

    def readable(self) -> QuerySet[Conference]:
        """Return live conferences that Telnyx has named: only those have an id that can be asked about."""
        return self.live().exclude(read_at=None).order_by("started_at")

    def supervised(self, now: datetime) -> Conference | None:
        """Return a conference with a supervisor inside that is due."""
        due = self.readable().filter(
            pk__in=self._inside().values("conference"), participants_read_at__lt=now - SUPERVISED_EVERY
        )
        return due.order_by("participants_read_at").first()

    def next(self, now: datetime, *, polling: bool) -> Conference | Leg | None:
        """Return what is on somebody's screen and what is due anyway in turns: neither may starve the other."""
        self._screens_turn = not self._screens_turn
        looks: tuple[Look, Look] = (self._on_screen, partial(self._next_in_rotation, polling=polling))
        first, second = looks if self._screens_turn else reversed(looks)
        return first(now) or second(now)

    def _on_screen(self, now: datetime) -> Conference | None:
        shown = _shown(now)
        due = self.readable().filter(pk__in=shown).exclude(participants_read_at__gte=now - ON_SCREEN_EVERY)
        return due.order_by(F("participants_read_at").asc(nulls_first=True)).first() if shown else None

    def _next_in_rotation(self, now: datetime, *, polling: bool) -> Conference | Leg | None:
        """Where nothing but readings tells whose a leg is, legs take turns with what has been read before."""
        self._legs_turn = not self._legs_turn
        never_read = self.readable().filter(participants_read_at=None)
        return (
            never_read.filter(participants=None).first()
            or self._doubtful(now)
            or (self._unasked_leg(now) if polling and self._legs_turn else None)
            or self._longest_unread(now - ROTATION_EVERY)
            or never_read.first()
            or (self._unasked_leg(now) if polling else None)
        )

    def _doubtful(self, now: datetime) -> Conference | None:
        """Return one with somebody inside whom its last reading did not name."""
        return (
            self.readable()
            .filter(
                participants__missing_since__isnull=False,
                participants__present=True,
                participants_read_at__lte=now - SECOND_LOOK,
            )
            .first()
        )

    def _longest_unread(self, before: datetime) -> Conference | None:
        """Return what was read or, heard by events alone, began longest ago: new calls must not starve the old ones."""
        # Two questions, as each has its index; one by whichever time counts would sort the whole floor.
        read = self.readable().filter(participants_read_at__lt=before).order_by("participants_read_at")[:1]
        heard = self.readable().filter(participants_read_at=None, started_at__lt=before)[:1]
        return min([*read, *heard], key=lambda row: row.participants_read_at or row.started_at or before, default=None)

    def _unasked_leg(self, now: datetime) -> Leg | None:
        """Return a present leg of which no event told us anything: what somebody looks at first, then the newest."""
        present = Leg.objects.filter(account=self._account, hung_up_at=None, participations__present=True)
        unasked = present.exclude(facts__has_key="client_state").order_by("-started_at")
        watched = _shown(now) | set(self._inside().values_list("conference_id", flat=True))
        return unasked.filter(participations__conference__in=watched).first() or unasked.first()

    def _inside(self) -> QuerySet[SupervisorSession]:
        return SupervisorSession.objects.filter(ended_at=None, conference__account=self._account)


def _shown(now: datetime) -> set[UUID]:
    recent = Screen.objects.filter(at__gt=now - SCREEN_IS_RECENT).values_list("conference_ids", flat=True)
    return {UUID(conference_id) for ids in recent for conference_id in ids}
