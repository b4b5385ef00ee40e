"""Chooses the next conference to read: supervised ones first, then those on screens and the rest in turn.

The rest in this order: nothing known, doubtful, longest not read, just begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import F, Q, QuerySet

from conferences.fast_sql import has_rows, load_rows, load_values
from conferences.models import Account, Conference, Leg, Participant, Screen, SupervisorSession, UnsteeredLine
from conferences.projection.listings import SECOND_LOOK

SUPERVISED_EVERY = timedelta(seconds=4)
ROTATION_EVERY = timedelta(seconds=60)
ON_SCREEN_EVERY = timedelta(seconds=20)
SCREEN_IS_RECENT = timedelta(seconds=30)

AT_A_LOOK = 5
"""Conferences fetched at a look, about a second's reads: on a floor of thousands a look costs more than a read."""
LOOK_AGAIN_AFTER = timedelta(seconds=1)

Look = Callable[[datetime], Conference | Leg | None]


class Prefetched:
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


class Schedule:
    """One account's conferences and legs, and whose turn it is to be read."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._screens_turn = False
        self._legs_turn = False
        self._urgent = Prefetched(self._unknown_or_doubtful)
        self._rest = Prefetched(self._longest_unread)

    def live(self) -> QuerySet[Conference]:
        """Return the conferences that no event and no reading has ended."""
        return Conference.objects.filter(account=self._account, ended_at=None)

    def stubs(self) -> QuerySet[Conference]:
        """Return live conferences that only events have told of: they have no name yet."""
        return self.live().filter(read_at=None, missing_since=None)

    def has_stubs(self) -> bool:
        """Return whether there is a live conference without a name, in any account: quicker to ask than for one."""
        return has_rows(Conference, ended_at=None, read_at=None)

    def nameless(self, *, glanced_for: Collection[str], asked: Collection[str]) -> list[str]:
        """Return some live conferences without a name that a glance or a listing missed, the newest first."""
        if not self.has_stubs():
            return []
        missed = self.live().filter(Q(telnyx_id__in=glanced_for) | Q(missing_since__isnull=False), read_at=None)
        newest = missed.exclude(telnyx_id__in=asked).order_by("-started_at")
        return list(newest.values_list("telnyx_id", flat=True)[:AT_A_LOOK])

    def readable(self) -> QuerySet[Conference]:
        """Return live conferences that Telnyx has named: only those have an id that can be asked about."""
        return self.live().exclude(read_at=None).order_by("started_at")

    def supervised(self, now: datetime) -> Conference | None:
        """Return a conference with a supervisor inside that is due."""
        inside = self._inside()
        if not inside or not self._may_be_due(inside, now):
            return None
        # The second look at who was missing must not wait for the next regular one.
        missed = Participant.objects.filter(present=True, missing_since__lte=now - SECOND_LOOK)
        again = Q(pk__in=missed.filter(conference__in=inside).values("conference"))
        due = Q(participants_read_at__lt=now - SUPERVISED_EVERY)
        due |= again & Q(participants_read_at__lt=now - LOOK_AGAIN_AFTER)
        return self.readable().filter(due, pk__in=inside).order_by("participants_read_at").first()

    def _may_be_due(self, conferences: set[UUID], now: datetime) -> bool:
        """Return whether one was read long enough ago: quicker to ask than which one is due."""
        read_at = [at for at in load_values(Conference, "participants_read_at", id=conferences, ended_at=None) if at]
        if any(at < now - SUPERVISED_EVERY for at in read_at):
            return True
        missing = load_values(Participant, "missing_since", conference_id=conferences, present=True)
        return any(missing) and any(at < now - LOOK_AGAIN_AFTER for at in read_at)

    def next(self, now: datetime, *, polling: bool) -> Conference | Leg | None:
        """Return what is on somebody's screen and what is due anyway, in turns, so that both are read."""
        self._screens_turn = not self._screens_turn
        looks: tuple[Look, Look] = (self._on_screen, partial(self._next_in_rotation, polling=polling))
        first, second = looks if self._screens_turn else reversed(looks)
        return first(now) or second(now)

    def _on_screen(self, now: datetime) -> Conference | None:
        if not (shown := _shown(now)):
            return None
        due = self.readable().filter(pk__in=shown).exclude(participants_read_at__gte=now - ON_SCREEN_EVERY)
        return due.order_by(F("participants_read_at").asc(nulls_first=True)).first()

    def _next_in_rotation(self, now: datetime, *, polling: bool) -> Conference | Leg | None:
        """Return what is due next; with polling alone, legs take turns with conferences that have been read before."""
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
        some_unread = has_rows(Conference, ended_at=None, participants_read_at=None)
        return [*(unknown[:AT_A_LOOK] if some_unread else ()), *doubtful.distinct()[:AT_A_LOOK]]

    def _longest_unread(self, now: datetime) -> list[Conference]:
        """Return what was read or, heard by events alone, began longest ago.

        New calls must not keep the old ones waiting for ever.
        """
        before = now - ROTATION_EVERY
        never_read = self.readable().filter(participants_read_at=None)
        # Two queries, because each has its index; a single one by the later of both times would sort the whole floor.
        read = self.readable().filter(participants_read_at__lt=before).order_by("participants_read_at")[:AT_A_LOOK]
        if not has_rows(Conference, ended_at=None, participants_read_at=None):
            return list(read)
        heard = never_read.filter(started_at__lt=before)[:AT_A_LOOK]
        due = sorted([*read, *heard], key=lambda row: row.participants_read_at or row.started_at or before)
        return due[:AT_A_LOOK] or list(never_read[:AT_A_LOOK])

    def _unasked_leg(self, now: datetime) -> Leg | None:
        """Return a present leg of which no event told us anything: what somebody looks at first, then the newest."""
        present = Leg.objects.filter(account=self._account, hung_up_at=None, participations__present=True)
        unasked = present.exclude(facts__has_key="client_state").order_by("-started_at")
        watched = _shown(now) | self._inside()
        return unasked.filter(participations__conference__in=watched).first() or unasked.first()

    def _inside(self) -> set[UUID]:
        """Return the conferences with a supervisor's line inside, steered or not, of every account."""
        kinds = (SupervisorSession, UnsteeredLine)
        return {inside for kind in kinds for inside in load_values(kind, "conference_id", ended_at=None)}


def _shown(now: datetime) -> set[UUID]:
    recent = [screen for screen in load_rows(Screen) if screen.at > now - SCREEN_IS_RECENT]
    return {UUID(conference_id) for screen in recent for conference_id in screen.conference_ids}
