"""Whose participants are read next: where a supervisor is inside, then by turns what is on a screen and the rest.

The rest in this order: nothing known, doubtful, longest not read, just begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
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

AT_A_LOOK = 5
"""So many are fetched at a look, about a second's reads: on a floor of thousands a look costs more than a read."""
LOOK_AGAIN_AFTER = timedelta(seconds=1)

Look = Callable[[datetime], Conference | Leg | None]


class Ahead:
    """The next few of an order, fetched together; one that is empty is not looked for again at once."""

    def __init__(self, look: Callable[[datetime], Iterable[Conference]]) -> None:
        self._look = look
        self._rows: deque[Conference] = deque()
        self._empty_at: datetime | None = None

    def next(self, now: datetime) -> Conference | None:
        """Return the next one, None where there was none a moment ago."""
        if not self._rows and (self._empty_at is None or now - self._empty_at >= LOOK_AGAIN_AFTER):
            self._rows.extend(self._look(now))
            self._empty_at = None if self._rows else now
        return self._rows.popleft() if self._rows else None


class Turns:
    """One account's conferences and legs, and whose turn it is to be read."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._screens_turn = False
        self._legs_turn = False
        self._urgent = Ahead(self._unknown_or_doubtful)
        self._rest = Ahead(self._longest_unread)

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
        inside = list(self._inside().values_list("conference_id", flat=True))
        due = self.readable().filter(pk__in=inside, participants_read_at__lt=now - SUPERVISED_EVERY)
        return due.order_by("participants_read_at").first() if inside else None

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
        return (
            self._urgent.next(now)
            or (self._unasked_leg(now) if polling and self._legs_turn else None)
            or self._rest.next(now)
            or (self._unasked_leg(now) if polling else None)
        )

    def _unknown_or_doubtful(self, now: datetime) -> list[Conference]:
        """Return those of which nobody is known, and those with somebody inside whom the last reading did not name."""
        unknown = self.readable().filter(participants_read_at=None, participants=None)
        doubtful = self.readable().filter(
            participants__missing_since__isnull=False,
            participants__present=True,
            participants_read_at__lte=now - SECOND_LOOK,
        )
        return [*unknown[:AT_A_LOOK], *doubtful.distinct()[:AT_A_LOOK]]

    def _longest_unread(self, now: datetime) -> list[Conference]:
        """Return what was read or, heard by events alone, began longest ago: new calls must not starve the old ones."""
        before = now - ROTATION_EVERY
        never_read = self.readable().filter(participants_read_at=None)
        # Two questions, as each has its index; one by whichever time counts would sort the whole floor.
        read = self.readable().filter(participants_read_at__lt=before).order_by("participants_read_at")[:AT_A_LOOK]
        heard = never_read.filter(started_at__lt=before)[:AT_A_LOOK]
        due = sorted([*read, *heard], key=lambda row: row.participants_read_at or row.started_at or before)
        return due[:AT_A_LOOK] or list(never_read[:AT_A_LOOK])

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
